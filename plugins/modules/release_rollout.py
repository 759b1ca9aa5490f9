#!/usr/bin/python
# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Third stage of a deploy, second of a rollback."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_rollout
short_description: Put a prepared or kept release into service
version_added: 1.0.0
description:
  - Starts the release beside the live one, waits until it answers its readiness check as the expected release,
    replaces the route in one atomic step, and asks the public listener whether the new release answers there.
  - When anything fails, the live release stays or is put back, and the new one is removed.
extends_documentation_fragment:
  - fairlead.fastapi.stage
  - fairlead.fastapi.stage.release
"""

EXAMPLES = r"""
- name: Put the release into service
  fairlead.fastapi.release_rollout:
    app: shop
    run: 5f0c2a
    owner: alice@laptop
    release: r12
"""

RETURN = r"""
ready:
  description: The readiness answer that let the release in.
  returned: success, except in check mode
  type: str
steps:
  description: What was done, in order, with seconds.
  returned: always
  type: list
  elements: dict
code:
  description: Stable failure code.
  returned: failure
  type: str
serving:
  description: The release that users get now.
  returned: failure
  type: str
"""

import time

from ansible_collections.fairlead.fastapi.plugins.module_utils._bundle import read_secrets
from ansible_collections.fairlead.fastapi.plugins.module_utils._candidate import Candidate
from ansible_collections.fairlead.fastapi.plugins.module_utils._errors import ReleaseError, redact
from ansible_collections.fairlead.fastapi.plugins.module_utils._ledger import Ledger, read_route, write_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._probe import (
    Answer,
    Listener,
    unverified_context,
    verdict,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._stage import (
    LEASE_SECONDS,
    RELEASE_OPTION,
    STAGE_OPTIONS,
    Result,
    Stage,
    main,
)

# The route is read with each request, so the edge sends requests to the new release at once; this bounds a busy host.
VERIFY_SECONDS = 10.0
VERIFY_INTERVAL = 0.2


def rollout(stage: Stage) -> Result:
    """Start, wait, switch, verify."""
    if stage.check_mode:
        return {"changed": True}
    with stage.lock():
        ledger = stage.resume()
        candidate = Candidate(stage.paths, stage.params["release"])
        before = read_route(stage.paths)
        try:
            answer = _put_into_service(stage, candidate)
        except ReleaseError as error:
            _undo(stage, ledger, candidate, before, error)
            raise
        ledger.get(candidate.id)["revision"] = answer.json().get("revision")
        ledger.mark_live(candidate.id)
        stage.lease.take(LEASE_SECONDS)
        return {"changed": True, "ready": str(answer)}


def _put_into_service(stage: Stage, candidate: Candidate) -> Answer:
    with stage.steps.step("start"):
        candidate.start()
    with stage.steps.step("ready"):
        answer = candidate.await_ready()
    with stage.steps.step("switch"):
        write_route(stage.paths, candidate.id)
    with stage.steps.step("verify"):
        _verify(candidate)
    return answer


def _verify(candidate: Candidate) -> None:
    """Ask through the edge, as users do, whether the new release answers."""
    s = candidate.settings
    public = Listener(address=s["public_address"], port=int(s["public_port"]), domain=s["domain"], tls=unverified_context())
    deadline = time.monotonic() + VERIFY_SECONDS
    while True:
        problem = verdict(public.get(s["ready_path"]), s["identity"], candidate.id)
        if not problem:
            return
        if time.monotonic() > deadline:
            raise ReleaseError(
                "VERIFY_FAILED",
                f"{candidate.title} was ready, but did not answer at https://{s['domain']}{s['ready_path']}; the route was put back",
                "look at the proxy: docker logs edge-caddy-1",
                [f"last answer: {problem}"],
            )
        time.sleep(VERIFY_INTERVAL)


def _undo(stage: Stage, ledger: Ledger, candidate: Candidate, before: str | None, error: ReleaseError) -> None:
    """Put the route back where it was and clear the candidate away."""
    if read_route(stage.paths) != before:
        write_route(stage.paths, before)
    secrets = read_secrets(stage.paths, candidate.id).values()
    error.details = [redact(line, secrets) for line in error.details]
    stage.give_up(ledger, candidate.id, error.code)


if __name__ == "__main__":
    main(rollout, {**STAGE_OPTIONS, **RELEASE_OPTION})
