"""What pg_restore said: what can be done without, and what is a restore that failed."""

from pathlib import Path

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import dump as _dump
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import Database
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.dump import judged
from fakes import fails
from fakes_backup import DATABASE


def said(*problems: tuple[str, str], ignored: int | None = None) -> str:
    """What pg_restore prints of errors, each a message and a command."""
    blocks = "".join(
        f"pg_restore: error: could not execute query: ERROR:  {message}\nHINT:  none\nCommand was: {command}\n\n\n"
        for message, command in problems
    )
    return f"{blocks}pg_restore: warning: errors ignored on restore: {len(problems) if ignored is None else ignored}\n"


EXTENSION = 'permission denied to create extension "pg_stat_statements"', "CREATE EXTENSION IF NOT EXISTS pg_stat_statements;"
COMMENT = 'extension "pg_stat_statements" does not exist', "COMMENT ON EXTENSION pg_stat_statements IS 'statistics'"
TABLE = "function unaccent(text) does not exist", "CREATE TABLE public.a (\n  b text\n);"
THERE = 'relation "a" already exists', "CREATE TABLE public.a (\n  b text\n);"


@pytest.mark.parametrize(
    ("code", "words", "again", "left_out", "wrong"),
    [
        (0, "", False, [], []),
        (0, "pg_restore: warning: something\n", False, [], []),
        (1, said(EXTENSION), False, [f"{EXTENSION[1]}: {EXTENSION[0]}"], []),
        (1, said(EXTENSION, COMMENT), False, [f"{EXTENSION[1]}: {EXTENSION[0]}"], []),
        (1, said(("must be owner of extension x", COMMENT[1])), False, [], []),
        (1, said(TABLE), False, [], [f"CREATE TABLE public.a (: {TABLE[0]}"]),
        (1, said(TABLE), True, [], [f"CREATE TABLE public.a (: {TABLE[0]}"]),
        (1, said(THERE), True, [], []),
        (1, said(THERE), False, [], [f"CREATE TABLE public.a (: {THERE[0]}"]),
        # Of an extension, which fills it itself: what the role made, it may write.
        (1, said(("permission denied for table srs", "COPY public.srs (a) FROM stdin;")), False, ["COPY public.srs (a) FROM stdin;"], []),
        (1, said(("duplicate key", "COPY public.a (b) FROM stdin;")), False, [], ["COPY public.a (b) FROM stdin;: duplicate key"]),
        (1, said(("permission denied for table a", "ALTER TABLE a;")), False, [], ["ALTER TABLE a;: permission denied for table a"]),
    ],
)
def test_what_can_be_done_without(code: int, words: str, again: bool, left_out: list[str], wrong: list[str]) -> None:
    found_left_out, found_wrong = judged(code, words, again)
    assert [line[: len(expected)] for line, expected in zip(found_left_out, left_out, strict=True)] == left_out
    assert found_wrong == wrong


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1, "pg_restore: error: could not read from input file: end of file\n"),
        (1, said(EXTENSION, ignored=2)),
        (2, said(EXTENSION)),
        (126, "OCI runtime exec failed: invalid argument\n"),
        (137, ""),
    ],
)
def test_words_that_are_not_understood_are_no_restore(code: int, words: str) -> None:
    _, wrong = judged(code, words)
    assert wrong[0].startswith(("exit code", "could not read"))


def test_a_copy_that_fails_is_reported() -> None:
    words = 'pg_restore: error: COPY failed for table "a": ERROR:  value too long\nCONTEXT:  COPY a, line 1\n'
    assert judged(1, f"{words}pg_restore: warning: errors ignored on restore: 1\n")[1] == ["value too long"]


class Restore:
    """Sections that leave these words, one after the other; notes what was done, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *reads: tuple[list[str], list[str]]) -> None:
        self.done: list[str] = []
        self._reads = list(reads)
        monkeypatch.setattr(_dump, "_read", self.read)
        monkeypatch.setattr(Database, "query", self.query)

    def read(self, _: Database, __: str, ___: object, section: str, again: bool = False) -> tuple[list[str], list[str]]:
        self.done.append(f"{section} again" if again else section)
        return self._reads.pop(0)

    def query(self, sql: str, seconds: float, database: str) -> list[list[str]]:
        assert database == "shop_restore"
        self.done += ["lend" for _ in range(sql.count("FROM CURRENT"))] + ["reset" for _ in range(sql.count("RESET search_path"))]
        # What has a search_path now is not asked for again.
        return [["public.f(text)"]] if "regprocedure" in sql and "lend" not in self.done else []


FINE: tuple[list[str], list[str]] = ([], [])


def test_functions_have_a_search_path_only_while_a_restore_lasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restore = Restore(monkeypatch, FINE, FINE, (["COPY srs"], []))
    dump = tmp_path / "a.dump"
    dump.touch()
    assert _dump.restore_dump(DATABASE, "shop_restore", dump) == ["COPY srs"]
    assert restore.done == ["pre-data", "lend", "data", "post-data", "reset"]


def test_what_a_function_was_missed_for_is_made_once_it_finds_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restore = Restore(monkeypatch, (["CREATE EXTENSION x"], ["CREATE TABLE a"]), (["CREATE EXTENSION x"], []), FINE, FINE)
    dump = tmp_path / "a.dump"
    dump.touch()
    assert _dump.restore_dump(DATABASE, "shop_restore", dump) == ["CREATE EXTENSION x"], "told once"
    assert restore.done == ["pre-data", "lend", "pre-data again", "data", "post-data", "reset"]


@pytest.mark.parametrize("failing", range(1, 4))
def test_what_goes_wrong_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int) -> None:
    broken: tuple[list[str], list[str]] = ([], ["CREATE TABLE a: type b does not exist"])
    reads = [broken, *[FINE] * (failing - 1), broken]
    restore = Restore(monkeypatch, *reads)
    dump = tmp_path / "a.dump"
    dump.touch()
    with fails("RESTORE_FAILED") as caught:
        _dump.restore_dump(DATABASE, "shop_restore", dump)
    assert caught.value.details == broken[1]
    assert restore.done[-1] == ("pre-data again", "data", "post-data")[failing - 1]
