# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with the variables of the data services, taken together."""

from __future__ import annotations

import re
from typing import Any, List, Mapping, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.postgres import READER, SUPERUSER

INVENTORY = "in your inventory (group_vars/all/main.yml)"
FROM_VAULT = "from the vault (group_vars/all/vault.yml of your inventory)"
VAULT = f"{FROM_VAULT}, or switch the service off when it is elsewhere"
# The rest is for what is not data: buffers of clients, the copy that is written to disk.
REDIS_SHARE = 0.8
_POSTGRES_PASSWORDS = ("data_services_postgres_password", "data_services_postgres_migrator_password")
_UNITS = {"": 1, "b": 1, "k": 1024, "kb": 1024, "m": 1024**2, "mb": 1024**2, "g": 1024**3, "gb": 1024**3}
# Redis means thousands where its unit has no b.
_REDIS_UNITS = {**_UNITS, "k": 1000, "m": 1000**2, "g": 1000**3}


def problems(values: Mapping[str, Any]) -> List[str]:
    """Return what is wrong, each with where to fix it.

    Args:
        values: variables of the role by name, the defaults among them.
    """
    found = []
    if _is_on(values, "data_services_postgres"):
        found += _postgres_problems(values)
    if _is_on(values, "data_services_redis"):
        found += _redis_problems(values)
    return found


def _postgres_problems(values: Mapping[str, Any]) -> List[str]:
    found = [f"{name} is not set: set it {VAULT}" for name in _POSTGRES_PASSWORDS if not values.get(name)]
    if values.get("app_database_url"):
        found.append(
            "data_services_postgres is true and app_database_url says that the database is elsewhere: "
            f"set data_services_postgres to false, or remove app_database_url, {INVENTORY}"
        )
    user, migrator = values.get("data_services_postgres_user"), values.get("data_services_postgres_migrator")
    if len({user, migrator, SUPERUSER, READER}) < 4:
        found.append(
            f"data_services_postgres_user ({user}) and data_services_postgres_migrator ({migrator}) must be two roles, "
            f"and neither {SUPERUSER} nor {READER}: set them {INVENTORY}"
        )
    passwords = [values.get(name) for name in _POSTGRES_PASSWORDS]
    if passwords[0] and passwords[0] == passwords[1]:
        found.append(f"{' and '.join(_POSTGRES_PASSWORDS)} are the same, so the app could log in as the migrator: make another one")
    return found


def _redis_problems(values: Mapping[str, Any]) -> List[str]:
    found = [] if values.get("data_services_redis_password") else [f"data_services_redis_password is not set: set it {VAULT}"]
    data = size(str(values.get("data_services_redis_maxmemory", "")), _REDIS_UNITS)
    container = size(str(values.get("data_services_redis_memory", "")), _UNITS)
    if data is None:
        found.append(f"data_services_redis_maxmemory is no size such as 192mb: set it {INVENTORY}")
    elif container and not 0 < data <= REDIS_SHARE * container:
        found.append(
            f"data_services_redis_maxmemory ({values['data_services_redis_maxmemory']}) must be more than 0 and at most {REDIS_SHARE:.0%} "
            f"of data_services_redis_memory ({values['data_services_redis_memory']}), or Redis is killed when it is full: "
            f"set them {INVENTORY}"
        )
    return found


def size(text: str, units: Mapping[str, int]) -> Optional[int]:
    """Return a size in bytes, or None when it is none."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    return int(float(found[1]) * units[found[2]]) if found and found[2] in units else None


def _is_on(values: Mapping[str, Any], name: str) -> bool:
    return str(values.get(name, True)).lower() in ("true", "yes", "on", "1")
