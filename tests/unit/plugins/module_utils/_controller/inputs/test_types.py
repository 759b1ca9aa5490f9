"""A value of the wrong type is refused with the way to write it."""

from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._controller.inputs import types

LIST = {"type": "list", "elements": "str"}
CHOICE = {"type": "str", "choices": ["acme", "files", "internal"]}


@pytest.mark.parametrize(
    ("value", "option", "said"),
    [
        ("text", {"type": "str"}, None),
        (5, {"type": "str"}, None),
        (True, {"type": "str"}, "YAML reads it as true: quote it"),
        (["a"], {"type": "str"}, "a list found where a text belongs"),
        ({"a": 1}, {"type": "str"}, "name: value pairs found where a text belongs"),
        (5, {"type": "int"}, None),
        ("5", {"type": "int"}, None),
        ("5s", {"type": "int"}, "'5s' is not a whole number, without a unit"),
        ("many", {"type": "int"}, "'many' is not a whole number"),
        (True, {"type": "int"}, "True is not a whole number"),
        ([1], {"type": "int"}, "[1] is not a whole number"),
        ("0.5", {"type": "float"}, None),
        ("500m", {"type": "float"}, "'500m' is not a number, without a unit"),
        (True, {"type": "bool"}, None),
        ("no", {"type": "bool"}, None),
        ("ja", {"type": "bool"}, "'ja' is neither true nor false"),
        (["alembic"], LIST, None),
        ([], LIST, None),
        ("alembic upgrade head", LIST, 'write ["alembic", "upgrade", "head"]'),
        ("/health,/ready", LIST, 'write ["/health", "/ready"]'),
        ("sh -c 'a b'", LIST, 'write ["sh", "-c", "a b"]'),
        ("it's", LIST, """write ["it's"]"""),
        ({"a": 1}, LIST, "name: value pairs found where a list belongs"),
        ([{"a": 1}], LIST, "name: value pairs found in it where a text belongs"),
        ([{"a": 1}], {"type": "list", "elements": "dict"}, None),
        ({}, {"type": "dict"}, None),
        ("s3cr3t", {"type": "dict"}, "a text found where name: value pairs belong"),
        ("internal", CHOICE, None),
        ("internl", CHOICE, "'internl' is none of acme, files, internal; did you mean internal?"),
        ("zzz", CHOICE, "'zzz' is none of acme, files, internal"),
        (None, {"type": "str"}, None),
        (None, {"type": "str", "required": True}, "it is empty"),
        ("s3cr3t", {"type": "int", "no_log": True}, "its value is not a whole number"),
    ],
)
def test_problem(value: Any, option: dict[str, Any], said: str | None) -> None:
    problem = types.problem(value, option)
    assert (problem is None) == (said is None)
    assert said is None or said in str(problem)
    assert "s3cr3t" not in str(problem)
