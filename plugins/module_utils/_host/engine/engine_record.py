# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each app wants of the host's engine, noted there, so that no app undoes what another needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict, List, Mapping

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import read_json
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine.engine_found import Record
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine.engine_settings import Claims, united
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

FILE = Path("/etc/fairlead/engine.json")
CERTIFICATES = Path("/etc/docker/certs.d")
EMPTY: Dict[str, Any] = {"installed": False, "apps": {}}


def load() -> Dict[str, Any]:
    """Return what is noted here.

    Raises:
        ReleaseError: STATE_CORRUPT.
    """
    try:
        return read_json(FILE, tuple(EMPTY)) or EMPTY
    except ReleaseError as error:
        raise ReleaseError(error.code, error.what, f"remove {FILE} and provision each app of this host again") from error


def settings_of(noted: Mapping[str, Any], app: str) -> Record:
    """Return what the plan needs to know."""
    claims = {name: claim["settings"] for name, claim in noted["apps"].items()}
    return Record(noted["installed"], claims.pop(app, {}), list(claims.values()))


def noted_with(
    noted: Mapping[str, Any], app: str, installed: bool, settings: Mapping[str, Any], trusted: Mapping[str, str]
) -> Dict[str, Any]:
    """Return what is to be noted after this run."""
    claim = {"settings": dict(settings), "certificates": {registry: blocks(text) for registry, text in trusted.items()}}
    return {"installed": installed, "apps": {**noted["apps"], app: claim}}


def certificates(noted: Mapping[str, Any], app: str, trusted: Mapping[str, str]) -> Dict[str, str]:
    """Return the content of each registry's ca.crt: what is there, and what this app trusts."""
    claims = {name: claim["certificates"] for name, claim in noted["apps"].items()}
    before = claims.pop(app, {})
    found = {}
    for registry, text in trusted.items():
        file = CERTIFICATES / registry / "ca.crt"
        present = blocks(file.read_text(encoding="utf-8")) if file.is_file() else []
        kept = united(present, blocks(text), registry, Claims({}, before, list(claims.values())))
        found[registry] = "\n".join(kept) + "\n"
    return found


def blocks(text: str) -> List[str]:
    """Return the certificates in a PEM file, one text each."""
    return re.findall(r"-----BEGIN [^-]+-----.+?-----END [^-]+-----", text, re.DOTALL)
