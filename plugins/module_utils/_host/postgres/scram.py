# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What PostgreSQL keeps of a password (SCRAM-SHA-256, RFC 5802 and 7677), made here: the password itself never goes to the server."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import stringprep
import unicodedata

# As PostgreSQL makes them by default.
ITERATIONS = 4096
SALT_BYTES = 16
_VERIFIER = re.compile(r"SCRAM-SHA-256\$(?P<iterations>\d+):(?P<salt>[A-Za-z0-9+/=]+)\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+")
_PROHIBITED = (
    stringprep.in_table_a1,
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def verifier(password: str, salt: bytes = b"", iterations: int = ITERATIONS) -> str:
    """Return the verifier of a password, as PostgreSQL keeps it; with a new salt unless one is given."""
    salt = salt or os.urandom(SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", _prepared(password), salt, iterations)
    stored_key = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    return f"SCRAM-SHA-256${iterations}:{_text(salt)}${_text(stored_key)}:{_text(_hmac(salted, b'Server Key'))}"


def matches(password: str, stored: str) -> bool:
    """Tell whether a stored verifier is one of this password; anything else that may be stored is none."""
    found = _VERIFIER.fullmatch(stored)
    return found is not None and hmac.compare_digest(
        verifier(password, base64.b64decode(found["salt"]), int(found["iterations"])).encode(), stored.encode()
    )


def _prepared(password: str) -> bytes:
    """Return a password as it is hashed: by SASLprep (RFC 4013), or as it is where that refuses it. So do libpq and the server."""
    if password.isascii():
        return password.encode()
    kept = (character for character in password if not stringprep.in_table_b1(character))
    text = unicodedata.normalize("NFKC", "".join(" " if stringprep.in_table_c12(character) else character for character in kept))
    refused = not text or any(prohibited(character) for character in text for prohibited in _PROHIBITED)
    return (password if refused or not _reads_one_way(text) else text).encode()


def _reads_one_way(text: str) -> bool:
    right_to_left = [stringprep.in_table_d1(character) for character in text]
    if not any(right_to_left):
        return True
    return right_to_left[0] and right_to_left[-1] and not any(stringprep.in_table_d2(character) for character in text)


def _hmac(key: bytes, words: bytes) -> bytes:
    return hmac.new(key, words, hashlib.sha256).digest()


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
