"""What a message shows of secrets and of what apps print: nothing of the former, and of the latter what can be read."""

import random
import sys

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import (
    LINE_CHARACTERS,
    MASK,
    MESSAGE_LINES,
    ReleaseError,
    explain,
    presentable,
    printable,
    printable_in,
    redact,
)

KEY = "-----BEGIN KEY-----\nMIIBVgIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----\n"


@pytest.mark.parametrize(
    ("text", "secrets", "shown"),
    [
        ("nothing here", ["s3cr3t"], "nothing here"),
        ("password s3cr3t refused", ["s3cr3t"], f"password {MASK} refused"),
        ("s3cr3t s3cr3t", ["s3cr3t"], f"{MASK} {MASK}"),
        ("postgresql://shop:p%40ss%2Fw@db", ["p@ss/w"], f"postgresql://shop:{MASK}@db"),
        ("postgresql://shop:p%40ss/w@db", ["p@ss/w"], f"postgresql://shop:{MASK}@db"),
        ("auth czNjcjN0", ["s3cr3t"], f"auth {MASK}"),
        ('{"password": "a\\"b\\\\c"}', ['a"b\\c'], f'{{"password": "{MASK}"}}'),
        ("longer-secret", ["longer", "longer-secret"], MASK),
        ("the cat sat", ["cat", ""], "the cat sat"),  # too short to be masked without garbling
        ("read MIIBVgIBADANBg only", [KEY], f"read {MASK} only"),  # a line of a key that lies in many
        ("password tail refused", ["tail\n"], f"password {MASK} refused"),
        ("nothing to hide", [], "nothing to hide"),
    ],
)
def test_redact(text: str, secrets: list[str], shown: str) -> None:
    assert redact(text, secrets) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zürich … – “ok” 漢字 🚀\ttab\nline", "Zürich … – “ok” 漢字 🚀\ttab\nline"),
        ("\x1b]0;title\x07\x1b[2J\x1b[31mred", "\\x1b]0;title\\x07\\x1b[2J\\x1b[31mred"),
        ("\x00\x7f\x85\x9b1m", "\\x00\\x7f\\x85\\x9b1m"),
        ("pay \u202edrawer\u202c \u2066a\u2069 \u200b\u2028", "pay \\u202edrawer\\u202c \\u2066a\\u2069 \\u200b\\u2028"),
        ("over\rwritten\r\nnext", "over\\rwritten\nnext"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_is_no_visible_character_is_shown_as_its_escape(text: str, shown: str) -> None:
    assert printable(text) == shown == printable(shown)
    assert printable_in({text: [text, (text, 1, None, True)]}) == {shown: [shown, [shown, 1, None, True]]}


def anything(source: random.Random, most: int) -> str:
    """Return text of any characters, control characters and line ends among them often."""
    often = "\x1b\x00\r\n\n\x9b\u202e[31mab"
    return "".join(
        source.choice(often) if source.random() < 0.5 else chr(source.randrange(sys.maxunicode)) for _ in range(source.randrange(most))
    )


@pytest.mark.parametrize("seed", range(50))
def test_a_failure_is_printable_and_short_whatever_it_quotes(seed: int) -> None:
    source = random.Random(seed)
    details = [anything(source, 2000) * source.choice([1, 1, 40]) for _ in range(source.randrange(400))]
    message = explain(ReleaseError("CODE", anything(source, 2000), anything(source, 2000), details), anything(source, 100))
    lines = message.split("\n")
    assert message.startswith("CODE: ")
    assert all(line.replace("\t", "").isprintable() for line in lines)
    assert len(lines) <= MESSAGE_LINES + 1
    # The longest escape has ten characters.
    assert max(map(len, lines)) <= 10 * LINE_CHARACTERS + len(" [99999 more characters]")


def test_what_was_left_out_is_counted() -> None:
    long, many = "x" * (LINE_CHARACTERS + 7), "\n".join(map(str, range(MESSAGE_LINES + 3)))
    assert presentable(long) == f"{'x' * LINE_CHARACTERS} [7 more characters]"
    shown = presentable(many).split("\n")
    assert (shown[0], shown[MESSAGE_LINES // 2], shown[-1]) == ("0", "[3 lines were left out here]", str(MESSAGE_LINES + 2))
    assert presentable("short\n\nlines") == "short\n\nlines"


def test_no_part_of_a_secret_is_left_where_a_line_is_cut() -> None:
    error = ReleaseError("CODE", "x" * (LINE_CHARACTERS - 10) + "s3cr3t-s3cr3t-s3cr3t", "", ["\x1bs3cr3t-s3cr3t-s3cr3t"])
    assert "s3cr" not in explain(error, secrets=["s3cr3t-s3cr3t-s3cr3t"])
