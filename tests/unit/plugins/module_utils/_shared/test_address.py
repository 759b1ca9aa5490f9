"""The address of a database elsewhere: what is wrong is told without telling the address."""

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared import address as _address

GOOD = "postgresql://owner:s3cr3t@db.example.com:6432/shop?sslmode=require"
SECRET = "s3cr3t"


def test_it_becomes_a_service_of_libpq() -> None:
    address = _address.parse("postgres://o%40x:p%2Fa%23s%3D%25@[2001:db8::1]/shop%20a")
    assert (address.user, address.password, address.host, address.port, address.name) == ("o@x", "p/a#s=%", "2001:db8::1", 5432, "shop a")
    assert address.service().splitlines() == [
        *("[fairlead]", "host=2001:db8::1", "port=5432", "dbname=shop a", "user=o@x", "password=p/a#s=%"),
        *("sslmode=verify-full", "sslrootcert=/run/fairlead/root.crt"),
    ]
    assert "p/a" not in repr(address)


def test_without_proof_there_is_no_authority() -> None:
    address = _address.parse(GOOD)
    assert (address.port, address.proves_itself) == (6432, False)
    assert "sslrootcert" not in address.service()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://owner:s3cr3t@db/shop", "does not begin with postgresql://"),
        ("postgresql+asyncpg://owner:s3cr3t@db/shop", "does not begin with postgresql://"),
        ("postgresql://owner@db/shop", "no password"),
        ("postgresql://:s3cr3t@/", "no role, no host, no database"),
        ("postgresql://owner:s3cr3t@db:port/shop", "port"),
        ("postgresql://owner:s3cr3t/x@db:5432/shop", "unencoded /"),
        ("postgresql://owner:s3cr3t#x@db:5432/shop", "%23 for #"),
        ("postgresql://owner:s3cr3t@db/shop?sslmode=on", "sslmode is none of"),
        ("postgresql://owner:s3cr3t@db/shop?sslrootcert=/x", "app_database_ca"),
        ("postgresql://owner:s3cr3t%0A@db/shop", "control character"),
        ("postgresql://owner:s3cr3t@[db/shop", "not an address"),
        (5432, "not text"),
    ],
)
def test_what_is_wrong_is_reported_without_the_password(url: object, says: str) -> None:
    problem = _address.problem(url)
    assert problem is not None and says in problem
    assert SECRET not in problem


@pytest.mark.parametrize("url", [GOOD, ""])
def test_nothing_is_wrong(url: str) -> None:
    assert _address.problem(url) is None
