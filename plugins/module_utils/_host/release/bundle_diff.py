# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What differs between the live release and a new one, for `--diff`; of secrets only that they do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.settings import Settings
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release import dotenv
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle import (
    COMPOSE,
    ENVIRONMENT,
    MIGRATE,
    BundleRecord,
    read_secrets,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle_write import Bundle
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.record import PinnedImage
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared import credentials


def difference(paths: AppPaths, old: Optional[BundleRecord], new: Bundle) -> List[Dict[str, str]]:
    """Return Ansible diffs between the live bundle and `new`: files as text, secrets only by name and what happens to them."""
    live = old.release.id if old else None
    directory = paths.bundle(live) if live else None
    old_secrets = read_secrets(paths, live) if live else {}
    new_secrets = {**new.secrets, **{f"{MIGRATE}{name}": value for name, value in new.migrate_secrets.items()}}
    pairs = [
        ("image", _image_line(old.release.image) if old else "", _image_line(new.pinned)),
        (COMPOSE, _text(directory, COMPOSE), new.compose),
        (ENVIRONMENT, *_environments(_text(directory, ENVIRONMENT), new.environment)),
        ("environment of migrations", *_environments(_text(directory, f"{MIGRATE}{ENVIRONMENT}"), new.migrate_environment)),
        ("settings", _settings_text(old.settings) if old else "", _settings_text(new.settings)),
        ("secrets", _secret_lines(old_secrets, {}), _secret_lines(new_secrets, old_secrets)),
    ]
    return [
        {
            "before_header": f"{new.app} {live or '(nothing live)'} {name}",
            "after_header": f"{new.app} (new) {name}",
            "before": was,
            "after": text,
        }
        for name, was, text in pairs
        if was != text
    ]


def _image_line(image: PinnedImage) -> str:
    return f"{image.label}@{image.digest}\n"


def _text(directory: Optional[Path], name: str) -> str:
    file = directory / name if directory else None
    return file.read_text(encoding="utf-8") if file and file.is_file() else ""


def _environments(old_text: str, new: Dict[str, str]) -> Tuple[str, str]:
    """Return both environments as they may be shown: without credentials, which an older release, or one said to be public, may have."""
    old = dotenv.parse(old_text)
    changed = {name for name in new if name in old and new[name] != old[name]}
    hidden = {name for environment in (old, new) for name in credentials.found_in(environment)}
    before = {name: "(set)" if name in hidden else value for name, value in old.items()}
    after = {name: ("(changed)" if name in changed else "(set)") if name in hidden else value for name, value in new.items()}
    return dotenv.render(before), dotenv.render(after)


def _settings_text(settings: Settings) -> str:
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in sorted(settings.items()))


def _secret_lines(secrets: Dict[str, str], old: Dict[str, str]) -> str:
    return "".join(f"{name}: {'(changed)' if name in old and old[name] != value else '(set)'}\n" for name, value in sorted(secrets.items()))
