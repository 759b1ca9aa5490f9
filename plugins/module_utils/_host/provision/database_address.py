# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where an app's database is, when it is elsewhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Dict

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths, write_atomically
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared import address as _address
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

HOST_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
DESCRIPTION = "database.json"


def contents(url: str, authority: str, image: str, apart: bool = False) -> Dict[str, str]:
    """Return what each file shall hold; nothing when the database is not elsewhere.

    Raises:
        ReleaseError: CONFIG when the address is wrong, or the host knows no authorities.
    """
    if not url:
        return {}
    try:
        address = _address.parse(url)
    except ValueError as error:
        raise ReleaseError("CONFIG", f"app_database_url: {error}", "set it from the vault (group_vars/all/vault.yml)") from None
    told = {"image": image, "name": address.name, "user": address.user, "host": address.host, "port": address.port, "apart": apart}
    files = {"service.conf": address.service(), DESCRIPTION: json.dumps(told, indent=2, sort_keys=True) + "\n"}
    if address.proves_itself:
        files["root.crt"] = authority.strip() + "\n" if authority else _host_authorities()
    return files


def work(paths: AppPaths, wanted: Dict[str, str], check_mode: bool) -> Dict[str, Any]:
    """Have the directory hold just these files.

    Raises:
        ReleaseError: STATE_WRITE.
    """
    directory = paths.database
    found = {file.name: file.read_text(encoding="utf-8") for file in directory.iterdir()} if directory.is_dir() else {}
    differing = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
    if not check_mode:
        if not wanted:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            directory.mkdir(mode=0o700, exist_ok=True)
            # The description comes last: it is what says that the database is elsewhere.
            for name in sorted(differing, key=lambda name: name == DESCRIPTION):
                if name in wanted:
                    write_atomically(directory / name, wanted[name])
                else:
                    (directory / name).unlink()
    described = {"before": found.get(DESCRIPTION, ""), "after": wanted.get(DESCRIPTION, ""), "after_header": str(directory / DESCRIPTION)}
    return {"changed": bool(differing), "files": differing, "diff": described}


def _host_authorities() -> str:
    try:
        return HOST_AUTHORITIES.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ReleaseError(
            "CONFIG", f"this host trusts no authorities ({HOST_AUTHORITIES} is missing)", "set app_database_ca, or install ca-certificates"
        ) from None


def run(params: Dict[str, Any], check: bool) -> Dict[str, Any]:
    """Tell a host where its app's database is, when that is elsewhere."""
    wanted = contents(params["url"], params["authority"], params["image"], params["apart"])
    return work(AppPaths(params["app"]), wanted, check)
