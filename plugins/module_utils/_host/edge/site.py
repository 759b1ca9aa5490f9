# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An app's site at the proxy: what it was written for, and whether a release fits it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.settings import Settings
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release import bundle
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.history import release_number
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared import domains as _domains
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.fields import known_fields

EDGE = Path("/etc/fairlead/edge")
SUFFIX = ".caddy"
# The record is a comment in the site itself: one rename replaces both, so they cannot disagree.
_RECORD = re.compile(r"^# fairlead: (\{.*\})$", re.MULTILINE)
# A site of an earlier version of the collection has no record and begins with its only name.
_FIRST_NAME = re.compile(r"^([^\s#{}]+) \{$", re.MULTILINE)
PROVISION = "run playbooks/provision.yml, then this again"


@dataclass(frozen=True)
class Site:
    """What a site was written for.

    Args:
        domains: the names, the canonical one first; see `domains.normalised`.
        listen: ``socket`` or ``tcp``. None in a site without a record.
        port: the port that requests are sent to over TCP.
        open_paths: paths that reach the app during maintenance.
        earlier: releases that listen otherwise and are reached all the same, each with ``socket`` or its port.
    """

    domains: List[Dict[str, Any]]
    listen: Optional[str] = None
    port: int = 0
    open_paths: List[str] = field(default_factory=list)
    earlier: Dict[str, str] = field(default_factory=dict)

    def record(self) -> str:
        """Return the comment that `parse` reads."""
        return f"# fairlead: {json.dumps(asdict(self), sort_keys=True)}\n"


def parse(text: str) -> Optional[Site]:
    """Return what a site says that it was written for; None when it says nothing that can be understood."""
    record = _RECORD.search(text)
    try:
        if record is not None:
            return Site(**known_fields(Site, json.loads(record[1])))
    except (ValueError, TypeError):
        return None
    name = _FIRST_NAME.search(text)
    return Site(_domains.normalised([{"name": name[1]}])) if name else None


def site_file(app: str, edge: Path) -> Path:
    """Return the path of an app's site."""
    return edge / "sites" / f"{app}{SUFFIX}"


def read_site(app: str, edge: Optional[Path] = None) -> Optional[Site]:
    """Return what the app's site on this host was written for; None when there is none."""
    try:
        return parse(site_file(app, edge or EDGE).read_text(encoding="utf-8"))
    except OSError:
        return None


def other_domains(app: str, edge: Path) -> Dict[str, List[Dict[str, Any]]]:
    """Return the names of each other app that has a site on this host."""
    apps = sorted(file.stem for file in (edge / "sites").glob(f"*{SUFFIX}") if file.stem != app)
    sites = {each: read_site(each, edge) for each in apps}
    return {each: site.domains for each, site in sites.items() if site is not None}


def hosts(paths: AppPaths, settings: Settings) -> List[str]:
    """Return the host names at which users ask for the app: those of its site, which outlives a release and its settings."""
    site = read_site(paths.app)
    return _domains.served(site.domains if site else _domains.of_settings(settings))


def redirects(paths: AppPaths, settings: Settings) -> List[str]:
    """Return the host names that redirect to the first one of `hosts`."""
    site = read_site(paths.app)
    return _domains.redirected(site.domains if site else _domains.of_settings(settings))


def upstream(listen: str, port: object) -> str:
    """Return how a release listens, in one word: ``socket``, or its port."""
    return "socket" if listen == "socket" else str(port)


def earlier_releases(paths: AppPaths, listen: str, port: int) -> Dict[str, str]:
    """Return the releases on this host that do not listen as a site expects, each with how it does."""
    records = (bundle.find_record(paths, release) for release in bundle.ids(paths))
    settings = {record.release.id: record.settings for record in records if record is not None}
    listens = {release: upstream(each["listen"], each["port"]) for release, each in settings.items()}
    return {release: listens[release] for release in sorted(listens, key=release_number) if listens[release] != upstream(listen, port)}


def unreachable(site: Site, settings: Settings, release: Optional[str]) -> Optional[str]:
    """Say why a site does not reach a release with these settings; None when it does, or does not say what it was written for.

    Args:
        site: what the proxy has.
        settings: the release's.
        release: its id; None for one that is not on the host yet.
    """
    if site.listen is None:
        return None
    wanted = upstream(settings["listen"], settings["port"])
    if site.earlier.get(str(release), upstream(site.listen, site.port)) == wanted:
        return None
    has, wants = (each if each == "socket" else f"TCP port {each}" for each in (upstream(site.listen, site.port), wanted))
    return f"it was written for an app on {has}, and the release listens on {wants} (app_listen, app_port)"


def mismatch(site: Site, settings: Settings, maintenance: bool, release: Optional[str] = None) -> Optional[ReleaseError]:
    """Say that a release cannot be put into service behind this site; None when it can.

    Args:
        site: what the proxy has.
        settings: of the release to come.
        maintenance: whether users get the maintenance page now.
        release: the id of an earlier release, whose names are those of its own time; None for a new one, whose are the inventory's.
    """
    found = [unreachable(site, settings, release), None if release else _other_names(site, settings)]
    if maintenance and site.listen is not None and settings["ready_path"] not in site.open_paths:
        found.append(f"its maintenance page covers {settings['ready_path']} (app_release_ready_path, edge_proxy_maintenance_open_paths)")
    problems = [each for each in found if each]
    if not problems:
        return None
    return ReleaseError("SITE_MISMATCH", f"the proxy's site does not fit this release: {'; '.join(problems)}", PROVISION)


def _other_names(site: Site, settings: Settings) -> Optional[str]:
    wanted = _domains.of_settings(settings)
    if site.domains == wanted:
        return None
    has, wants = (", ".join(_described(d) for d in each) for each in (site.domains, wanted))
    return f"it has {has} instead of {wants} (app_domain, app_domains)"


def _described(domain: Mapping[str, Any]) -> str:
    return f"{domain['name']} (redirected)" if domain["redirect"] else str(domain["name"])
