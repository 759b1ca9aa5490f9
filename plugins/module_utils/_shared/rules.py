# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decisions about releases, free of I/O so that they can be tested as tables.  Private to this collection."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Set

# What the distribution specification allows: https://github.com/opencontainers/distribution-spec (pull, <reference> as a tag).
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_MOVING = frozenset(
    [
        "latest",
        "stable",
        "edge",
        "main",
        "master",
        "head",
        "trunk",
        "develop",
        "dev",
        "nightly",
        "current",
        "prod",
        "production",
        "staging",
        "test",
        "testing",
        "next",
    ]
)
# Short, because the socket's path must fit into 108 bytes and the name becomes part of network aliases.
_APP_NAME = re.compile(r"[a-z][a-z0-9-]{0,29}")
# The proxy's project, and the networks that Docker has by itself: an app's network has the app's name.
_RESERVED_NAMES = frozenset({"edge", "bridge", "default", "host", "none"})
_HOST_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_REPOSITORY = re.compile(r"([a-z0-9.-]+(:[0-9]{1,5})?/)?[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ADDRESS_WITH_PASSWORD = re.compile(r"//[^/@]*:[^/]*@")
RELEASE_ID = re.compile(r"r[1-9][0-9]{0,8}")

Record = Dict[str, Any]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:50] + "…" + text[-1]


def tag_problem(tag: object) -> Optional[str]:
    """Say why `tag` must not be deployed; None when it is fit."""
    if tag is None or tag == "":
        return "no tag was given"
    if not isinstance(tag, str):
        return f"{_shown(tag)} is not a string; quote it"
    if not _TAG.fullmatch(tag):
        return f"{_shown(tag)} is not a valid image tag (letters, digits, '_', '.', '-'; at most 128; not starting with '.' or '-')"
    if tag.lower() in _MOVING:
        return f"{_shown(tag)} is a moving name: two deploys of it may be two different images; use a tag that is never reused"
    return None


def app_name_problem(name: object) -> Optional[str]:
    """Say why `name` cannot name an app; None when it can."""
    if not isinstance(name, str) or not _APP_NAME.fullmatch(name):
        return f"{_shown(name)} is not a valid app name (lower-case letters, digits, '-'; starts with a letter; at most 30)"
    if name in _RESERVED_NAMES or name.endswith("-data"):
        return f"{_shown(name)} is reserved (for the proxy, a network of Docker's own, or, as NAME-data, the data services of NAME)"
    return None


def domain_problem(domain: object) -> Optional[str]:
    """Say why `domain` cannot be served; None when it can."""
    if isinstance(domain, str) and _HOST_NAME.fullmatch(domain):
        return None
    return f"{_shown(domain)} is not a host name (lower case, without scheme, port or path)"


def image_problem(image: object) -> Optional[str]:
    """Say why `image` is not a repository that a tag can be appended to; None when it is."""
    if isinstance(image, str) and _REPOSITORY.fullmatch(image):
        return None
    return f"{_shown(image)} is not an image repository like registry.example.com/acme/shop (the tag is given apart, by image_tag)"


def registry_of(image: str) -> str:
    """Return the name under which Docker knows the credentials for `image`: its host, or Docker Hub's old address."""
    host, slash, _ = image.partition("/")
    named = bool(slash) and ("." in host or ":" in host or host == "localhost")
    return host if named and host != "docker.io" else "https://index.docker.io/v1/"


def names_problem(variables: object) -> Optional[str]:
    """Say which names in `variables` cannot name an environment variable or a secret file; None when all can."""
    if not isinstance(variables, dict):
        return f"{type(variables).__name__} found where name: value pairs belong"
    bad = sorted(str(name) for name in variables if not _VARIABLE.fullmatch(str(name)))
    return f"not valid as names: {', '.join(map(_shown, bad))}" if bad else None


# What the app is told by other means, and would get in spite of app_env.
_TOLD = {
    "RELEASE": "it is the release's id",
    "BIND": "set app_listen",
    "GRACEFUL_TIMEOUT_SECONDS": "set app_release_worker_grace_seconds",
    "REQUEST_TIMEOUT_SECONDS": "set app_release_request_seconds",
}


def environment_problem(variables: object) -> Optional[str]:
    """Say which names in `variables` cannot be given as the app's environment; None when all can."""
    taken = [f"{name} ({why})" for name, why in _TOLD.items() if isinstance(variables, dict) and name in variables]
    return names_problem(variables) or (f"not to be set here: {', '.join(taken)}" if taken else None)


def identity_problem(identity: object) -> Optional[str]:
    """Say why this cannot tell how an answer names its release; None when it can."""
    if isinstance(identity, str) and re.fullmatch(r"none|(header|json):[A-Za-z0-9_-]+", identity):
        return None
    return f"{_shown(identity)} is none of header:NAME, json:KEY, none"


def user_problem(user: object) -> Optional[str]:
    """Say why a container cannot run as `user`; None when it can."""
    if isinstance(user, str) and re.fullmatch(r"[0-9]{1,10}:[0-9]{1,10}", user):
        return None
    return f"{_shown(user)} is not UID:GID in numbers, which is what owners of files on the host are set from"


def repository_problem(repository: object) -> Optional[str]:
    """Say why `repository` cannot be where restic keeps copies; None when it can. The address is shown in logs and differences."""
    if _ADDRESS_WITH_PASSWORD.search(str(repository)):
        return (
            "the address has a password in it; leave user and password out of it, and set RESTIC_REST_USERNAME and RESTIC_REST_PASSWORD "
            "(for S3, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) in db_backup_restic_environment, from the vault"
        )
    return None


def root_problem(user: object, allowed: bool) -> Optional[str]:
    """Say that a container would run as root without an explicit word for it; None when it does not, or may."""
    if allowed or not isinstance(user, str) or not re.fullmatch(r"0+:[0-9]+", user):
        return None
    return f"{_shown(user)} is root, who owns the host once the container is left; use another uid, or set app_release_root_user to true"


def release_id(number: int) -> str:
    """Return the id of the release with this number."""
    return f"r{number}"


def release_number(release: str) -> int:
    """Return the number in a release's id."""
    return int(release[1:])


def find(releases: Sequence[Record], wanted: Optional[str]) -> Optional[Record]:
    """Return the record with the id `wanted`, or None."""
    return next((record for record in releases if record["id"] == wanted), None)


def kept_ids(releases: Sequence[Record], live: Optional[str], keep: int) -> List[str]:
    """Return the live release and the `keep` releases that successive rollbacks would go back to, nearest first."""
    kept: List[str] = []
    record = find(releases, live)
    while record and record["id"] not in kept and len(kept) <= keep:
        kept.append(record["id"])
        record = find(releases, record.get("previous"))
    return kept


def prunable(releases: Sequence[Record], live: Optional[str], keep: int) -> List[str]:
    """Return ids whose container, bundle and image may go: not live, no rollback target, not among the newest, not gone yet.

    The newest are kept as well, so that a release that was just rolled away from can be gone forward to again, by name.
    """
    served = [r["id"] for r in releases if r["status"] not in ("pruned", "failed")]
    kept = {*kept_ids(releases, live, keep), *served[-(keep + 1) :]}
    return [release for release in served if release not in kept]


def image_of(record: Record) -> str:
    """Return a release's image by digest."""
    return f"{record['image']}@{record['digest']}"


def unneeded_images(releases: Sequence[Record]) -> List[str]:
    """Return the images of releases that failed or were pruned, unless one that is kept has the same."""
    gone: Set[str] = set()
    needed: Set[str] = set()
    for record in releases:
        (gone if record["status"] in ("failed", "pruned") else needed).add(image_of(record))
    return sorted(gone - needed)


def rebuilt_releases(known: Sequence[Record], bundles: Sequence[Record], live: Optional[str]) -> List[Record]:
    """Return the releases of a record that was damaged, oldest first.

    Args:
        known: what a copy from before still knew.
        bundles: what the bundles on the host say of themselves.
        live: the release that the route names; None when that is lost as well, and then none is taken for one that never served.
    """
    by_id = {bundle["id"]: {"prepared_at": None, **bundle} for bundle in bundles}
    releases = sorted({**by_id, **{record["id"]: record for record in known}}.values(), key=lambda r: release_number(r["id"]))
    for record in releases:
        if record["id"] == live:
            record["status"] = "live"
        elif record.get("status") == "live":
            record["status"] = "kept"
        else:
            # A bundle older than the live one served: those of failed releases are removed.
            served = live is None or release_number(record["id"]) < release_number(live)
            record.setdefault("status", "kept" if served else "prepared")
    return releases


@dataclass(frozen=True)
class Target:
    """Where a rollback goes, or why it cannot."""

    record: Optional[Record]
    problem: str = ""


def rollback_target(releases: Sequence[Record], live: Optional[str], wanted: Optional[str] = None) -> Target:
    """Choose the release to roll back to.

    Without `wanted` it is the one that was live before the live one; so rolling back twice goes two releases back, and a
    release that was rolled away from is never chosen by itself.
    """
    current = find(releases, live)
    if current is None:
        return Target(None, "nothing is live here, so there is nothing to roll back from")
    if wanted == live:
        return Target(None, f"{live} is live already")
    if wanted:
        record = find(releases, wanted)
        if record is None or record["status"] in ("failed", "prepared"):
            return Target(None, f"{wanted} never served here")
    else:
        record = find(releases, current.get("previous"))
        if record is None:
            return Target(None, f"{live} is the first release here; there is no earlier one")
    if record["status"] == "pruned":
        return Target(None, f"{record['id']} was removed by retention")
    return Target(record)


_PULL_ERRORS = (
    ("DISK_SPACE", ("no space left",)),
    ("REGISTRY_AUTH", ("unauthorized", "authentication required", "access denied", "denied:", "no basic auth")),
    ("IMAGE_NOT_FOUND", ("manifest unknown", "not found", "repository name not known")),
    (
        "REGISTRY_UNREACHABLE",
        (
            "connection refused",
            "no such host",
            "x509",
            "timeout",
            "deadline exceeded",
            "eof",
            "connection reset",
            "no route",
        ),
    ),
)


# 55P03: https://www.postgresql.org/docs/current/errcodes-appendix.html
_LOCK_SIGNS = re.compile(r"lock timeout|LockNotAvailable|\b55P03\b", re.IGNORECASE)


def migration_error_code(output: str) -> str:
    """Return the failure code for what a migration printed: whether it gave up waiting for a lock, or failed by itself."""
    return "MIGRATION_LOCK" if _LOCK_SIGNS.search(output) else "MIGRATION_FAILED"


def pull_error_code(stderr: str) -> str:
    """Return the failure code for what `docker pull` printed; PULL_FAILED when nothing matches."""
    text = stderr.lower()
    for code, signs in _PULL_ERRORS:
        if any(sign in text for sign in signs):
            return code
    return "PULL_FAILED"
