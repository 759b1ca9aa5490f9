# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of stages, and of what provisioning has the program do, as argument specs of Ansible.

The controller checks them, and the program on the host is given the result. The modules of the same names document them.
"""

from __future__ import annotations

from typing import Any, Dict

# Between two stages only the controller works; this covers a slow one and bounds the wait after a dead one.
LEASE_SECONDS = 15

Options = Dict[str, Any]

_APP: Options = {"app": {"type": "str", "required": True}}
_RUN: Options = {
    **_APP,
    "run": {"type": "str", "required": True},
    "owner": {"type": "str", "required": True},
    "lease_seconds": {"type": "float", "default": LEASE_SECONDS},
    "lock_wait": {"type": "float", "default": 0.0},
}
_FINISH: Options = {"warm_seconds": {"type": "float", "default": 0.0}}
_BEGIN: Options = {
    **_RUN,
    "registry_username": {"type": "str", "default": ""},
    "registry_password": {"type": "str", "default": "", "no_log": True},
    "controller_clock": {"type": "float"},
    "settings": {"type": "dict", "required": True},
    "go_on": {"type": "bool", "default": False},
    **_FINISH,
}
_RELEASE: Options = {"release": {"type": "str", "required": True}}

_ATTRIBUTES: Options = {"owner": {"type": "str", "default": "root"}, "group": {"type": "str", "default": "root"}}
_DIRECTORY: Options = {"path": {"type": "path", "required": True}, **_ATTRIBUTES, "mode": {"type": "str", "default": "0755"}}
_FILE: Options = {
    "path": {"type": "path", "required": True},
    "content": {"type": "str", "required": True},
    **_ATTRIBUTES,
    "mode": {"type": "str", "default": "0644"},
    "secret": {"type": "bool", "default": False},
    "validate": {"type": "list", "elements": "str", "default": []},
}
_RECORD: Options = {"path": {"type": "path", "required": True}, "of": {"type": "list", "elements": "path", "required": True}}

_DOMAIN: Options = {
    "name": {"type": "str", "required": True},
    "redirect": {"type": "bool", "default": False},
    "path": {"type": "str", "default": "/"},
}
_IMAGE: Options = {"image": {"type": "str", "required": True}}
MIGRATOR_SETTINGS = {
    "lock_timeout": "5s",
    "statement_timeout": "15min",
    "client_connection_check_interval": "1s",
    "idle_in_transaction_session_timeout": "1min",
}

# What provisioning has the program do.
TASKS: Dict[str, Options] = {
    "database_address": {
        **_APP,
        "url": {"type": "str", "default": "", "no_log": True},
        "authority": {"type": "str", "default": ""},
        "image": {"type": "str", "default": "postgres:17"},
        "apart": {"type": "bool", "default": False},
    },
    "database_roles": {
        **_APP,
        "migrator": {"type": "str"},
        "migrator_password": {"type": "str", "no_log": True},
        "user": {"type": "str"},
        "user_password": {"type": "str", "no_log": True},
        "settings": {"type": "dict", "default": MIGRATOR_SETTINGS},
        "version_table": {"type": "str", "default": "alembic_version"},
    },
    "database_volume": {**_APP, **_IMAGE, "upgrade": {"type": "bool", "default": False}},
    "edge_site": {
        **_APP,
        "domains": {"type": "list", "elements": "dict", "required": True, "options": _DOMAIN},
        "listen": {"type": "str", "choices": ["socket", "tcp"], "default": "socket"},
        "port": {"type": "int", "default": 8000},
        "open_paths": {"type": "list", "elements": "str", "default": []},
        "site": {"type": "str", "default": ""},
        "certificate": {"type": "str", "default": ""},
        "key": {"type": "str", "default": "", "no_log": True},
        "password_hashes": {"type": "list", "elements": "str", "default": [], "no_log": True},
        "image": {"type": "str", "default": ""},
        "owner": {"type": "int", "default": 0},
    },
    "engine_plan": {
        **_APP,
        "packages": {"type": "list", "elements": "str", "required": True},
        "settings": {"type": "dict", "required": True},
        "options": {"type": "dict", "default": {}},
        "certificates": {"type": "dict", "default": {}},
        "restart_others": {"type": "bool", "default": False},
    },
    "host_files": {
        "directories": {"type": "list", "elements": "dict", "default": [], "options": _DIRECTORY},
        "files": {"type": "list", "elements": "dict", "default": [], "options": _FILE},
        "absent": {"type": "list", "elements": "path", "default": []},
        "checksums": {"type": "list", "elements": "dict", "default": [], "options": _RECORD},
    },
    "image_digest": {**_IMAGE, "variable": {"type": "str", "required": True}},
    "proxy_ports": {"ports": {"type": "list", "elements": "int", "required": True}},
    "image_owner": {**_IMAGE, "user": {"type": "str", "required": True}},
}

STAGES: Dict[str, Options] = {
    "release_prepare": {
        **_BEGIN,
        "image": {"type": "str", "required": True},
        "tag": {"type": "str", "required": True},
        "digest": {"type": "str", "default": ""},
        "compose": {"type": "str", "required": True},
        "environment": {"type": "dict", "default": {}},
        "secrets": {"type": "dict", "default": {}, "no_log": True},
        "secrets_as": {"type": "str", "choices": ["file", "environment"], "default": "file"},
        "migrate_environment": {"type": "dict", "default": {}},
        "migrate_secrets": {"type": "dict", "default": {}, "no_log": True},
    },
    "release_migrate": {
        **_RUN,
        **_RELEASE,
        "plan": {"type": "dict", "required": True},
        "lint": {"type": "bool", "default": True},
        "allow_contract": {"type": "bool", "default": False},
    },
    "release_rollout": {**_RUN, **_RELEASE, "migrations": {"type": "list", "elements": "dict", "default": []}},
    "release_finish": {**_RUN, **_RELEASE, **_FINISH},
    "release_target": {
        **_BEGIN,
        "release": {"type": "str", "default": ""},
        "schema": {"type": "str", "choices": ["", "downgrade", "keep"], "default": ""},
    },
    "release_downgrade": {**_RUN, **_RELEASE, "downgrade": {"type": "dict", "required": True}},
    "release_smoke": {**_APP, "authority": {"type": "path"}},
    "release_status": {**_APP, "strict": {"type": "bool", "default": False}},
    "database_backup": _RUN,
    "database_drill": {**_RUN, "backup": {"type": "str", "default": ""}},
    "database_restore": {**_RUN, **{name: {"type": "str", "default": ""} for name in ("backup", "installation", "into")}},
    "database_upgrade": {
        **_RUN,
        "step": {"type": "str", "choices": ["copy", "finish", "revert"], "required": True},
        "image": {"type": "str", "required": True},
        "migrator": {"type": "str", "required": True},
        "migrator_password": {"type": "str", "required": True, "no_log": True},
        "user": {"type": "str", "required": True},
        "user_password": {"type": "str", "required": True, "no_log": True},
        "settings": {"type": "dict", "required": True},
    },
}
