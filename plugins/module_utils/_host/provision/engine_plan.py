# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to do about the container engine of a host."""

from __future__ import annotations

from typing import Any, Dict

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import engine, engine_facts, engine_found, engine_record


def work(p: Dict[str, Any]) -> Dict[str, Any]:
    """Return the plan.

    Raises:
        ReleaseError: ENGINE_UNFIT, ENGINE_PACKAGES, ENGINE_CONFLICT, ENGINE_SHARED or STATE_CORRUPT.
    """
    noted = engine_record.load()
    settings = {**p["settings"], **p["options"]}
    wanted = engine_found.Wanted(p["packages"], settings, frozenset(p["options"]), p["restart_others"])
    plan = engine.decide(engine_facts.look(p["packages"]), wanted, engine_record.settings_of(noted, p["app"]))
    if plan.install:
        engine.refuse_harm(engine_facts.simulate(plan.install), plan.install)
    return {
        "changed": False,
        "present": plan.present,
        "told": plan.told,
        "install": plan.install,
        "installed": plan.installed,
        "daemon": plan.daemon,
        "apply": plan.apply,
        "warnings": plan.warnings,
        "certificates": engine_record.certificates(noted, p["app"], p["certificates"]),
        "record": engine_record.noted_with(noted, p["app"], plan.installed, settings, p["certificates"]),
    }


def run(params: Dict[str, Any], check: bool) -> Dict[str, Any]:
    """Decide what to do about the engine; nothing is changed, whether it is a check or not."""
    return work(params)
