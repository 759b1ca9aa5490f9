"""What stands in for a secret is of its kind, so that settings can be read, and tells nothing of it."""

import base64

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.placeholder import TEXT, placeholder


@pytest.mark.parametrize(
    ("secret", "expected"),
    [
        ("s3cr3t", TEXT),
        ("postgresql+asyncpg://shop:pa$$@postgres:5432/shop?ssl=1", "postgresql+asyncpg://placeholder:placeholder@placeholder.invalid:1/1"),
        ("https://key@sentry.example.com/7\n", "https://placeholder:placeholder@placeholder.invalid:1/1"),
        ("271828", "1"),
        ('{"key": "value"}', "{}"),
        (' ["one"]', "[]"),
        ("", ""),
        (" \n", ""),
    ],
)
def test_a_placeholder_is_of_the_same_kind(secret: str, expected: str) -> None:
    assert placeholder(secret) == expected


def test_the_text_will_do_as_a_key() -> None:
    assert len(base64.urlsafe_b64decode(TEXT)) == 32
