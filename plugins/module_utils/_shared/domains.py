# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The names under which an app is served: what is wrong with them, and which other app has one."""

from __future__ import annotations

import re
from typing import Any, Dict, Iterable, List, Mapping, Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.shown import shown

WILDCARD = "*."
# Accepted for uniqueness by (name, path); serving an app below another path is not supported.
ROOT = "/"
KEYS = frozenset({"name", "redirect", "path"})
_HOST_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

Domain = Dict[str, Any]


def normalised(domains: Iterable[Mapping[str, Any]]) -> List[Domain]:
    """Return names as they are recorded and compared: in lower case, with each key."""
    return [{"name": str(d["name"]).lower(), "redirect": _redirects(d), "path": str(d.get("path") or ROOT)} for d in domains]


def _redirects(domain: Mapping[str, Any]) -> bool:
    # As Ansible reads a yes; its own function is not on hosts, where the program for backups imports this.
    return str(domain.get("redirect", False)).lower() in ("true", "yes", "on", "y", "t", "1")


def of_settings(settings: Mapping[str, Any]) -> List[Domain]:
    """Return the names in a release's settings; earlier versions of the collection recorded a single one."""
    return normalised(settings.get("domains") or [{"name": settings["domain"]}])


def served(domains: Iterable[Domain]) -> List[str]:
    """Return the host names at which the app itself can be asked; a wildcard is no host name."""
    return [d["name"] for d in domains if not d["redirect"] and not d["name"].startswith(WILDCARD)]


def redirected(domains: Iterable[Domain]) -> List[str]:
    """Return the host names that only redirect."""
    return [d["name"] for d in domains if d["redirect"] and not d["name"].startswith(WILDCARD)]


def host_name_problem(domain: object) -> Optional[str]:
    """Say why `domain` cannot be served; None when it can."""
    if isinstance(domain, str) and _HOST_NAME.fullmatch(domain):
        return None
    return f"{shown(domain)} is not a host name (lower case, without scheme, port or path)"


def domain_problem(domain: object) -> Optional[str]:
    """Say what is wrong with `app_domain`; an empty one is not set."""
    return None if domain in ("", None) else host_name_problem(domain)


def problem(domains: object) -> Optional[str]:
    """Say all that is wrong with `app_domains`; None when nothing is."""
    if not domains:
        return None
    if not isinstance(domains, list) or not all(isinstance(d, dict) and d.get("name") for d in domains):
        return "it must be a list of {name: …, redirect: …}"
    found = [each for d in domains for each in _entry_problems(d)]
    names = [str(d["name"]).lower() for d in domains]
    found += [f"{name!r} is there {names.count(name)} times" for name in sorted(set(names)) if names.count(name) > 1]
    if _redirects(domains[0]):
        found.append(f"{names[0]!r} is the first, which the others redirect to, so it cannot redirect itself")
    if names[0].startswith(WILDCARD):
        found.append(f"{names[0]!r} is the first, which must be a whole host name and not a wildcard")
    return "; ".join(found) or None


def _entry_problems(domain: Mapping[str, Any]) -> List[str]:
    name, path = domain["name"], domain.get("path") or ROOT
    whole = name[len(WILDCARD) :] if isinstance(name, str) and name.startswith(WILDCARD) else name
    found = host_name_problem(whole)
    found = found and found.replace(repr(whole), repr(name), 1)
    wrong_path = f"{name!r}: path {path!r} is not supported, only '/' is: give the app a name of its own" if path != ROOT else None
    unknown = sorted(str(key) for key in domain if key not in KEYS)
    wrong_keys = f"{name!r}: {', '.join(unknown)} is none of name, redirect, path" if unknown else None
    return [each for each in (found, wrong_path, wrong_keys) if each]


def combination_problems(values: Mapping[str, Any], options: Iterable[str]) -> List[str]:
    """Say what is wrong with the variables taken together: both ways to name the app, or wildcards that get no certificate."""
    domains, found = values.get("app_domains") or [], []
    if domains and values.get("app_domain"):
        found.append("app_domain and app_domains are both set: keep app_domains, and set app_domain to '' where it is inherited")
    if "edge_proxy_tls" in options and values.get("edge_proxy_tls", "acme") == "acme":
        wild = [str(d.get("name")) for d in domains if isinstance(d, dict) and str(d.get("name")).startswith(WILDCARD)]
        if wild:
            found.append(
                f"app_domains: {', '.join(wild)} gets no certificate from an ACME authority without access to the DNS: "
                "name each host, or give a certificate (edge_proxy_tls: files)"
            )
    return found


def taken(wanted: Iterable[Domain], others: Mapping[str, Iterable[Domain]]) -> List[str]:
    """Say which of the names other apps of the host have already.

    Args:
        wanted: the names of one app.
        others: the names of each other app, by the app's name.
    """
    pairs = [(mine, app, theirs) for mine in wanted for app, has in sorted(others.items()) for theirs in has]
    return [_said(mine, app, theirs) for mine, app, theirs in pairs if _overlap(mine, theirs)]


def _said(mine: Domain, app: str, theirs: Domain) -> str:
    if mine["name"] == theirs["name"]:
        return f"{mine['name']} is a name of the app {app}"
    return f"{mine['name']} and {theirs['name']}, a name of the app {app}, cover the same host"


def _overlap(one: Domain, other: Domain) -> bool:
    if one["path"] != other["path"]:
        return False
    a, b = one["name"], other["name"]
    return a == b or _covers(a, b) or _covers(b, a)


def _covers(wildcard: str, name: str) -> bool:
    """Tell whether a wildcard, which stands for a single label, covers a name."""
    return wildcard.startswith(WILDCARD) and not name.startswith(WILDCARD) and name.partition(".")[2] == wildcard[len(WILDCARD) :]
