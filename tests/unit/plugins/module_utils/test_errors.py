"""No secret leaves a host in a message, however it was written there."""

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import MASK, redact

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
