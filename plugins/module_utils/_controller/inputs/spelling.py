# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names of variables that somebody misspelt, told from those that are somebody's own."""

from __future__ import annotations

import difflib
from typing import Collection, Dict, Iterable, Sequence

# A shorter option is too near to other words.
_LONG = 10
_SLIPS = 2
# What belongs to Ansible, to roles themselves, or holds values for other variables.
_FOREIGN = ("ansible_", "_", "vault_", "molecule_")


def with_prefix(prefixes: Sequence[str], known: Collection[str], defined: Iterable[str]) -> Dict[str, str]:
    """Return the names that begin with a prefix of the collection's and are none of its options, each with the option that was
    perhaps meant, or with nothing.

    Args:
        prefixes: what names of this collection begin with.
        known: all names that mean something to it.
        defined: names of all variables.
    """
    found = {}
    for name in sorted(set(defined) - set(known)):
        if name.startswith(tuple(prefixes)):
            found[name] = next(iter(difflib.get_close_matches(name, sorted(known), 1)), "")
        elif not name.startswith(_FOREIGN):
            near = [option for option in known if len(option) >= _LONG and not name.endswith(option) and _is_slip(name, option)]
            if near:
                found[name] = near[0]
    return found


def near(own: Collection[str], others: Collection[str], known: Collection[str], given: Iterable[str]) -> Dict[str, str]:
    """Return the names given with -e that mean nothing, each with the playbook option that was probably meant.

    Args:
        own: options of the playbook that runs. A slip changes what it does, so more is taken for one.
        others: options of other playbooks. Here people's own words must not be taken for slips.
        known: all names that mean something.
        given: names of extra variables.
    """
    found = {}
    for name in sorted(set(given) - set(known)):
        plain = name.lower().replace("-", "_")
        meant = [option for option in own if _was_meant(plain, option)] or [option for option in others if _is_typing_error(plain, option)]
        if meant:
            found[name] = meant[0]
    return found


def _was_meant(name: str, option: str) -> bool:
    if name == f"{option}s":
        return False  # a list of somebody's own
    last_word = option.rpartition("_")[2]
    return name in (f"{option}_id", f"{option}_name") or (name == last_word and len(name) > 5) or _is_slip(name, option)


def _is_typing_error(name: str, option: str) -> bool:
    """Tell a slip within a word from another word: scheme and released are no slips of schema and release."""
    return len(option) > 5 and (name[:1], name[-1:]) == (option[0], option[-1]) and _slips(name, option) <= 1


def _is_slip(name: str, option: str) -> bool:
    slips = 1 if len(option) < 5 else _SLIPS
    return abs(len(name) - len(option)) <= slips and _slips(name, option) <= slips


def _slips(one: str, other: str) -> int:
    """Count the letters that were left out, added, mistaken, or changed places with the next."""
    before, last = list(range(len(other) + 1)), [0] * (len(other) + 1)
    for row, letter in enumerate(one, 1):
        now = [row]
        for column, wanted in enumerate(other, 1):
            least = min(before[column] + 1, now[-1] + 1, before[column - 1] + (letter != wanted))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == wanted:
                least = min(least, last[column - 2] + 1)
            now.append(least)
        last, before = before, now
    return before[-1]
