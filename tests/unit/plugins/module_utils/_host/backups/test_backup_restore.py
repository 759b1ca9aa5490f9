"""Which backup is restored, and under which names."""

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import lookup, outcomes, restore, store
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups.manifest import Manifest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import Database
from fakes import FakeEngine, fails
from fakes_backup import DATABASE, day, made, manifest


@pytest.fixture
def offsite(paths: AppPaths, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Copies off the host, by id; fetched, they lie on it."""
    there: dict[str, str] = {}

    class Fake:
        installation = "shop.example.com"

        @staticmethod
        def of(_: AppPaths, installation: str) -> "Fake":
            return Fake()

        def others(self) -> dict[str, str]:
            return {"staging.example.com": day(7)}

        def newest(self) -> str | None:
            return max(there, default=None)

        def has(self, identifier: str) -> bool:
            return identifier in there

        def fetch(self, _: AppPaths, identifier: str) -> None:
            made(paths, identifier)

    monkeypatch.setattr(lookup, "Offsite", Fake)
    return there


@pytest.mark.parametrize(
    ("database", "backup_of", "says"),
    [
        (DATABASE, "shop", None),
        (None, None, None),
        (None, "shop", "the app is without one"),
        (DATABASE, None, "from a time when the app had no database"),
    ],
)
def test_a_backup_fits_an_app_that_has_what_it_is_of(database: Database | None, backup_of: str | None, says: str | None) -> None:
    found = manifest(day(1), database=backup_of)
    if says is None:
        lookup.require_fitting(database, found)
        return
    with fails("RESTORE_FAILED") as caught:
        lookup.require_fitting(database, found)
    assert says in caught.value.what


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ('{"database": false}', None),
        # A database that is only not found is missed, also by what an older version wrote.
        ('{"database": true}', "DB_UNREACHABLE"),
        ("{}", "DB_UNREACHABLE"),
        (None, "DB_UNREACHABLE"),
    ],
)
def test_only_provisioning_decides_that_there_is_no_database(
    paths: AppPaths, engine: FakeEngine, settings: str | None, code: str | None
) -> None:
    if settings is not None:
        outcomes.settings_file(paths).parent.mkdir()
        outcomes.settings_file(paths).write_text(settings)
    if code is None:
        assert lookup.database_of(paths) is None
        return
    with fails(code):
        lookup.database_of(paths)


@pytest.mark.parametrize(
    ("local", "copies", "wanted", "found"),
    [
        ([("scheduled", 1), ("manual", 2)], [], "", day(2)),
        # What an earlier restore replaced is not what anybody means by the newest.
        ([("scheduled", 1), ("restore", 2)], [], "", day(1)),
        ([("scheduled", 1), ("restore", 2)], [], day(2), day(2)),
        ([("scheduled", 2)], [day(1)], day(1), day(1)),
        ([], [day(1), day(2)], "", day(2)),
        ([("scheduled", 1)], [], day(2), "BACKUP_UNKNOWN"),
        ([], [], "", "BACKUP_UNKNOWN"),
        ([], [], "../ledger", "BACKUP_UNKNOWN"),
    ],
)
def test_which_backup_is_meant(
    paths: AppPaths, offsite: dict[str, str], local: list[tuple[str, int]], copies: list[str], wanted: str, found: str
) -> None:
    for kind, number in local:
        made(paths, day(number), kind)
    offsite.update(dict.fromkeys(copies, ""))
    if found == "BACKUP_UNKNOWN":
        with fails(found):
            lookup.obtain(paths, wanted)
    else:
        assert lookup.obtain(paths, wanted).id == found


def test_copies_of_another_installation_are_named_and_not_taken(paths: AppPaths, offsite: dict[str, str]) -> None:
    with fails("BACKUP_UNKNOWN") as caught:
        lookup.obtain(paths, "")
    assert "of the installation shop.example.com" in caught.value.what
    assert caught.value.details == [
        f"the installation staging.example.com has copies off this host, the newest is {day(7)}: -e backup_of=staging.example.com"
    ]


@pytest.mark.parametrize(
    ("wanted", "installation", "found"),
    [
        ("", "", day(1)),
        (day(2), "", day(2)),
        ("", "staging", day(2)),
        (day(2), "staging", day(2)),
        (day(1), "staging", "BACKUP_UNKNOWN"),
    ],
)
def test_what_was_fetched_from_another_installation_is_no_newest(
    paths: AppPaths, offsite: dict[str, str], wanted: str, installation: str, found: str
) -> None:
    folder = outcomes.settings_file(paths).parent
    folder.mkdir()
    outcomes.settings_file(paths).write_text('{"installation": "production"}')
    made(paths, day(1), installation="production")
    made(paths, day(2), installation="staging")
    if found == "BACKUP_UNKNOWN":
        with fails(found):
            lookup.obtain(paths, wanted, installation=installation)
    else:
        assert lookup.obtain(paths, wanted, installation=installation).id == found


def test_a_manifest_of_another_id_is_none(paths: AppPaths, offsite: dict[str, str]) -> None:
    made(paths, day(1))
    made(paths, day(2), id="../../../etc/shadow")
    assert lookup.obtain(paths, "").id == day(1)
    with fails("BACKUP_DAMAGED"):
        lookup.obtain(paths, day(2))


def test_looking_fetches_nothing(paths: AppPaths, offsite: dict[str, str]) -> None:
    offsite[day(1)] = ""
    assert lookup.obtain(paths, "", fetch=False) == Manifest(day(1))
    assert not paths.backups.exists()


@pytest.mark.parametrize("broken", ["dump", "shorter", "manifest"])
def test_a_damaged_backup_is_refused(paths: AppPaths, offsite: dict[str, str], broken: str) -> None:
    made(paths, day(1))
    if broken == "manifest":
        store.manifest_of(paths, day(1)).write_text("{}")
    else:
        store.dump_of(paths, day(1)).write_bytes(b"dunp" if broken == "dump" else b"dum")
    with fails("BACKUP_DAMAGED"):
        lookup.obtain(paths, day(1))


@pytest.mark.parametrize(
    ("name", "identifier", "restored"),
    [
        ("shop", day(1), "shop_restore_20260101t020000z"),
        ("shop", f"{day(1)}-2", "shop_restore_20260101t020000z_2"),
        ("s" * 63, day(1), "s" * 38 + "_restore_20260101t020000z"),
    ],
)
def test_names_of_databases_fit(name: str, identifier: str, restored: str) -> None:
    database = Database("shop", name, "postgres", None, "here", container="c1")
    assert restore._named(database, "restore", identifier) == restored
    assert len(restored) <= restore.NAME_BYTES
