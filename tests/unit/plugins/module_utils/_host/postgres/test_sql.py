"""What somebody named cannot end the quotes that it stands in."""

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import sql


@pytest.mark.parametrize(("name", "quoted"), [("shop", '"shop"'), ('a"b', '"a""b"')])
def test_names_cannot_break_out(name: str, quoted: str) -> None:
    assert (sql.identifier(name), sql.literal("it's")) == (quoted, "'it''s'")
