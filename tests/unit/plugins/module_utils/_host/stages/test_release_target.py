"""First stage of a rollback: the release to go back to is chosen, and its image is there."""

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import scram
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.stages.release_target import run as choose
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.migration import Migration
from fakes import IMAGE, digest_of, fails, good
from fakes_database import BACKUP, migration
from fakes_host import Host, settings_with


@pytest.mark.parametrize(("wanted", "chosen"), [("", "r2"), ("r1", "r1")])
@pytest.mark.parametrize("check_mode", [False, True])
def test_the_release_before_or_the_one_asked_for(host: Host, wanted: str, chosen: str, check_mode: bool) -> None:
    host.serves("v1", "v2", "v3")
    before = host.files()
    result = choose(host.stage(check_mode=check_mode, release=wanted))
    assert (result["release"]["id"], result["from_release"]["id"]) == (chosen, "r3")
    assert host.engine.told == []
    if check_mode:
        assert host.files() == before
    else:
        entry = host.entry
        assert (entry.action, entry.before, entry.release, entry.phase) == ("rollback", "r3", chosen, "PREPARED")
        assert host.leased
        assert host.files_but_journal() == before


def test_an_image_that_is_gone_is_pulled_by_digest(host: Host) -> None:
    host.serves("v1", "v2")
    host.engine.images.clear()
    choose(host.stage())
    assert host.engine.told == [f"pull {IMAGE}@{digest_of('v1')}"]


def test_a_bundle_that_was_edited_meanwhile_is_reported(host: Host) -> None:
    host.serves("v1", "v2")
    (host.paths.bundle("r1") / "app.env").write_text('LOG_LEVEL="debug"\n')
    stage = host.stage()
    assert choose(stage)["release"]["id"] == "r1"
    assert stage.warnings == [f"DRIFT: {host.paths.bundle('r1')}/app.env was edited since it was live"]


@pytest.mark.parametrize(
    ("target", "inventory", "refused"),
    [
        ({}, {"listen": "tcp", "domain": "new.lab"}, False),  # what the inventory wants by now is not what is put into service
        ({"domain": "old.lab"}, {}, False),
        ({"listen": "tcp"}, {}, True),
    ],
)
def test_the_site_must_fit_the_release_to_go_back_to(host: Host, target: dict[str, Any], inventory: dict[str, Any], refused: bool) -> None:
    host.serves("v1", settings=settings_with(**target))
    host.serves("v2")
    host.has_site()
    stage = host.stage(settings=settings_with(**inventory))
    if not refused:
        assert choose(stage)["release"]["id"] == "r1"
        return
    with fails("SITE_MISMATCH") as caught:
        choose(stage)
    assert "TCP port 8000 (app_listen, app_port)" in caught.value.what
    assert host.live == "r2"


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_password_that_was_changed_since_is_not_brought_back(host: Host, check_mode: bool) -> None:
    host.serves("v1", secrets={"database_password": "the-old-one", "other": "a"})
    host.serves("v2", secrets={"database_password": "the-new-one", "other": "b"})
    host.database.verifiers = [scram.verifier("the-new-one")]
    before = host.files()
    with fails("ROLLBACK_SECRETS") as caught:
        choose(host.stage(check_mode=check_mode))
    assert f"r1 ({IMAGE}:v1) has earlier values of database_password, which" in caught.value.what
    assert "the-old-one" not in f"{caught.value.what}{caught.value.todo}{caught.value.details}"
    assert caught.value.todo.endswith("-e image_tag=v1")
    assert host.files() == before
    host.database.failing["query"] = ReleaseError("DB_UNREACHABLE", "it is gone", "")
    assert choose(host.stage(check_mode=check_mode))["release"]["id"] == "r1", "what cannot be told keeps nobody from going back"


def test_of_a_database_elsewhere_a_changed_secret_is_warned_of(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.serves("v1", secrets={"database_password": "the-old-one", "same": "a"})
    host.serves("v2", secrets={"database_password": "the-new-one", "same": "a"})
    monkeypatch.setattr(host.database, "container", None)
    stage = host.stage()
    assert choose(stage)["release"]["id"] == "r1"
    (warning,) = stage.warnings
    assert warning.startswith("SECRETS_CHANGED: r1 has earlier values of database_password; ")


def test_nowhere_to_go_writes_nothing(host: Host) -> None:
    host.serves("v1")
    before = host.files()
    with fails("NO_TARGET") as caught:
        choose(host.stage())
    assert "r1 is the first release here" in caught.value.what
    assert host.files() == before


def test_an_image_that_cannot_be_had_leaves_the_live_release(host: Host) -> None:
    host.serves("v1", "v2")
    host.engine.images.clear()
    host.engine.failing["pull"] = ReleaseError("REGISTRY_UNREACHABLE", "no answer", "look there", ["words"])
    before = host.files()
    with fails("ROLLBACK_IMAGE") as caught:
        choose(host.stage())
    for words in (f"r1 ({IMAGE}:v1), {digest_of('v1')}", "REGISTRY_UNREACHABLE: no answer"):
        assert words in caught.value.what
    assert caught.value.todo.startswith("look there; or roll back to another release")
    assert caught.value.details == ["words"]
    assert host.files_but_journal() == before
    assert (host.phases, host.entry.code) == (["PLANNED", "ABORTED"], "ROLLBACK_IMAGE")
    assert host.statuses() == {"r1": "kept", "r2": "live"}


def test_a_rollback_recovers_first(host: Host) -> None:
    host.serves("v1", "v2")
    host.died_at("SWITCHED", "v3")
    host.answers.of["r3"] = good("r3")
    stage = host.stage()
    result = choose(stage)
    assert (result["from_release"]["id"], result["release"]["id"]) == ("r3", "r2")
    assert "r3 is live and was completed" in stage.told[0]


def test_warnings_and_findings_are_those_of_a_deploy(host: Host) -> None:
    host.serves("v1", "v2")
    host.edge.certificate = "CERT_EXPIRY: soon"
    stage = host.stage(controller_clock=1.0)
    choose(stage)
    assert [warning.partition(":")[0] for warning in stage.warnings] == ["CLOCK_OFFSET", "CERT_EXPIRY"]


def test_a_finding_ends_a_rollback_before_it_begins(host: Host) -> None:
    host.serves("v1", "v2")
    host.engine.networks_missing = ["shop"]
    before = host.files()
    with fails("NETWORK_MISSING"):
        choose(host.stage())
    assert host.files() == before


CONTRACT = migration("0004", "0003", impact="contract")


@pytest.mark.parametrize(
    ("migrations", "allowed"),
    [
        ([migration("0003", "0002")], True),
        ([migration("0003", "0002"), migration("0004", "0003")], True),
        ([migration("0003", "0002"), CONTRACT], False),
        ([migration("0003", "0002", impact="unknown")], False),
    ],
)
@pytest.mark.parametrize("check_mode", [False, True])
def test_a_rollback_crosses_what_took_nothing_away(host: Host, migrations: list[Migration], allowed: bool, check_mode: bool) -> None:
    host.serves("v1")
    host.migrates("v2", *migrations)
    before = host.files()
    if allowed:
        assert choose(host.stage(check_mode=check_mode))["downgrade"] is None
        return
    with fails("ROLLBACK_SCHEMA") as caught:
        choose(host.stage(check_mode=check_mode))
    assert f"r1 ({IMAGE}:v1) was made for 0002, the database is at {migrations[-1].revision}" in caught.value.what
    assert [line.partition(" ")[0] for line in caught.value.details] == [one.revision for one in migrations if one.impact != "expand"]
    assert (host.files(), host.engine.told) == (before, [])


@pytest.mark.parametrize(
    ("backup", "on_record", "words"),
    [
        (
            BACKUP,
            True,
            [
                "1. go forward",
                "2. -e schema=downgrade: r2's image undoes",
                f"3. playbooks/restore.yml -e backup={BACKUP}, from before them, then this again: what was written since 2026-11-22 19:05",
                "or -e schema=keep, if you know that r1 works",
            ],
        ),
        (None, True, ["3. playbooks/restore.yml with a backup from before them"]),
        (BACKUP, False, ["2. (-e schema=downgrade is not possible"]),
    ],
)
def test_a_refusal_has_the_ways_out(host: Host, backup: str | None, on_record: bool, words: list[str]) -> None:
    host.serves("v1")
    host.migrates("v2", migration("0003", "0002"), CONTRACT, backup=backup)
    if not on_record:
        host.serves("v3")
        host.database.revision = ["0005"]  # by somebody else
    with fails("ROLLBACK_SCHEMA") as caught:
        choose(host.stage(release="r1"))
    for word in words:
        assert word in caught.value.todo


@pytest.mark.parametrize(
    ("wanted", "downgrade"),
    [("keep", None), ("downgrade", {"by": "r2", "to": "0002", "revision": ["0004"]})],
)
def test_a_rollback_with_an_explicit_schema_option_goes_back(host: Host, wanted: str, downgrade: dict[str, Any] | None) -> None:
    host.serves("v1")
    host.migrates("v2", migration("0003", "0002"), CONTRACT)
    result = choose(host.stage(schema=wanted))
    assert (result["release"]["id"], result["downgrade"]) == ("r1", downgrade)
    assert (host.entry.phase, host.database.revision) == ("PREPARED", ["0004"])


def test_a_downgrade_goes_by_the_newest_image_that_knows_the_way(host: Host) -> None:
    host.serves("v1")
    host.migrates("v2", replace(CONTRACT, down=("0002",)))
    host.serves("v3")
    downgrade = choose(host.stage(release="r1", schema="downgrade"))["downgrade"]
    assert downgrade == {"by": "r3", "to": "0002", "revision": ["0004"]}


def test_the_backup_is_that_from_before_the_first_migration_was_run(host: Host) -> None:
    host.serves("v1")
    host.migrates("v2", migration("0003", "0002"), backup="20261122T180000Z")  # it failed, and changed nothing
    host.migrates("v3", migration("0003", "0002"), backup=BACKUP)
    host.migrates("v4", CONTRACT, backup="20261122T200000Z")
    with fails("ROLLBACK_SCHEMA") as caught:
        choose(host.stage(release="r1"))
    assert f"-e backup={BACKUP}, from before them" in caught.value.todo


def test_to_where_the_database_is_there_is_nothing_to_undo(host: Host) -> None:
    host.serves("v1", "v2")
    assert choose(host.stage(schema="downgrade"))["downgrade"] is None


@pytest.mark.parametrize("wanted", ["", "downgrade"])
@pytest.mark.parametrize("revision", [["0001"], ["strange"], []])
def test_a_database_that_is_not_on_record_is_not_guessed_at(host: Host, wanted: str, revision: list[str]) -> None:
    host.serves("v1", "v2")
    host.database.revision = revision
    with fails("ROLLBACK_SCHEMA"):
        choose(host.stage(schema=wanted))
    assert choose(host.stage(schema="keep"))["release"]["id"] == "r1"


@pytest.mark.parametrize(("known", "migrates"), [(False, True), (True, False)])
def test_where_nothing_is_known_of_a_schema_nothing_is_asked(host: Host, known: bool, migrates: bool) -> None:
    host.serves("v1", "v2", settings=settings_with(migrate=migrates))
    host.database.revision, host.database.known = ["other"], known
    assert choose(host.stage())["downgrade"] is None


def test_of_another_tool_the_schema_itself_is_compared(host: Host) -> None:
    settings = settings_with(migrate_command=["flyway", "migrate"])
    host.database.revision = ["schema:abc"]
    host.serves("v1", "v2", settings=settings)
    assert choose(host.stage())["downgrade"] is None
    host.database.checksum = "def"
    with fails("ROLLBACK_SCHEMA"):
        choose(host.stage(run="run1", schema="downgrade"))


def test_a_database_that_does_not_answer_stops_a_rollback_without_schema_keep(host: Host) -> None:
    host.serves("v1", "v2")
    host.database.failing["look"] = ReleaseError("DB_UNREACHABLE", "", "")
    with fails("DB_UNREACHABLE"):
        choose(host.stage())
    assert choose(host.stage(schema="keep"))["release"]["id"] == "r1"


def test_a_rollback_to_an_image_with_unmapped_volumes_is_warned_of(host: Host) -> None:
    host.serves("v1", "v2")
    host.engine.declared = ["/data"]
    stage = host.stage(release="")
    assert choose(stage)["release"]["id"] == "r1"
    assert [warning.partition(":")[0] for warning in stage.warnings] == ["VOLUME_UNMAPPED"]
