# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values that do not have the type of their option, and how to write them instead."""

from __future__ import annotations

import difflib
import json
import shlex
from typing import Any, Mapping, Optional

from ansible.module_utils.common.validation import check_type_bool, check_type_float, check_type_int

_NUMBERS = {"int": ("a whole number", check_type_int), "float": ("a number", check_type_float)}


def shown(value: object, option: Mapping[str, Any]) -> str:
    """Return a value as a message may show it."""
    if option.get("no_log"):
        return "its value"
    text = repr(value)
    return text if len(text) <= 60 else text[:50] + "…" + text[-1]


def problem(value: object, option: Mapping[str, Any]) -> Optional[str]:
    """Say why a value does not fit its option, and what would; None when it does."""
    kind = option.get("type", "str")
    if value is None:  # as good as not set, unless it must be
        return "it is empty" if option.get("required") else None
    if kind == "list":
        return _list_problem(value, option)
    if kind == "dict":
        return None if isinstance(value, Mapping) else f"{_word(value)} found where name: value pairs belong"
    if kind == "bool":
        return None if _converts(check_type_bool, value) else f"{shown(value, option)} is neither true nor false"
    if kind in _NUMBERS:
        word, convert = _NUMBERS[kind]
        fits = not isinstance(value, bool) and _converts(convert, value)
        return None if fits else f"{shown(value, option)} is not {word}, without a unit"
    if isinstance(value, bool):
        return f"YAML reads it as {str(value).lower()}: quote it"
    if not isinstance(value, (str, int, float)):
        return f"{_word(value)} found where a text belongs"
    return _choice_problem(str(value), option)


def _list_problem(value: object, option: Mapping[str, Any]) -> Optional[str]:
    if isinstance(value, str):
        return f"{shown(value, option)} is one text where a list belongs: write {_as_list(value)}"
    if not isinstance(value, (list, tuple)):
        return f"{_word(value)} found where a list belongs"
    wrong = next((item for item in value if isinstance(item, (Mapping, list))), None) if option.get("elements") == "str" else None
    return None if wrong is None else f"{_word(wrong)} found in it where a text belongs"


def _as_list(text: str) -> str:
    try:
        words = text.split(",") if "," in text else shlex.split(text)
    except ValueError:  # a quotation mark without its partner
        words = text.split()
    return json.dumps([word.strip() for word in words], ensure_ascii=False)


def _choice_problem(value: str, option: Mapping[str, Any]) -> Optional[str]:
    choices = [str(choice) for choice in option.get("choices") or ()]
    if not choices or value in choices:
        return None
    meant = difflib.get_close_matches(value, choices, 1)
    return f"{shown(value, option)} is none of {', '.join(filter(None, choices))}{f'; did you mean {meant[0]}?' if meant else ''}"


def _converts(convert: Any, value: object) -> bool:
    try:
        convert(value)
    except TypeError:
        return False
    return True


def _word(value: object) -> str:
    if isinstance(value, Mapping):
        return "name: value pairs"
    return {"str": "a text", "list": "a list", "NoneType": "nothing"}.get(type(value).__name__, "a single value")
