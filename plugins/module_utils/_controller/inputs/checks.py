# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with the variables of a role, all at once."""

from __future__ import annotations

import difflib
from typing import Any, Callable, Collection, Dict, Iterable, List, Mapping, Optional

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.fairlead.fastapi.plugins.module_utils._controller.inputs import (
    edge_rules,
    rules,
    services,
    spelling,
    time_limits,
    types,
    units,
    volume_rules,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared import address, credentials, domains

Rule = Callable[[object], Optional[str]]

# What a type cannot say.
RULES: Dict[str, Rule] = {
    "image_tag": rules.tag_problem,
    "image_digest": rules.digest_problem,
    "app_name": rules.app_name_problem,
    "app_domain": domains.domain_problem,
    "app_domains": domains.problem,
    "app_image": rules.image_problem,
    "app_env": rules.environment_problem,
    "app_secrets": rules.names_problem,
    "app_release_migrate_env": rules.environment_problem,
    "app_release_migrate_secrets": rules.names_problem,
    "app_database_url": address.problem,
    "app_release_identity": rules.identity_problem,
    "app_release_user": rules.user_problem,
    "db_backup_restic_repository": rules.repository_problem,
    "app_volumes": volume_rules.problem,
    "edge_proxy_trusted_proxies": edge_rules.trusted_proxies_problem,
    "edge_proxy_headers": edge_rules.headers_problem,
    "edge_proxy_basic_auth": edge_rules.basic_auth_problem,
}


# Environments that are written down in the open.
_ENVIRONMENTS = ("app_env", "app_release_migrate_env")
_EXAMPLES = {"image_tag": "<tag>"}


def where(name: str, option: Mapping[str, Any]) -> str:
    """Say where a variable is set, or belongs."""
    if option.get("playbook"):
        return f"pass -e {name}=on or -e {name}=off" if option.get("type") == "bool" else f"pass -e {name}={_EXAMPLES.get(name, '…')}"
    place = option.get("place")
    secret = option.get("no_log") or name.endswith("_secrets")
    vault = ", its values in the vault (group_vars/all/vault.yml)" if secret else ""
    if place:
        return f"it is set {place}{vault}"
    return f"set {name} in your inventory{vault or ' (group_vars/all/main.yml)'}"


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


def unknown(prefixes: Iterable[str], known: Collection[str], defined: Mapping[str, str]) -> Dict[str, str]:
    """Describe, by name, variables that begin as this collection's do, or are near to one, and are none of its options.

    Args:
        prefixes: what names of this collection begin with.
        known: all its options.
        defined: where each variable is set; empty where that is not known.
    """
    return {name: _unknown(name, meant, defined[name]) for name, meant in spelling.with_prefix(tuple(prefixes), known, defined).items()}


def _unknown(name: str, meant: str, place: str) -> str:
    return f"{name} is not an option{f'; did you mean {meant}?' if meant else ''}{f' (set {place})' if place else ''}"


def misspelt(own: Collection[str], others: Collection[str], known: Collection[str], given: Iterable[str]) -> Dict[str, str]:
    """Describe, by name, variables given with -e that are near to an option of a playbook; see `spelling.near`."""
    return {
        name: f"{name} is not an option; did you mean -e {meant}=…?" for name, meant in spelling.near(own, others, known, given).items()
    }


def wrong_types(values: Mapping[str, Any], options: Mapping[str, Any]) -> Dict[str, str]:
    """Describe, by name, values that do not have the type of their option."""
    found = {name: types.problem(value, options[name]) for name, value in values.items()}
    return {name: f"{name}: {problem}: {where(name, options[name])}" for name, problem in found.items() if problem}


def trapped(name: str, written: str, value: object, hidden: bool) -> str:
    """Describe a number that was meant as a text.

    Args:
        name: with its key, where it is in a mapping.
        written: how it is written in its file.
        value: what YAML made of it.
        hidden: whether neither may be shown.
    """
    return (
        f"{name}: YAML reads its number as another one: quote it"
        if hidden
        else f'{name}: YAML reads {written} as {value}: write "{written}"'
    )


def broken_rules(values: Mapping[str, Any], options: Mapping[str, Any]) -> List[str]:
    """Describe values that have the right type and are wrong all the same."""
    problems = []
    for name, option in options.items():
        if name in values:
            found = [RULES[name](values[name]) if name in RULES else None, *units.problems(name, values[name])]
            problems += [f"{name}: {problem}: {where(name, option)}" for problem in found if problem]
    problems += _exposed(values)
    root = rules.root_problem(values.get("app_release_user"), boolean(values.get("app_release_root_user", False), strict=False))
    if root and "app_release_user" in options:
        problems.append(f"app_release_user: {root}: {where('app_release_user', options['app_release_user'])}")
    seconds = {name: values.get(name, option.get("default")) for name, option in options.items() if name.endswith("_seconds")}
    numbers = {name: float(value) for name, value in seconds.items() if isinstance(value, (int, float))}
    if "app_release_tmpfs" in options:
        tmpfs = values.get("app_release_tmpfs", options["app_release_tmpfs"].get("default"))
        problems += volume_rules.tmpfs_problems(values.get("app_volumes"), tmpfs)
    if "data_services_postgres" in options:
        problems += services.problems(values)
    problems += domains.combination_problems(values, options)
    if values.get("db_backup_restic_repository") and not values.get("db_backup_restic_password"):
        problems.append(f"db_backup_restic_repository is set and db_backup_restic_password is not: set it {services.FROM_VAULT}")
    return problems + [f"{problem}: set them {services.INVENTORY}" for problem in time_limits.chain_problems(numbers)]


def _exposed(values: Mapping[str, Any]) -> List[str]:
    """Describe credentials in environments, which are shown in differences and by `docker inspect`."""
    public = values.get("app_env_public") or []
    problems = []
    for variable in _ENVIRONMENTS:
        environment = values.get(variable)
        names = credentials.found_in(environment) if isinstance(environment, dict) else []
        secrets = variable.replace("_env", "_secrets")
        problems += [
            f"{variable}.{name} looks like a credential, and an environment is no secret: move it to {secrets}, its value in the vault "
            "(an app that reads it from its environment needs app_release_secrets_as: environment); "
            f"if it is none, list it: app_env_public: [{name}]"
            for name in names
            if name not in public
        ]
    return problems
