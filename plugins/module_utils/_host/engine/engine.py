# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What provisioning does about the container engine: decided from what is on the host."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import engine_settings
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine.engine_found import ENGINES, Container, Found, Record, Wanted
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

# Health checks have `start_interval`, which came with engine 25 (API 1.44) and which Compose passes on since 2.24.
ENGINE_SINCE = (25, 0)
COMPOSE_SINCE = (2, 24)
# For each product, the packages that may hold what belongs to the engine.
COMPOSE = {"docker.io": ("docker-compose", "docker-compose-v2"), "docker-ce": ("docker-compose-plugin",)}
CLI = {"docker.io": ("docker-cli",), "docker-ce": ("docker-ce-cli",)}
# Of one product or the other; never mixed.
PRODUCTS = frozenset(
    {*ENGINES, "docker-buildx", "docker-buildx-plugin", "containerd", "containerd.io", "runc"}.union(*COMPOSE.values(), *CLI.values())
)
HOWTO = "install Docker's own packages (https://docs.docker.com/engine/install) and run this again: an engine that is there is kept"
RESTART = "-e docker_engine_restart_others=true"


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Args:
        present: whether an engine is there already.
        told: what is there and what becomes of it, in one line.
        install: packages.
        installed: whether the engine is this collection's, which may then hold its package.
        daemon: new content of daemon.json.
        apply: how the engine learns it: ``none``, ``reload`` or ``restart``.
        warnings: what the operator should know.
    """

    present: bool
    told: str
    install: List[str]
    installed: bool
    daemon: Dict[str, Any]
    apply: str
    warnings: List[str]


def decide(found: Found, wanted: Wanted, record: Record) -> Plan:
    """Return what is to be done; nothing was changed so far.

    Raises:
        ReleaseError: ENGINE_UNFIT, ENGINE_PACKAGES, ENGINE_CONFLICT or ENGINE_SHARED.
    """
    _refuse_unfit(found)
    present = found.version is not None
    # Somebody may have put another one in the place of ours since.
    record = replace(record, installed=record.installed and found.product in wanted.packages)
    install = _missing(found, wanted) if present else _all(found, wanted)
    daemon, warnings = _settings(found, wanted, record)
    warnings += held_back(found)
    keys = engine_settings.changed_keys(found.daemon, daemon)
    apply = "restart" if keys and (not found.runs or engine_settings.needs_restart(keys)) else "reload" if keys else "none"
    if apply == "restart":
        warnings += _restart(found, wanted, keys, daemon)
    return Plan(present, _told(found, install), install, record.installed or not present, daemon, apply, warnings)


def version_of(text: str) -> Tuple[int, int]:
    """Return major and minor of a version as packages and programs write it: 5:28.1.1-1~debian.13~trixie, v2.26.1, 26.1.5+dfsg1."""
    numbers = re.match(r"(?:\d+:)?v?(\d+)\.(\d+)", text)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


def refuse_harm(simulated: str, install: Sequence[str]) -> None:
    """Do nothing when apt, asked to install packages, would leave alone what is there.

    Args:
        simulated: what `apt-get --simulate install` wrote.
        install: the packages.

    Raises:
        ReleaseError: ENGINE_UNFIT.
    """
    removed = re.findall(r"(?m)^Remv (\S+)", simulated)
    # `Inst name [installed version] (new version …)`: an upgrade.
    upgraded = [name for name in re.findall(r"(?m)^Inst (\S+) \[", simulated) if name in PRODUCTS]
    if removed or upgraded:
        what = " and ".join(
            [f"remove {', '.join(removed)}"] * bool(removed) + [f"replace the version of {', '.join(upgraded)}"] * bool(upgraded)
        )
        raise ReleaseError(
            "ENGINE_UNFIT",
            f"to install {', '.join(install)}, apt would {what}; nothing was changed",
            f"install {', '.join(install)} by hand, in a way that leaves the engine alone, then run this again",
        )


def _refuse_unfit(found: Found) -> None:
    if found.foreign:
        raise ReleaseError(
            "ENGINE_UNFIT",
            f"{found.foreign} is on this host, where Docker Engine is needed; nothing was changed",
            f"use another host; or move what it runs away, remove it, and {HOWTO}",
        )
    if found.silent:
        raise ReleaseError(
            "ENGINE_UNFIT",
            "a Docker Engine runs on this host and does not answer at /var/run/docker.sock; nothing was changed",
            "systemctl status docker; have it listen there (unix:///var/run/docker.sock), then run this again",
        )
    for name, version, since in (("Docker Engine", found.version, ENGINE_SINCE), ("Docker Compose", found.compose, COMPOSE_SINCE)):
        if version is not None and version_of(version) < since:
            users = f", which runs {_count(found.others)}" if found.others else ""
            raise ReleaseError(
                "ENGINE_UNFIT",
                f"{name} {version} is on this host{users}; {'.'.join(map(str, since))} or newer is needed; nothing was changed",
                f"upgrade it in a way that keeps what it runs, then run this again; or {HOWTO}",
            )


def _all(found: Found, wanted: Wanted) -> List[str]:
    """Return the packages for a host without an engine."""
    missing = [name for name in wanted.packages if name not in found.packages and name not in found.offered]
    old = [
        f"{name} {found.offered[name]} (needs {'.'.join(map(str, since))})"
        for names, since in ((ENGINES, ENGINE_SINCE), ({n for group in COMPOSE.values() for n in group}, COMPOSE_SINCE))
        for name in wanted.packages
        if name in names and name in found.offered and version_of(found.offered[name]) < since
    ]
    if missing or old:
        raise _not_offered(found, missing, old)
    return [name for name in wanted.packages if name not in found.packages]


def _missing(found: Found, wanted: Wanted) -> List[str]:
    """Return what an engine that is there lacks, without touching the engine itself."""
    product = found.product or "docker-ce"
    needed = [] if found.cli else [_first_offered(found, CLI.get(product, ()), "the docker command")]
    needed += [] if found.compose else [_first_offered(found, COMPOSE.get(product, ()), "the Compose plugin")]
    same = product in wanted.packages
    more = [name for name in wanted.packages if name not in found.packages and (same or name not in PRODUCTS) and name != product]
    # What this collection's own engine gets besides is not needed where the index does not have it.
    required = [name for name in more if name not in PRODUCTS]
    absent = [name for name in required if name not in found.offered]
    if absent:
        raise _not_offered(found, absent, [])
    return sorted({*needed, *(name for name in more if name in found.offered)})


def _first_offered(found: Found, names: Sequence[str], what: str) -> str:
    fit = [n for n in names if n in found.offered and (what != "the Compose plugin" or version_of(found.offered[n]) >= COMPOSE_SINCE)]
    if fit:
        return fit[0]
    raise ReleaseError(
        "ENGINE_UNFIT",
        f"{_name(found)} is on this host without {what}, and the package index does not have it; nothing was changed",
        f"install {' or '.join(names) or what} from where the engine came, then run this again",
    )


def _not_offered(found: Found, missing: Sequence[str], old: Sequence[str]) -> ReleaseError:
    lacks = [f"does not have {', '.join(missing)}"] * bool(missing) + [f"has only {', '.join(old)}"] * bool(old)
    todo = f"{HOWTO}; or name packages that the index has in docker_engine_packages, with Docker Engine 25.0 and Compose 2.24 or newer"
    if not found.offered:
        todo = "apt-get update on the host; it says what its package sources lack"
    return ReleaseError("ENGINE_PACKAGES", f"the package index of this host {' and '.join(lacks)}; nothing was changed", todo)


def _settings(found: Found, wanted: Wanted, record: Record) -> Tuple[Dict[str, Any], List[str]]:
    settings, warnings = dict(wanted.settings), []
    if found.swarm and "live-restore" not in wanted.explicit:
        del settings["live-restore"]
        warnings.append("LIVE_RESTORE: the engine is part of a swarm, which cannot have live-restore: its next restart stops the app")
    only = engine_settings.NEEDED | wanted.explicit if found.others else frozenset()
    owned = record.installed and not found.others
    claims = engine_settings.Claims(settings, record.before, record.others, found.flags, owned, only)
    daemon, differences = engine_settings.merge(found.daemon, claims)
    conflicts = [difference for difference in differences if difference.key in wanted.explicit]
    if conflicts:
        raise ReleaseError(
            "ENGINE_CONFLICT",
            "docker_engine_options differs from /etc/docker/daemon.json, which belongs to the whole host; nothing was changed",
            "copy the host's value to docker_engine_options in your inventory, or change /etc/docker/daemon.json by hand",
            map(str, conflicts),
        )
    warnings += [f"/etc/docker/daemon.json stays as it is: {difference}" for difference in differences]
    return daemon, warnings


def _restart(found: Found, wanted: Wanted, keys: Sequence[str], daemon: Mapping[str, Any]) -> List[str]:
    outlive = daemon.get("live-restore") is True and not found.swarm
    running = [container for container in found.containers if container.running and not (container.ours and outlive)]
    if not running:
        return []
    effect = f"{'interrupts' if outlive else 'stops'} {_count(running)} ({_names(running)})"
    if not wanted.restart_others:
        raise ReleaseError(
            "ENGINE_SHARED",
            f"{', '.join(keys)} in daemon.json need a restart of the engine, which {effect}; nothing was changed",
            f"remove {', '.join(keys)} from docker_engine_options, or accept the restart: {RESTART}",
        )
    return [f"ENGINE_SHARED: the engine is restarted for {', '.join(keys)}, which {effect}"]


def held_back(found: Found) -> List[str]:
    """Return what is to be said of packages that nobody upgrades any more."""
    held = [name for name in found.held if name in PRODUCTS and name in found.packages]
    newer = [name for name in held if found.offered.get(name, found.packages[name]) != found.packages[name]]
    return [
        f"{name} is held at {found.packages[name]} and {found.offered[name]} is there. When a restart of the engine suits you: "
        f"apt-get install --only-upgrade --allow-change-held-packages {name}"
        for name in newer
    ]


def _told(found: Found, install: Sequence[str]) -> str:
    if found.version is None:
        engines = [f"{name} {found.offered.get(name, '')}".strip() for name in install if name in ENGINES]
        return f"No Docker is there: {', '.join(engines) or 'the packages'} of this host's package index is installed"
    containers = f" with {_count(found.others)} of others" if found.others else ""
    data = f", data in {found.data}" if found.data != "/var/lib/docker" else ""
    added = f", {', '.join(install)} added" if install else ""
    return f"{_name(found)} is there{containers}{data}: kept{added}"


def _name(found: Found) -> str:
    return f"Docker {found.version} ({found.product or 'from no package'})"


def _count(containers: Sequence[Container]) -> str:
    return f"{len(containers)} container{'s' if len(containers) != 1 else ''}"


def _names(containers: Sequence[Container]) -> str:
    names = sorted(container.name for container in containers)
    return ", ".join(names[:5] + ["…"] * (len(names) > 5))
