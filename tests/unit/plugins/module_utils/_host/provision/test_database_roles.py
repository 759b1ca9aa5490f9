"""Roles are made in the database that runs here; at one elsewhere, the migrator only gets its settings."""

from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import roles, scram
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import Database
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.provision import database_roles
from fakes import fails

HERE = Database("shop", "shop", "postgres", "shop_migrator", "shop-data-postgres-1", container="c1")
ELSEWHERE = Database("shop", "shop", "owner", "owner", "db.example.com:5432", image="postgres:17")
PARAMS: dict[str, Any] = {
    "migrator": "shop_migrator",
    "migrator_password": "m-secret",
    "user": "shop",
    "user_password": "u-secret",
    "version_table": "alembic_version",
    "settings": {"lock_timeout": "5s", "work_mem": 8},
}
FOUND = [
    ["role", "postgres", "LOGIN INHERIT SUPERUSER", ""],
    ["role", "shop_migrator", "LOGIN INHERIT", scram.verifier("m-secret")],
    ["role", "shop", "LOGIN INHERIT CREATEDB", scram.verifier("u-secret")],
    ["role", "fairlead_reader", "LOGIN INHERIT BYPASSRLS", ""],
    ["reads", "shop_migrator"],
    ["limit", "97", "87"],
    ["setting", "lock_timeout=5s"],
    ["setting", "work_mem=8"],
    *(["default", kind, ",".join(privileges), ""] for kind, privileges in roles.DEFAULTS.items()),
]
MENDED = 'ALTER ROLE "shop" LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;'


class Asked:
    """A database that answers with rows; keeps what it was told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, database: Database | None, rows: list[list[str]]) -> None:
        self.rows, self.told = rows, ""
        monkeypatch.setattr(database_roles, "find_database", lambda paths: database)
        monkeypatch.setattr(Database, "query", self.query)

    def query(self, sql: str, *_: object, **__: object) -> list[list[str]]:
        if sql.lstrip().startswith("SELECT"):
            return self.rows
        self.told += sql
        return []


def work(paths: AppPaths, check_mode: bool = False, **params: Any) -> dict[str, Any]:
    return database_roles.work(paths, {**PARAMS, **params}, check_mode)


@pytest.mark.parametrize("check_mode", [False, True])
def test_what_differs_is_repaired_in_one_run(paths: AppPaths, monkeypatch: pytest.MonkeyPatch, check_mode: bool) -> None:
    asked = Asked(monkeypatch, HERE, FOUND)
    result = work(paths, check_mode)
    assert (result["changed"], result["statements"], result["diff"]["after"]) == (True, [MENDED], f"{MENDED}\n")
    assert (MENDED in asked.told) is not check_mode


def test_a_second_run_changes_nothing(paths: AppPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [[*row[:2], row[2].replace(" CREATEDB", ""), *row[3:]] if row[0] == "role" else row for row in FOUND]
    asked = Asked(monkeypatch, HERE, rows)
    assert (work(paths)["changed"], asked.told) == (False, "")


def test_elsewhere_only_the_settings_are_made(paths: AppPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(monkeypatch, ELSEWHERE, [["setting", "lock_timeout=5s"]])
    nobody: dict[str, Any] = dict.fromkeys(database_roles.ROLES)
    result = work(paths, **nobody)
    assert result["statements"] == ["ALTER ROLE CURRENT_USER SET \"work_mem\" = '8';"]
    assert asked.told.splitlines()[2:-1] == result["statements"]


def test_roles_that_are_not_given_are_named(paths: AppPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    Asked(monkeypatch, HERE, FOUND)
    with fails("CONFIG") as caught:
        work(paths, user_password=None)
    assert "user_password" in caught.value.what


def test_check_mode_asks_no_server_before_its_first_start(paths: AppPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    Asked(monkeypatch, None, [])
    assert work(paths, check_mode=True)["changed"]
    with fails("DB_UNREACHABLE"):
        work(paths)
