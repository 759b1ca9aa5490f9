"""Which passwords a rollback would bring back although they were changed."""

import hashlib
from collections.abc import Mapping

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import scram
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release import rotation
from fakes_backup import DATABASE
from fakes_database import FakeDatabase

NEW, OLD = "new-pass/word", "old-password"


def at(password: str, scheme: str = "postgresql") -> str:
    return f"{scheme}://shop:{password.replace('/', '%2F')}@postgres:5432/shop"


@pytest.mark.parametrize(
    ("live", "target", "names"),
    [
        ({"password": NEW}, {"password": OLD}, ["password"]),
        ({"password": NEW}, {"password": NEW}, []),
        ({"DATABASE_URL": at(NEW)}, {"DATABASE_URL": at(OLD)}, ["DATABASE_URL"]),
        # Another driver, the same password.
        ({"DATABASE_URL": at(NEW)}, {"DATABASE_URL": at(NEW, "postgresql+asyncpg")}, []),
        ({"password": f"{NEW}\n"}, {"password": NEW}, []),
        # What is no password of a service we know may change as it likes.
        ({"password": NEW, "api_key": "one"}, {"password": NEW, "api_key": "two"}, []),
        ({"password": NEW}, {"other": OLD}, []),
        # The live release has an old one too: it is as badly off.
        ({"password": OLD}, {"password": "older"}, []),
        ({"url": "http://[broken"}, {"url": "http://[x"}, []),
        ({"a": NEW, "b": at(NEW)}, {"a": OLD, "b": at(OLD)}, ["a", "b"]),
    ],
)
def test_what_would_not_be_accepted(live: Mapping[str, str], target: Mapping[str, str], names: list[str]) -> None:
    assert rotation.outdated(live, target, [NEW.__eq__, "of-another-role".__eq__]) == names


def test_a_value_may_be_right_for_one_account_only() -> None:
    services = [NEW.__eq__, "redis-new".__eq__]
    assert rotation.outdated({"redis": "redis-new"}, {"redis": NEW}, services) == ["redis"], "it is the database's"


def test_what_the_services_accept(paths: AppPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    database = FakeDatabase(lambda *_: None)
    database.verifiers = [scram.verifier("of-the-role"), "md5abc"]
    secrets = paths.home / "data" / "secrets"
    secrets.mkdir(parents=True)
    digest = hashlib.sha256(b"of-redis").hexdigest()
    (secrets / "redis.conf").write_text(f"# managed\nuser default on ~* &* +@all #{digest}\ndir /data\n")
    paths.database.mkdir()
    (paths.database / "service.conf").write_text("[fairlead]\nhost=db\npassword=of-the-owner\n")
    services = rotation.accepted(paths, database)  # type: ignore[arg-type]
    accepted = [word for word in ("of-the-role", "of-redis", "of-the-owner", "x", "") if any(fits(word) for fits in services)]
    assert accepted == ["of-the-role", "of-redis", "of-the-owner"]


def test_of_what_does_not_answer_nothing_is_claimed(paths: AppPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert rotation.accepted(paths, None) == []
    assert rotation.accepted(paths, DATABASE) == []
