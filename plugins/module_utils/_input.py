# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with the variables of a role, all at once.  Private to this collection."""

from __future__ import annotations

import difflib
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.fairlead.fastapi.plugins.module_utils import (
    _address,
    _domains,
    _edge_rules,
    _limits,
    _rules,
    _services,
    _volume_rules,
)

Rule = Callable[[object], Optional[str]]

# What a type cannot say.
RULES: Dict[str, Rule] = {
    "image_tag": _rules.tag_problem,
    "app_name": _rules.app_name_problem,
    "app_domain": _domains.domain_problem,
    "app_domains": _domains.problem,
    "app_image": _rules.image_problem,
    "app_env": _rules.environment_problem,
    "app_secrets": _rules.names_problem,
    "app_release_migrate_env": _rules.environment_problem,
    "app_release_migrate_secrets": _rules.names_problem,
    "app_database_url": _address.problem,
    "app_release_identity": _rules.identity_problem,
    "app_release_user": _rules.user_problem,
    "app_volumes": _volume_rules.problem,
    "edge_proxy_trusted_proxies": _edge_rules.trusted_proxies_problem,
    "edge_proxy_headers": _edge_rules.headers_problem,
    "edge_proxy_basic_auth": _edge_rules.basic_auth_problem,
}


def where(name: str, option: Mapping[str, Any]) -> str:
    """Say where a variable is set."""
    if name == "image_tag":
        return "pass -e image_tag=<tag>"
    if option.get("no_log") or name == "app_secrets":
        return f"set {name} in your inventory, its values in the vault (group_vars/all/vault.yml)"
    return f"set {name} in your inventory (group_vars/all/main.yml)"


def missing(name: str, option: Mapping[str, Any], defined: Iterable[str]) -> str:
    """Describe a required variable that is not set, with the name that was perhaps meant."""
    near = [n for n in difflib.get_close_matches(name, [n for n in defined if n != name], 1, 0.85) if n not in RULES]
    hint = f" (you have {near[0]}: a slip?)" if near else ""
    return f"{name} is not set{hint}: {where(name, option)}"


def unnamed(values: Mapping[str, Any], options: Mapping[str, Any], defined: Iterable[str]) -> List[str]:
    """Describe that an app which is to be served has no name, by either of the variables that give it one."""
    # One that could not be worked out is defined and has no value; that is said elsewhere.
    named = any(values.get(name, name in defined) for name in ("app_domain", "app_domains"))
    return [missing("app_domain", options["app_domain"], defined)] if "app_domains" in options and not named else []


def unknown(prefix: str, known: Iterable[str], defined: Iterable[str]) -> List[str]:
    """Describe variables with the role's prefix that the role does not know."""
    names = sorted(known)
    problems = []
    for name in sorted(n for n in defined if n.startswith(prefix) and n not in names):
        near = difflib.get_close_matches(name, names, 1)
        problems.append(f"{name} is not an option{f'; did you mean {near[0]}?' if near else ''}")
    return problems


def broken_rules(values: Mapping[str, Any], options: Mapping[str, Any]) -> List[str]:
    """Describe values that have the right type and are wrong all the same."""
    problems = []
    for name, rule in RULES.items():
        if name in options and name in values:
            problem = rule(values[name])
            if problem:
                problems.append(f"{name}: {problem}: {where(name, options[name])}")
    root = _rules.root_problem(values.get("app_release_user"), boolean(values.get("app_release_root_user", False), strict=False))
    if root and "app_release_user" in options:
        problems.append(f"app_release_user: {root}: {where('app_release_user', options['app_release_user'])}")
    seconds = {name: values.get(name, option.get("default")) for name, option in options.items() if name.endswith("_seconds")}
    numbers = {name: float(value) for name, value in seconds.items() if isinstance(value, (int, float))}
    if "app_release_tmpfs" in options:
        tmpfs = values.get("app_release_tmpfs", options["app_release_tmpfs"].get("default"))
        problems += _volume_rules.tmpfs_problems(values.get("app_volumes"), tmpfs)
    if "data_services_postgres" in options:
        problems += _services.problems(values)
    problems += _domains.combination_problems(values, options)
    return problems + [f"{problem}: set them in your inventory (group_vars/all/main.yml)" for problem in _limits.chain_problems(numbers)]
