# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Passwords that were changed since a release was live: it would bring the old ones back."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import re
from functools import partial
from typing import Callable, Dict, List, Mapping, Optional, Sequence
from urllib.parse import unquote, urlsplit

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import scram
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import Database
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.sql import literal
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release import dotenv
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle import ENVIRONMENT, MIGRATE, read_secrets
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

# Tells whether a password is the one that a service accepts now.
Accepts = Callable[[str], bool]

_VERIFIERS = "SELECT rolpassword FROM pg_authid WHERE rolcanlogin AND rolpassword IS NOT NULL AND rolname <> {admin};"
# In the file that provisioning writes.
_REDIS_USER = re.compile(r"^user default on .*#([0-9a-f]{64})$", re.MULTILINE)
_PASSWORD_LINE = re.compile(r"^password=(.*)$", re.MULTILINE)


def values(paths: AppPaths, release: str) -> Dict[str, str]:
    """Return the environment and the secrets of a release by name, without what is for its migrations alone."""
    file = paths.bundle(release) / ENVIRONMENT
    environment = dotenv.parse(file.read_text(encoding="utf-8")) if file.is_file() else {}
    secrets = read_secrets(paths, release)
    return {**environment, **{name: value for name, value in secrets.items() if not name.startswith(MIGRATE)}}


def accepted(paths: AppPaths, database: Optional[Database]) -> List[Accepts]:
    """Return what tells the passwords that the services which Fairlead knows accept now; nothing of one that does not answer."""
    found: List[Accepts] = []
    with contextlib.suppress(ReleaseError):
        if database is not None and database.container is not None:
            rows = database.query(_VERIFIERS.format(admin=literal(database.user)), admin=True)
            found += [partial(_matches, row[0]) for row in rows]
    for file, pattern, fits in (
        (paths.home / "data" / "secrets" / "redis.conf", _REDIS_USER, _hashes),
        (paths.database / "service.conf", _PASSWORD_LINE, hmac.compare_digest),
    ):
        with contextlib.suppress(OSError):
            stored = pattern.search(file.read_text(encoding="utf-8"))
            found += [partial(_agrees, fits, stored[1])] if stored else []
    return found


def changed(live: Mapping[str, str], target: Mapping[str, str]) -> List[str]:
    """Return the names that both releases have, with different values."""
    return [name for name in sorted({*live} & {*target}) if live[name] != target[name]]


def outdated(live: Mapping[str, str], target: Mapping[str, str], services: Sequence[Accepts]) -> List[str]:
    """Return the names of what a service accepts from the live release and would not accept from the target.

    Args:
        live: values of the live release by name.
        target: values of the release to go back to by name.
        services: what tells the passwords that are accepted now, one for each account.
    """
    names = changed(live, target)
    return [name for name in names if any(_is_accepted(live[name], by) and not _is_accepted(target[name], by) for by in services)]


def _is_accepted(value: str, accepts: Accepts) -> bool:
    return any(accepts(password) for password in passwords(value))


def passwords(value: str) -> List[str]:
    """Return what may be a password in a value: all of it, or what an address has."""
    found = [value.rstrip("\r\n")]
    with contextlib.suppress(ValueError):
        password = urlsplit(value.strip()).password if "://" in value else None
        found += [unquote(password)] if password else []
    return found


def _matches(verifier: str, password: str) -> bool:
    return scram.matches(password, verifier)


def _hashes(stored: bytes, password: bytes) -> bool:
    return hmac.compare_digest(stored, hashlib.sha256(password).hexdigest().encode())


def _agrees(fits: Callable[[bytes, bytes], bool], stored: str, password: str) -> bool:
    return fits(stored.encode(), password.encode())
