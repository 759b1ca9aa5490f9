"""A backup that is one, or says why there is none."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.backups import backup, backup_volumes, store
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from fakes import fails
from fakes_backup import DATABASE, copied


def test_a_backup_that_cannot_begin_is_recorded(paths: AppPaths) -> None:
    paths.backups.touch()
    with fails("BACKUP_FAILED") as caught:
        backup.take(paths, DATABASE, "manual")
    assert "File exists" in caught.value.what


def test_without_a_database_a_backup_has_the_volumes(paths: AppPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = copied()
    monkeypatch.setattr(backup_volumes, "take", lambda *_: [volume])
    taken = backup.take(paths, None, "manual")
    (read,) = store.manifests(paths)
    assert read == taken
    assert (taken.database, taken.tables, taken.bytes, taken.volumes) == (None, {}, 0, [volume])


def test_of_nothing_there_is_no_backup(paths: AppPaths) -> None:
    with fails("BACKUP_FAILED") as caught:
        backup.take(paths, None, "manual")
    assert "no volume with backup: true" in caught.value.what
    assert [file.name for file in paths.backups.iterdir()] == ["state.json"]


@pytest.mark.parametrize(
    ("code", "dumped", "errors", "said"),
    [
        (1, b"PGDMP", b"pg_dump: error: no such table\n", ["pg_dump: error: no such table"]),
        # Docker's words are where the dump would be.
        (126, b"OCI runtime exec failed: invalid argument\r\n", b"", ["OCI runtime exec failed: invalid argument"]),
    ],
)
def test_a_failed_dump_reports_why(tmp_path: Path, code: int, dumped: bytes, errors: bytes, said: list[str]) -> None:
    file = tmp_path / "dump"
    file.write_bytes(dumped)
    process: Any = SimpleNamespace(wait=lambda timeout: code)
    with fails("BACKUP_FAILED") as caught:
        backup._end(DATABASE, (process, io.BytesIO(errors)), file)
    assert caught.value.details == said
    assert f"(exit code {code}) after {len(dumped)} bytes" in caught.value.what
