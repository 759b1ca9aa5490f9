"""What is made of a password is what PostgreSQL makes of it."""

import base64

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import scram

# The exchange that RFC 7677 shows: password, salt and iterations of its section 3, and the proofs that follow from them.
RFC_SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")


def test_the_verifier_is_what_the_standard_defines() -> None:
    made = scram.verifier("pencil", RFC_SALT, 4096)
    keys = "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    assert made == f"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==${keys}"


@pytest.mark.parametrize(
    ("password", "stored", "same"),
    [
        ("pencil", scram.verifier("pencil"), True),
        ("pencil", scram.verifier("pencil", b"another salt", 5000), True),
        ("pencil", scram.verifier("Pencil"), False),
        ("pencil", "", False),
        ("pencil", "md5a3556571e93b0d20722ba62be61e8c2d", False),
        ("pencil", "SCRAM-SHA-256$4096:W22Z$none", False),
        # SASLprep: a soft hyphen is nothing, a ligature its letters, a wide space a space; what it refuses stays as it is.
        ("I\u00adX", scram.verifier("IX"), True),
        ("\u2168", scram.verifier("IX"), True),
        ("a\u00a0b", scram.verifier("a b"), True),
        ("\u0627" + "1", scram.verifier("\u0627" + "1"), True),
        ("\u00aa\u0007", scram.verifier("a\u0007"), False),
    ],
)
def test_a_stored_one_is_recognised(password: str, stored: str, same: bool) -> None:
    assert scram.matches(password, stored) is same


def test_two_are_never_alike() -> None:
    assert scram.verifier("pencil") != scram.verifier("pencil")
