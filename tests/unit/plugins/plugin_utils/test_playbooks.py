"""Messages name playbooks as whoever reads them can run them."""

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.plugin_utils import _playbooks

ADVICE = "LOCKED: see playbooks/status.yml, then run playbooks/deploy.yml -e image_tag=3f2c1ab"


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (ADVICE, "LOCKED: see fairlead.fastapi.status, then run fairlead.fastapi.deploy -e image_tag=3f2c1ab"),
        ({"warnings": ["playbooks/provision.yml"]}, {"warnings": ["fairlead.fastapi.provision"]}),
        ({"plan": {"sql": "playbooks/deploy.yml"}}, {"plan": {"sql": "playbooks/deploy.yml"}}),
        ({"then": [{"msg": "playbooks/restore.yml -e backup=x"}]}, {"then": [{"msg": "fairlead.fastapi.restore -e backup=x"}]}),
        ("ops/playbooks/deploy.yaml", "ops/playbooks/deploy.yaml"),
        (7, 7),
        (None, None),
    ],
)
def test_outside_of_a_checkout_they_have_names(value: Any, read: Any) -> None:
    assert _playbooks.named(value, here=False) == read
    assert _playbooks.named(value, here=True) == value


def test_a_checkout_is_told_by_its_playbooks(tmp_path: Path) -> None:
    collection, other = tmp_path / "fastapi", tmp_path / "mine"
    for directory in (collection, other):
        (directory / "playbooks").mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(collection)
    here = {str(place.name): _playbooks.are_here(place, collection) for place in (collection, link, other, tmp_path)}
    assert here == {"fastapi": True, "link": True, "mine": False, tmp_path.name: False}
