"""What somebody named cannot end the quotes that it stands in."""

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils import _sql


@pytest.mark.parametrize(("name", "quoted"), [("shop", '"shop"'), ('a"b', '"a""b"')])
def test_names_cannot_break_out(name: str, quoted: str) -> None:
    assert (_sql.identifier(name), _sql.literal("it's")) == (quoted, "'it''s'")
