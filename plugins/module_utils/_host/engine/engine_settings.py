# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The engine's daemon.json, shared by all apps of a host and by whoever else uses it.

Nothing that is there is overwritten: keys are added, lists are united. A value is only replaced or removed by the app that set it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, FrozenSet, List, Mapping, Sequence, Tuple

Settings = Dict[str, Any]

# What the engine reads again on SIGHUP; everything else needs a restart.
RELOADED = frozenset(
    {
        *("debug", "insecure-registries", "labels", "live-restore", "max-concurrent-downloads", "max-concurrent-uploads"),
        *("max-download-attempts", "registry-mirrors", "shutdown-timeout"),
    }
)
# An engine with containers of others gets nothing else: the rest is a default for containers, and ours set it themselves.
NEEDED = frozenset({"live-restore", "registry-mirrors"})
# The options of one log driver stop the engine when they are given to another one.
TOGETHER = (("log-driver", "log-opts"),)
# Settings whose flag is not named as they are.
FLAGS = {"registry-mirrors": "registry-mirror", "insecure-registries": "insecure-registry", "log-opts": "log-opt", "labels": "label"}


@dataclass(frozen=True)
class Difference:
    """A setting that stays as it is on the host although the inventory has another value for it."""

    key: str
    host: Any
    wanted: Any

    def __str__(self) -> str:
        return f"{self.key}: the host has {self.host!r}, the inventory wants {self.wanted!r}"


@dataclass(frozen=True)
class Claims:
    """Who wants what.

    Args:
        wanted: the app's settings.
        before: what the app wanted when it was last provisioned here.
        others: what each other app on this host wants.
        flags: options that the engine was started with; it does not start when daemon.json has them too.
        owned: whether this collection installed the engine, so that values edited by hand are put back.
        only: the keys that may be added; empty for all.
    """

    wanted: Settings
    before: Settings = field(default_factory=dict)
    others: Sequence[Settings] = ()
    flags: FrozenSet[str] = frozenset()
    owned: bool = False
    only: FrozenSet[str] = frozenset()


def merge(host: Mapping[str, Any], claims: Claims) -> Tuple[Settings, List[Difference]]:
    """Return the new settings, and what stays different from what the app wants.

    Args:
        host: the settings that are there.
        claims: who wants what.
    """
    merged, differences = dict(host), []
    for unit in _units({**claims.wanted, **claims.before}):
        if any(FLAGS.get(key, key) in claims.flags for key in unit):
            continue
        wanted = {key: claims.wanted[key] for key in unit if key in claims.wanted}
        if any(isinstance(value, list) for value in wanted.values()):
            merged.update({key: united(host.get(key, []), value, key, claims) for key, value in wanted.items() if value or key in host})
            continue
        present = {key: host[key] for key in unit if key in host}
        if present == wanted:
            continue
        if _may_replace(unit, present, wanted, claims):
            for key in unit:
                merged.pop(key, None)
            merged.update(wanted)
        elif present and wanted:
            differences += [Difference(key, host.get(key), value) for key, value in wanted.items() if host.get(key) != value]
    return merged, differences


def united(host: Sequence[Any], wanted: Sequence[Any], key: str, claims: Claims) -> List[Any]:
    """Return both lists in one, without what only this app once wanted and does not want any more."""
    held = [value for other in claims.others for value in other.get(key, [])]
    gone = [value for value in claims.before.get(key, []) if value not in wanted and value not in held]
    kept = [value for value in host if value not in gone]
    return kept + [value for value in wanted if value not in kept]


def changed_keys(before: Mapping[str, Any], after: Mapping[str, Any]) -> List[str]:
    """Return the keys that differ."""
    return sorted(key for key in {*before, *after} if before.get(key) != after.get(key))


def needs_restart(keys: Sequence[str]) -> bool:
    """Tell whether a reload is not enough for these keys."""
    return not RELOADED.issuperset(keys)


def _units(settings: Mapping[str, Any]) -> List[Tuple[str, ...]]:
    together = {key: unit for unit in TOGETHER for key in unit}
    return sorted({together.get(key, (key,)) for key in settings})


def _may_replace(unit: Tuple[str, ...], present: Settings, wanted: Settings, claims: Claims) -> bool:
    if wanted and not present:
        return not claims.only or claims.only.issuperset(unit)
    held = any(other.get(key) == value for other in claims.others for key, value in present.items())
    mine = present == {key: claims.before[key] for key in unit if key in claims.before}
    return not held and (mine or (claims.owned and bool(wanted)))
