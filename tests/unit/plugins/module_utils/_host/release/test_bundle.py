"""A release's bundle: whole or absent, closed to others, compared without showing a secret."""

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release import bundle as _bundle
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release import bundle_write
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle import read_record
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle_diff import difference
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.record import PinnedImage
from fakes import IMAGE, digest_of, fails
from fakes_host import SECRET, SETTINGS, bundle, released, settings_with, write

MIGRATORS = "s3cr3t-of-the-migrator"


def modes(directory: Path) -> dict[str, str]:
    found = [directory, *directory.rglob("*")]
    return {str(path.relative_to(directory)): oct(stat.S_IMODE(path.stat().st_mode)) for path in found}


@pytest.mark.parametrize(
    ("secrets_as", "where"),
    [
        (
            "file",
            {
                **dict.fromkeys(("secrets", "migrate-secrets", "plan-secrets"), "0o700"),
                **dict.fromkeys((f"{prefix}secrets/database_password" for prefix in ("", "migrate-", "plan-")), "0o400"),
            },
        ),
        ("environment", dict.fromkeys(("secrets.env", "migrate-secrets.env", "plan-secrets.env"), "0o600")),
    ],
)
def test_only_their_owner_reads_the_files(paths: AppPaths, secrets_as: str, where: dict[str, str]) -> None:
    write(bundle(secrets_as=secrets_as, migrate_secrets={"database_password": MIGRATORS}), paths, "r1")
    own = dict.fromkeys((".env", "compose.yaml", "app.env", "migrate-app.env", "release.json"), "0o600")
    assert modes(paths.bundle("r1")) == {".": "0o700", **own, **where}
    assert _bundle.read_secrets(paths, "r1") == {"database_password": SECRET, "migrate-database_password": MIGRATORS}


@pytest.mark.parametrize("secrets_as", ["file", "environment"])
def test_a_plan_gets_placeholders(paths: AppPaths, secrets_as: str) -> None:
    content = bundle(
        secrets={"a": SECRET}, migrate_secrets={"a": MIGRATORS, "URL": f"postgresql://x:{MIGRATORS}@db/x"}, secrets_as=secrets_as
    )
    write(content, paths, "r1")
    files = [file for file in paths.bundle("r1").rglob("*") if file.is_file() and "plan-secrets" in str(file)]
    text = "".join(file.read_text() for file in files)
    assert "postgresql://placeholder:" in text
    assert SECRET not in text and MIGRATORS not in text


def test_secret_files_belong_to_the_user_of_the_app(paths: AppPaths) -> None:
    write(bundle(), paths, "r1")
    owner = (paths.bundle("r1") / "secrets" / "database_password").stat().st_uid
    assert f"{owner}:" == f"{os.getuid()}:" == SETTINGS["user"].partition(":")[0] + ":"


def test_the_record_names_image_and_settings_and_no_secret(paths: AppPaths) -> None:
    write(bundle("v7"), paths, "r12", "r11")
    record = _bundle.read_record(paths, "r12")
    release = record.release
    assert (release.id, release.image) == ("r12", PinnedImage(IMAGE, "v7", digest_of("v7")))
    assert (release.previous, release.config_hash, record.settings) == ("r11", bundle("v7").fingerprint(), SETTINGS)
    assert record.files == _bundle.checksums(paths.bundle("r12"))
    secrets = ["plan-secrets/database_password", "secrets/database_password"]
    assert sorted(record.files) == [".env", "app.env", "compose.yaml", "migrate-app.env", *secrets]
    assert SECRET not in (paths.bundle("r12") / "release.json").read_text()
    assert f"{IMAGE}@{digest_of('v7')}" in (paths.bundle("r12") / ".env").read_text()


def test_a_bundle_that_is_gone_is_reported(paths: AppPaths) -> None:
    with fails("BUNDLE_MISSING"):
        _bundle.read_record(paths, "r1")


def test_a_bundle_that_is_only_looked_at_is_none_of_the_app(paths: AppPaths) -> None:
    with bundle(migrate_environment={"DATABASE_USER": "shop_migrator"}).staged(paths, released()) as directory:
        assert (directory / "migrate-app.env").read_text() == 'DATABASE_USER="shop_migrator"\n'
        assert _bundle.ids(paths) == []
    assert list((paths.home / "releases").iterdir()) == []


def test_half_a_bundle_is_never_left(paths: AppPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    litter = paths.home / "releases" / ".r1.new"
    litter.mkdir()
    (litter / "stale").touch()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(bundle_write, "write_json", full)
    with fails("STATE_WRITE") as caught:
        write(bundle(), paths, "r1")
    assert "No space left on device" in caught.value.what
    assert list((paths.home / "releases").iterdir()) == []


@pytest.mark.parametrize("value", ["", "plain", 'a"$b\\', "key\r\nof\r\nlines\r\n", "grüße\n", " spaces "])
@pytest.mark.parametrize("secrets_as", ["file", "environment"])
def test_secrets_come_back_as_they_were_given(paths: AppPaths, secrets_as: str, value: str) -> None:
    write(bundle(secrets={"key": value}, secrets_as=secrets_as), paths, "r1")
    assert _bundle.read_secrets(paths, "r1") == {"key": value}


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"tag": "other-name", "digest": digest_of("v1")}, True),
        ({"settings": dict(reversed(SETTINGS.items()))}, True),
        ({"app": "other"}, False),
        ({"image": "registry.lab:5000/shop/other"}, False),
        ({"digest": digest_of("v2")}, False),
        ({"compose": "services: {api: {}}\n"}, False),
        ({"environment": {"LOG_LEVEL": "debug"}}, False),
        ({"environment": {}}, False),
        ({"secrets": {"database_password": "new"}}, False),
        ({"secrets_as": "environment"}, False),
        ({"migrate_environment": {"DATABASE_USER": "shop_migrator"}}, False),
        ({"migrate_secrets": {"database_password": MIGRATORS}}, False),
        ({"settings": settings_with(keep=1)}, False),
    ],
)
def test_the_fingerprint_covers_what_users_would_notice(changes: dict[str, Any], same: bool) -> None:
    assert (bundle(**changes).fingerprint() == bundle().fingerprint()) is same


@pytest.mark.parametrize(
    ("changes", "after"),
    [
        ({}, {}),
        ({"tag": "v2", "digest": digest_of("v2")}, {"image": f"{IMAGE}:v2@{digest_of('v2')}\n"}),
        ({"environment": {"A": "1"}}, {"app.env": 'A="1"\n'}),
        ({"compose": "services: {api: {}}\n"}, {"compose.yaml": "services: {api: {}}\n"}),
        ({"secrets": {"database_password": "n3w-value"}}, {"secrets": "database_password: (changed)\n"}),
        (
            {"secrets": {"database_password": SECRET, "token": "t0ken-value"}},
            {"secrets": "database_password: (set)\ntoken: (set)\n"},
        ),
        ({"secrets": {}}, {"secrets": ""}),
        ({"migrate_environment": {"DATABASE_USER": "m"}}, {"migrations": 'DATABASE_USER="m"\n'}),
        (
            {"migrate_secrets": {"database_password": MIGRATORS}},
            {"secrets": "database_password: (set)\nmigrate-database_password: (set)\n"},
        ),
    ],
)
def test_a_difference_never_shows_a_secret(paths: AppPaths, changes: dict[str, Any], after: dict[str, str]) -> None:
    write(bundle(), paths, "r1")
    changed = difference(paths, read_record(paths, "r1"), bundle(**changes))
    assert {d["after_header"].split()[-1]: d["after"] for d in changed} == after
    for hidden in (SECRET, MIGRATORS, "n3w-value", "t0ken-value"):
        assert hidden not in str(changed)


URL = "postgresql://shop:{}@db/shop"


@pytest.mark.parametrize(
    ("old", "new", "before", "after"),
    [
        ({"URL": URL.format("0ld")}, {}, 'URL="(set)"\n', ""),
        ({"URL": URL.format("0ld")}, {"URL": URL.format("n3w")}, 'URL="(set)"\n', 'URL="(changed)"\n'),
        ({"A": "1", "API_KEY": "0ld"}, {"A": "2", "API_KEY": "0ld"}, 'A="1"\nAPI_KEY="(set)"\n', 'A="2"\nAPI_KEY="(set)"\n'),
        ({"URL": URL.format("0ld")}, {"URL": "postgresql://shop@db/shop"}, 'URL="(set)"\n', 'URL="(changed)"\n'),
        ({}, {"API_KEY": "n3w"}, "", 'API_KEY="(set)"\n'),
    ],
)
@pytest.mark.parametrize("kind", ["environment", "migrate_environment"])
def test_a_difference_shows_no_credential_in_an_environment(
    paths: AppPaths, kind: str, old: dict[str, str], new: dict[str, str], before: str, after: str
) -> None:
    was: dict[str, Any] = {kind: old}
    is_to_be: dict[str, Any] = {kind: new}
    write(bundle(**was), paths, "r1")
    (changed,) = difference(paths, read_record(paths, "r1"), bundle(**is_to_be))
    assert (changed["before"], changed["after"]) == (before, after)


def test_the_first_release_differs_from_nothing(paths: AppPaths) -> None:
    changed = difference(paths, None, bundle())
    assert [d["after_header"].split()[-1] for d in changed] == [
        "image",
        "compose.yaml",
        "app.env",
        "settings",
        "secrets",
    ]
    assert {d["before"] for d in changed} == {""}
    assert "(nothing live)" in changed[0]["before_header"]
