"""A controller that is too old is told so in one line."""

import pytest
from ansible_collections.fairlead.fastapi.plugins.plugin_utils._support import refusal

RUNTIME = '---\nrequires_ansible: ">=2.19.0"\nplugin_routing: {}\n'


@pytest.mark.parametrize(
    ("present", "refused"),
    [
        ("2.16.19", True),
        ("2.18.0", True),
        ("2.19.0", False),
        ("2.19.0rc1", False),
        ("2.21.5", False),
        ("2.22.0.dev0", False),
        ("3.0.0", False),
    ],
)
def test_what_is_too_old(present: str, refused: bool) -> None:
    assert bool(refusal(present, RUNTIME)) == refused


def test_it_says_what_is_needed_in_one_line() -> None:
    said = refusal("2.16.19", RUNTIME)
    assert said.startswith("CONTROLLER_TOO_OLD: ansible-core 2.16.19 runs this, and fairlead.fastapi needs 2.19.0 or newer")
    assert "\n" not in said


def test_what_meta_says_is_read() -> None:
    assert refusal("2.9.27")
