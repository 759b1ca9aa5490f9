"""The variables of the data services, taken together."""

from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._controller.inputs import checks, services

GOOD = {
    "data_services_postgres": True,
    "data_services_postgres_user": "shop",
    "data_services_postgres_migrator": "shop_migrator",
    "data_services_postgres_password": "one",
    "data_services_postgres_migrator_password": "two",
    "data_services_redis": True,
    "data_services_redis_password": "three",
    "data_services_redis_memory": "256m",
    "data_services_redis_maxmemory": "192mb",
}
BOTH_OFF = {"data_services_postgres": False, "data_services_redis": "no", "app_database_url": "postgresql://a:b@c/d"}


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({}, []),
        ({"data_services_redis_maxmemory": "204m"}, []),
        (
            {"data_services_postgres_migrator_password": None, "data_services_redis_password": ""},
            ["data_services_postgres_migrator_password is not set", "data_services_redis_password is not set"],
        ),
        ({"app_database_url": "postgresql://a:b@c/d"}, ["set data_services_postgres to false"]),
        ({"data_services_postgres_migrator": "shop"}, ["must be two roles"]),
        ({"data_services_postgres_user": "postgres"}, ["must be two roles"]),
        ({"data_services_postgres_migrator": "fairlead_reader"}, ["must be two roles"]),
        ({"data_services_postgres_migrator_password": "one"}, ["are the same"]),
        ({"data_services_redis_maxmemory": "250mb"}, ["at most 80%"]),
        ({"data_services_redis_maxmemory": "0"}, ["more than 0"]),
        ({"data_services_redis_maxmemory": "much"}, ["no size such as 192mb"]),
    ],
)
def test_problems(variables: dict[str, Any], says: list[str]) -> None:
    found = services.problems({**GOOD, **variables})
    assert len(found) == len(says)
    assert all(words in problem for words, problem in zip(says, found, strict=True)), found


def test_what_is_elsewhere_needs_nothing_here() -> None:
    assert services.problems(BOTH_OFF) == []


def test_they_are_reported_with_all_other_problems() -> None:
    options = {"data_services_postgres": {"type": "bool"}, "app_name": {"type": "str"}}
    found = checks.broken_rules({**GOOD, "app_name": "No", "data_services_postgres_migrator": "shop"}, options)
    assert [problem.split(":")[0].split(" ")[0] for problem in found] == ["app_name", "data_services_postgres_user"]
