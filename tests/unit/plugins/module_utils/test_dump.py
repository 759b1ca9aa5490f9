"""What pg_restore said: what can be done without, and what is a restore that failed."""

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._dump import judged


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
        (1, said(EXTENSION, COMMENT), False, [f"{EXTENSION[1]}: {EXTENSION[0]}", f"{COMMENT[1]}: {COMMENT[0]}"], []),
        # It is there, and its owner's.
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


def test_a_copy_that_fails_is_told() -> None:
    words = 'pg_restore: error: COPY failed for table "a": ERROR:  value too long\nCONTEXT:  COPY a, line 1\n'
    assert judged(1, f"{words}pg_restore: warning: errors ignored on restore: 1\n")[1] == ["value too long"]
