"""Settings of a database are copied as values, whatever is in them."""

import re

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import database_copy
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import Database

HERE = Database("shop", "shop", "postgres", "shop_migrator", "shop-data-postgres-1", container="c1")
# A quoted string, an identifier, or anything else, as PostgreSQL with standard_conforming_strings reads them.
TOKENS = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[^'\"]+")


@pytest.mark.parametrize(
    "value",
    ["8MB", "public,x;ALTER/**/ROLE/**/shop/**/SUPERUSER", "'; DROP DATABASE shop; --", "$$;$do$", "a\\' b", 'quo"ted', "two\nlines", ""],
)
def test_a_value_is_no_part_of_a_statement(value: str) -> None:
    script = database_copy.settings_script([["", "app.tenant", value], ['mi"grator', "work_mem", value]], "shop_restore")
    word, body, end = TOKENS.findall(script)
    assert (word, end) == ("DO ", ";"), "one string holds all of it"
    inner = body[1:-1].replace("''", "'")
    tokens = TOKENS.findall(inner)
    assert tokens.count("'" + value.replace("'", "''") + "'") == 2
    bare = "".join(token for token in tokens if token[0] not in "'\"")
    assert bare.count("ALTER ") == 2 and "DROP" not in bare and "ROLE/**/" not in bare
    assert 'ALTER ROLE "mi""grator" IN DATABASE "shop_restore" SET "work_mem" FROM CURRENT' in inner
    assert 'ALTER DATABASE "shop_restore" SET "app"."tenant" FROM CURRENT' in inner


def test_the_superuser_is_in_a_new_database_only_while_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str | None, str]] = []

    def query(self: Database, sql: str, seconds: float = 0, database: str | None = None, admin: bool = False) -> list[list[str]]:
        assert admin
        asked.append((database, sql))
        return [["postgis", "public"]] if "FROM pg_extension" in sql else [["1"]] if sql.startswith("SELECT 1") else []

    monkeypatch.setattr(Database, "query", query)
    database_copy.create(HERE, "shop_restore")
    inside = [number for number, (database, _) in enumerate(asked) if database == "shop_restore"]
    opened = next(number for number, (_, sql) in enumerate(asked) if "OWNER TO %I" in sql)
    assert len(inside) == 2 and max(inside) < opened
    assert "CONNECTION LIMIT 0" in asked[1][1] and "CREATE EXTENSION" in asked[max(inside)][1]
