"""The revision is read from a table of the schema's owner, and from nothing else."""

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import version_table
from fakes import fails


@pytest.mark.parametrize(
    ("rows", "revision"),
    [([], ()), ([["revision", "0001"], ["tables", "3"]], ("0001",)), ([["revision", "a"], ["revision", "b"]], ("a", "b"))],
)
def test_the_revision(rows: list[list[str]], revision: tuple[str, ...]) -> None:
    assert version_table.revision(rows) == revision


@pytest.mark.parametrize(("what", "owner"), [("a view", "shop_migrator"), ("a table", "shop")])
def test_what_is_no_table_of_the_owners_is_refused(what: str, owner: str) -> None:
    with fails("VERSION_TABLE") as caught:
        version_table.revision([["refused", "public.alembic_version", what, owner, "shop_migrator"]])
    assert f"public.alembic_version is {what} of the role {owner}" in caught.value.what


@pytest.mark.parametrize("script", [version_table.question, version_table.protection])
def test_after_the_tables_name_no_other_name_is_looked_up_along_a_path_of_the_roles(script: object) -> None:
    assert callable(script)
    first, pinned, *_ = str(script("o'clock")).strip().splitlines()
    assert "pg_catalog.to_regclass('o''clock')" in first
    assert pinned == "SET search_path = pg_catalog;"
