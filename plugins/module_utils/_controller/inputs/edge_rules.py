# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with the proxy's settings for an app, beyond their types."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, List, Mapping, Optional

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
# What has no meaning of its own in the proxy's language.
_PATH = re.compile(r"/[A-Za-z0-9._~%!$&'()*+,;=:@/-]*")
_USER = re.compile(r"[A-Za-z0-9._@-]+")
_BCRYPT = re.compile(r"\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}")


def trusted_proxies_problem(networks: object) -> Optional[str]:
    """Say which networks cannot be trusted; None when all can."""
    return "; ".join(filter(None, map(_network_problem, networks if isinstance(networks, list) else []))) or None


def _network_problem(network: object) -> Optional[str]:
    try:
        parsed = ipaddress.ip_network(str(network), strict=False)
    except ValueError:
        return f"{network!r} is not a network such as 10.0.0.0/8"
    return f"{network!r} is everybody: then each client could choose the address that the app sees" if parsed.prefixlen == 0 else None


def headers_problem(headers: object) -> Optional[str]:
    """Say which headers cannot be sent; None when all can."""
    pairs = headers.items() if isinstance(headers, dict) else []
    bad = [str(name) for name, value in pairs if not _HEADER.fullmatch(str(name)) or re.search(r"[\x00-\x1f\x7f`]", str(value))]
    return f"not valid as a header (one line, without `): {', '.join(map(repr, bad))}" if bad else None


def basic_auth_problem(rules: object) -> Optional[str]:
    """Say all that is wrong with the paths that ask for a password; the hashes are not shown."""
    entries = [rule for rule in rules if isinstance(rule, dict)] if isinstance(rules, list) else []
    return "; ".join(problem for rule in entries for problem in _rule_problems(rule)) or None


def _rule_problems(rule: Mapping[str, Any]) -> List[str]:
    paths, users = rule.get("paths") or [], rule.get("users") or {}
    found = [f"{path!r} is not a path such as /admin/*" for path in paths if not _PATH.fullmatch(str(path))]
    if not paths or not isinstance(users, dict) or not users:
        return [*found, "each entry needs paths and users"]
    found += [f"{user!r} is not valid as a user (letters, digits, . _ @ -)" for user in users if not _USER.fullmatch(str(user))]
    plain = [str(user) for user, value in users.items() if not _BCRYPT.fullmatch(str(value))]
    if plain:
        found.append(f"what is set for {', '.join(plain)} is no bcrypt hash: make one with htpasswd -nB USER (or caddy hash-password)")
    return found
