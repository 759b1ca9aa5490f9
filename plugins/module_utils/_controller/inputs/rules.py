# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decisions about releases, free of I/O so that they can be tested as tables."""

from __future__ import annotations

import re
from typing import Optional

from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.shown import shown

# What the distribution specification allows: https://github.com/opencontainers/distribution-spec (pull, <reference> as a tag).
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
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
_REPOSITORY = re.compile(r"([a-z0-9.-]+(:[0-9]{1,5})?/)?[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ADDRESS_WITH_PASSWORD = re.compile(r"//[^/@]*:[^/]*@")


def tag_problem(tag: object) -> Optional[str]:
    """Say why `tag` must not be deployed; None when it is fit."""
    if tag is None or tag == "":
        return "no tag was given"
    if not isinstance(tag, str):
        return f"{shown(tag)} is not a string; quote it"
    if not _TAG.fullmatch(tag):
        return f"{shown(tag)} is not a valid image tag (letters, digits, '_', '.', '-'; at most 128; not starting with '.' or '-')"
    if tag.lower() in _MOVING:
        return f"{shown(tag)} is a moving name: two deploys of it may be two different images; use a tag that is never reused"
    return None


def digest_problem(digest: object) -> Optional[str]:
    """Say why `digest` names no image; None when it does, or none is given."""
    if not digest or (isinstance(digest, str) and _DIGEST.fullmatch(digest)):
        return None
    return f"{shown(digest)} is not a digest: sha256: and 64 of the characters 0-9 and a-f, as playbooks/status.yml shows it"


def app_name_problem(name: object) -> Optional[str]:
    """Say why `name` cannot name an app; None when it can."""
    if not isinstance(name, str) or not _APP_NAME.fullmatch(name):
        return f"{shown(name)} is not a valid app name (lower-case letters, digits, '-'; starts with a letter; at most 30)"
    if name in _RESERVED_NAMES or name.endswith("-data"):
        return f"{shown(name)} is reserved (for the proxy, a network of Docker's own, or, as NAME-data, the data services of NAME)"
    return None


def image_problem(image: object) -> Optional[str]:
    """Say why `image` is not a repository that a tag can be appended to; None when it is."""
    if isinstance(image, str) and _REPOSITORY.fullmatch(image):
        return None
    return f"{shown(image)} is not an image repository like registry.example.com/acme/shop (the tag is given apart, by image_tag)"


def names_problem(variables: object) -> Optional[str]:
    """Say which names in `variables` cannot name an environment variable or a secret file; None when all can."""
    if not isinstance(variables, dict):
        return f"{type(variables).__name__} found where name: value pairs belong"
    bad = sorted(str(name) for name in variables if not _VARIABLE.fullmatch(str(name)))
    return f"not valid as names: {', '.join(map(shown, bad))}" if bad else None


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
    return f"{shown(identity)} is none of header:NAME, json:KEY, none"


def user_problem(user: object) -> Optional[str]:
    """Say why a container cannot run as `user`; None when it can."""
    if isinstance(user, str) and re.fullmatch(r"[0-9]{1,10}:[0-9]{1,10}", user):
        return None
    return f"{shown(user)} is not UID:GID in numbers, which is what owners of files on the host are set from"


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
    return f"{shown(user)} is root, who owns the host once the container is left; use another uid, or set app_release_root_user to true"
