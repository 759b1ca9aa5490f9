"""What Redis is told, by text: that it obeys is tried in the scenario `provision`."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = Path(__file__).parents[3] / "roles" / "data_services"


def rendered(template: str, **variables: Any) -> str:
    """Return a template with the role's defaults and these variables."""
    values = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
    values |= {"ansible_managed": "Managed", "data_services_redis_password": "s3cr3t", **variables}
    templar = Templar(loader=DataLoader(), variables=values)
    return str(templar.template(trust_as_template((ROLE / "templates" / template).read_text(encoding="utf-8"))))


def test_the_password_is_known_by_its_hash_only() -> None:
    text = rendered("redis.conf.j2")
    assert "s3cr3t" not in text
    hashed = "4e738ca5563c06cfd0018299933d58db1dd8bf97f6973dc99bf6cdc64b5550bd"
    assert f"user default on ~* &* +@all -@dangerous +info #{hashed}\n" in text


@pytest.mark.parametrize(
    ("persistence", "lines", "absent"),
    [
        ("aof", ["appendonly yes", "appendfsync everysec", "save 3600 1 300 100 60 10000"], "appendonly no"),
        ("rdb", ["appendonly no", "save 3600 1 300 100 60 10000"], "appendfsync"),
        ("none", ["appendonly no", 'save ""'], "save 3600"),
    ],
)
def test_what_outlives_a_restart(persistence: str, lines: list[str], absent: str) -> None:
    text = rendered("redis.conf.j2", data_services_redis_persistence=persistence, data_services_redis_options={"hz": 20})
    assert set(lines) | {"hz 20", "maxmemory 192mb", "maxmemory-policy noeviction"} <= set(text.splitlines())
    assert absent not in text


@pytest.mark.parametrize(("persistence", "aside"), [("aof", None), ("rdb", "appendonlydir"), ("none", "appendonlydir dump.rdb")])
def test_what_was_kept_in_another_way_is_put_aside(persistence: str, aside: str | None) -> None:
    text = rendered("redis.sh.j2", data_services_redis_persistence=persistence)
    assert (f"for kept in {aside};" in text) is (aside is not None)
    assert ("cp dump.rdb" in text) is (persistence == "aof")
    assert text.splitlines()[-1] == "exec docker-entrypoint.sh redis-server /run/secrets/redis.conf"
