"""Registries that several apps of a host trust."""

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import engine_record
from fakes import fails

REGISTRY = "registry.lab:5000"


def pem(name: str) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{name}\n-----END CERTIFICATE-----"


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_record, "CERTIFICATES", tmp_path)
    monkeypatch.setattr(engine_record, "FILE", tmp_path / "engine.json")


class Host:
    """What is noted and trusted after each app was provisioned."""

    def __init__(self) -> None:
        self.noted: dict[str, Any] = engine_record.load()

    def provision(self, app: str, *names: str) -> str:
        trusted = {REGISTRY: "".join(f"# of {name}\n{pem(name)}\n" for name in names)}
        found = engine_record.certificates(self.noted, app, trusted)
        self.noted = engine_record.noted_with(self.noted, app, False, {}, trusted)
        file = engine_record.CERTIFICATES / REGISTRY / "ca.crt"
        file.parent.mkdir(exist_ok=True)
        file.write_text(found[REGISTRY])
        return found[REGISTRY]


def lines(*names: str) -> str:
    return "".join(f"{pem(name)}\n" for name in names)


def test_certificates_of_two_apps_are_united() -> None:
    host = Host()
    assert host.provision("shop", "a") == lines("a")
    assert host.provision("blog", "b") == lines("a", "b")
    assert host.provision("shop", "a") == lines("a", "b")


def test_a_renewed_certificate_takes_the_place_of_the_apps_old_one() -> None:
    host = Host()
    host.provision("shop", "a")
    host.provision("blog", "a")
    assert host.provision("shop", "c") == lines("a", "c"), "another app trusts the old one"
    assert host.provision("blog", "c") == lines("c")


def test_what_an_administrator_put_there_stays() -> None:
    host = Host()
    (engine_record.CERTIFICATES / REGISTRY).mkdir()
    (engine_record.CERTIFICATES / REGISTRY / "ca.crt").write_text(pem("own"))
    assert host.provision("shop", "a") == lines("own", "a")
    assert host.provision("shop", "b") == lines("own", "b")


def test_a_damaged_record_is_named() -> None:
    engine_record.FILE.write_text("{}")
    with fails("STATE_CORRUPT") as caught:
        engine_record.load()
    assert str(engine_record.FILE) in caught.value.todo
