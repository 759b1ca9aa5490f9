# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why a release is not ready, which variable is wrong, and when waiting is of no use.

Free of I/O, so that it can be tested as a table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, List, Optional, Sequence, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.probe import Answer, is_other_release, released_by
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.proc import Listening
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.settings import Settings

SOCKET_IN_CONTAINER = "/run/fairlead/api.sock"
# How long an answer that a running app does not change by itself has to stay the same.
STEADY_SECONDS = 5.0
# The same as a share of the time limit, where what was seen may still be on its way: an app may open a port
# for its metrics first and load for half a minute before it listens for requests.
PATIENT_SHARE = 0.25
# Where else readiness is often asked; the first that answers is proposed.
USUAL_PATHS = ("/ready", "/readyz", "/health", "/healthz", "/livez", "/health/ready", "/healthcheck", "/ping", "/docs", "/")
SHOWN_LOCATION = 200


@dataclass(frozen=True)
class Seen:
    """One look at a release that gave no good answer.

    Args:
        answer: what it answered where it should.
        listening: what its container listens on; looked at where nobody answered.
        ready_ports: those of its other ports on which the ready path answered well.
        good_paths: those of `USUAL_PATHS` that answered well; looked for where the ready path itself is wrong.
    """

    answer: Answer
    listening: Sequence[Listening] = ()
    ready_ports: Sequence[int] = ()
    good_paths: Sequence[str] = ()


@dataclass(frozen=True)
class Reason:
    """Why a release will not become ready by waiting.

    Args:
        code: failure code.
        what: what was seen, as the end of a sentence that begins with the release.
        todo: the variable to set.
        sure: whether nothing that an app does while it starts looks like this.
        path: whether the ready path is what is wrong.
    """

    code: str
    what: str
    todo: str
    sure: bool = True
    path: bool = False

    def patience(self, ready_seconds: float) -> float:
        """Return for how long this has to be seen before waiting ends."""
        return STEADY_SECONDS if self.sure else max(STEADY_SECONDS, PATIENT_SHARE * ready_seconds)


class Patience:
    """Tells when the same reason was seen for long enough.

    Args:
        ready_seconds: the release's time limit.
    """

    def __init__(self, ready_seconds: float) -> None:
        self._ready_seconds = ready_seconds
        self._reason: Optional[Reason] = None
        self._since = 0.0

    def ends(self, reason: Optional[Reason], now: float) -> bool:
        """Note what was seen now; tell whether waiting is of no use any more."""
        if reason != self._reason:
            self._reason, self._since = reason, now
        return reason is not None and now - self._since >= reason.patience(self._ready_seconds)


class Tally:
    """The answers of a release so far: how many, how many of them good, and what was wrong with the others."""

    def __init__(self) -> None:
        self.asked = self.good = self.in_a_row = 0
        self.problems: List[str] = []

    def note(self, problem: str) -> None:
        """Count an answer; `problem` is empty for a good one."""
        self.asked += 1
        self.good += not problem
        self.in_a_row = 0 if problem else self.in_a_row + 1
        if problem and self.problems[-1:] != [problem]:
            self.problems.append(problem)

    def __str__(self) -> str:
        return f"{self.good} of {self.asked} answers were good"


def reason_for(seen: Seen, settings: Settings, release: str) -> Optional[Reason]:
    """Return why a release will not become ready by waiting; None when it may."""
    if seen.answer.error:
        return _on_socket(seen) if settings["listen"] == "socket" else _on_port(seen, int(settings["port"]))
    if 200 <= seen.answer.status < 300:
        return _identity(seen.answer, settings["identity"], release)
    return _refusal(seen, settings)


def _on_socket(seen: Seen) -> Optional[Reason]:
    if any(one.path == SOCKET_IN_CONTAINER for one in seen.listening):
        return None
    ports = [one for one in seen.listening if not one.path]
    if not ports:
        return _other_socket(seen.listening)
    return _other_port(
        seen,
        ports,
        "made no api.sock",
        "set app_listen: tcp and {port}, run playbooks/provision.yml, then deploy again; "
        f"or have it listen on {SOCKET_IN_CONTAINER} (app_release_command, for uvicorn: --uds {SOCKET_IN_CONTAINER})",
    )


def _on_port(seen: Seen, port: int) -> Optional[Reason]:
    ports = [one for one in seen.listening if not one.path]
    own = [one for one in ports if one.port == port]
    if any(one.everywhere for one in own):
        return None
    if own:
        return Reason(
            "NOT_READY",
            f"listens on {_list(own)}, which cannot be reached from outside its container",
            "have it listen on 0.0.0.0 (app_release_command, for uvicorn: --host 0.0.0.0)",
        )
    if not ports:
        return _other_socket(seen.listening)
    return _other_port(seen, ports, f"does not listen on TCP {port}", "set {port}, run playbooks/provision.yml, then deploy again")


def _other_port(seen: Seen, ports: Sequence[Listening], what: str, todo: str) -> Reason:
    best = min(ports, key=lambda one: (one.port not in seen.ready_ports, not one.everywhere, one.port))
    inside = "" if best.everywhere else f", and have it listen on 0.0.0.0 instead of {best.address} (app_release_command)"
    return Reason(
        "NOT_READY",
        f"{what}; its container listens on {_list(ports)}",
        todo.format(port=f"app_port: {best.port}{inside}"),
        sure=best.port in seen.ready_ports,
    )


def _other_socket(listening: Sequence[Listening]) -> Optional[Reason]:
    if not listening:
        return None
    return Reason(
        "NOT_READY",
        f"does not listen where it should; its container listens on {_list(listening)}",
        "have it listen where its environment variable BIND says (app_release_command), "
        "or set app_listen: tcp with app_port, or app_listen: socket",
        sure=False,  # a control socket may come before the one for requests
    )


def _list(listening: Iterable[Listening]) -> str:
    return " and ".join(map(str, listening))


def _identity(answer: Answer, identity: str, release: str) -> Optional[Reason]:
    named = released_by(answer, identity)
    if not is_other_release(answer, identity, release):
        return None
    fits = _told_by(answer, release)
    if fits:
        return Reason("WRONG_RELEASE", f"tells its release otherwise than by {identity}", f"set app_release_identity: {fits}")
    other = f"answers as release {named} instead of {release}" if named else f"answers well, but does not tell its release by {identity}"
    return Reason(
        "WRONG_RELEASE",
        other,
        "have it answer with its environment variable RELEASE there, or, for an image that cannot, set app_release_identity: none",
    )


def _told_by(answer: Answer, release: str) -> str:
    """Return the identity that an answer has all the same; empty when it has none."""
    for name, value in sorted(answer.headers.items()):
        if value == release:
            return f"header:{name}"
    return next((f"json:{key}" for key, value in sorted(answer.json().items()) if value == release), "")


def _refusal(seen: Seen, settings: Settings) -> Optional[Reason]:
    status, path = seen.answer.status, settings["ready_path"]
    if status in (301, 302, 303, 307, 308):
        return _redirect(seen, settings)
    if status == 400 and "host" in seen.answer.body.lower():
        return Reason(
            "NOT_READY",
            f"refuses the host name {settings['domain']} with HTTP 400 at {path}",
            f"add {settings['domain']} to the names that the app allows (app_env)",
        )
    said = {401: "wants a login", 403: "refuses access", 404: "knows no page", 405: "takes no GET", 410: "knows no page any more"}.get(
        status
    )
    if said is None:
        return None
    return Reason("NOT_READY", f"{said} at {path} (HTTP {status})", _other_path(seen, path), path=True)


def _redirect(seen: Seen, settings: Settings) -> Reason:
    path = settings["ready_path"]
    target = seen.answer.headers.get("location", "")[:SHOWN_LOCATION]
    what = f"redirects {path} to {target or 'nowhere'} (HTTP {seen.answer.status})"
    if target.startswith("https://"):
        todo = f"switch the app's own redirect to HTTPS off (app_env): the proxy does that; or {_other_path(seen, path)}"
    elif target.endswith(f"{path}/"):
        todo = f"set app_release_ready_path: {path}/"
    else:
        todo = _other_path(seen, path)
    return Reason("NOT_READY", what, todo, path=True)


def _other_path(seen: Seen, path: str) -> str:
    others: Tuple[str, ...] = tuple(each for each in seen.good_paths if each != path)
    if others:
        return f"set app_release_ready_path: {others[0]}, which answers; a path that also asks its database is better"
    return "set app_release_ready_path to a path that answers with 2xx, without a login, once the app can work"
