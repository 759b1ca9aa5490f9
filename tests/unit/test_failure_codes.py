"""docs/failures.md has each code that a user can meet, and no other."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = r"[A-Z][A-Z]+(?:_[A-Z]+)*"
# Where a code is the first argument of an error, the first word of a message, the value of a constant, or chosen from a table.
IN_PYTHON = re.compile(
    rf'(?:Error|Timeout)\(\s*"({CODE})"|^[A-Z_]+ = "({CODE}_[A-Z_]+)"$|["\']({CODE}_[A-Z_]+): |\("({CODE})", \(|return "({CODE}_[A-Z]+)"',
    re.M,
)
IN_TASKS = re.compile(rf"(?:fail_msg|msg): (?:>-\s+)?\"?({CODE}): ")


def sources() -> list[tuple[re.Pattern[str], str]]:
    """Return the text of each file that can raise a code, with how it would stand there."""
    files = [(IN_PYTHON, file) for file in (ROOT / "plugins").rglob("*.py")]
    files += [(IN_TASKS, file) for file in (ROOT / "roles").rglob("tasks/*.yml")]
    return [(pattern, file.read_text(encoding="utf-8")) for pattern, file in files]


def raised() -> set[str]:
    found = [words for pattern, text in sources() for words in pattern.findall(text)]
    return {word for words in found for word in ([words] if isinstance(words, str) else words) if word}


def documented() -> set[str]:
    """Return the codes that have a line of their own."""
    lines = (ROOT / "docs" / "failures.md").read_text(encoding="utf-8").splitlines()
    return {code for line in lines if line.startswith("| `") for code in re.findall(rf"`({CODE})`", line.split("|")[1])}


def test_what_can_be_raised_is_documented() -> None:
    assert raised() - documented() == set()
    assert len(raised()) > 60, "the patterns find next to nothing"


def test_what_is_documented_is_in_the_source() -> None:
    words = {word for _, text in sources() for word in re.findall(rf"\b{CODE}\b", text)}
    words |= {word for file in (ROOT / "plugins" / "callback").glob("*.py") for word in re.findall(CODE, file.read_text(encoding="utf-8"))}
    assert documented() - words == set()
