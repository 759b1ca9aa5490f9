"""Releases to deploy: the reference app, good and broken on purpose, and a service that shares nothing with it."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from platform import machine

from lab import images, paths, registry
from lab.docker import LabError
from lab.images import content_hash, image_id, is_current
from lab.steps import step

LOCAL = "fairlead-lab"
BASE = f"{LOCAL}/shop:base"
# Where pip finds a package mirror's certificate authority and address on this machine.
BUILD_SECRETS = {
    "ca": os.environ.get("PIP_CERT", "/etc/ssl/certs/ca-certificates.crt"),
    "pip_conf": os.environ.get("PIP_CONFIG_FILE", "/etc/pip.conf"),
}


@dataclass(frozen=True)
class Release:
    """One tag: the folder under lab/releases that is laid over `parent`, its build arguments, and its platform when it is not this one."""

    tag: str
    folder: str
    parent: str = BASE
    service: str = "shop"
    arguments: dict[str, str] = field(default_factory=dict)
    platform: str | None = None

    @property
    def name(self) -> str:
        """What the command line calls it: the tag, and for other services `service:tag`."""
        return self.tag if self.service == "shop" else f"{self.service}:{self.tag}"

    @property
    def image(self) -> str:
        """The image's name in this machine's engine."""
        return f"{LOCAL}/{self.service}:{self.tag}"


OTHER_PLATFORM = "linux/amd64" if machine() in ("aarch64", "arm64") else "linux/arm64"
# Broken releases know the schema of v2, so that they fail for their own reason on a host that has it already.
V2 = f"{LOCAL}/shop:v2"
# Each has one migration more than the one before: the release before can live with the first, not with the last.
EXPAND, BACKFILL = f"{LOCAL}/shop:expand", f"{LOCAL}/shop:backfill"
RELEASES = (
    Release("v1", "good"),
    *(Release(tag, "next") for tag in ("v2", "v3", "v4", "v5")),
    Release("slow", "late", V2, arguments={"READY_AFTER_SECONDS": "8"}),
    Release("never_ready", "late", V2, arguments={"READY_AFTER_SECONDS": "inf"}),
    Release("crashing", "crashing", V2),
    Release("dying", "dying", V2),
    Release("oom", "oom", V2),
    Release("loud", "loud", V2),
    Release("flapping", "flapping", V2),
    Release("failing", "failing", V2),
    Release("dripping", "dripping", V2),
    Release("unruly", "unruly", V2),
    Release("plain", "plain", V2),
    Release("large", "large", V2, arguments={"BALLAST_MEGABYTES": "64"}),
    Release("other_platform", "other_platform", V2, platform=OTHER_PLATFORM),
    Release("bad_migration", "bad_migration", V2),
    Release("hanging_migration", "hanging_migration", V2),
    Release("two_heads", "two_heads", V2),
    Release("concurrent", "concurrent", V2),
    Release("expand", "expand", V2),
    Release("backfill", "backfill", EXPAND),
    Release("contract", "contract", BACKFILL),
    Release("files", "files", V2),
    Release("files_next", "next", f"{LOCAL}/shop:files"),
    # Images that do more than they are asked to when a container of them starts.
    *(Release(tag, tag, f"{LOCAL}/shop:contract") for tag in ("entry_migrates", "entry_waits", "entry_server")),
    Release("1", "foreign", images.DEBIAN, service="foreign"),
    Release("2", "foreign_next", f"{LOCAL}/foreign:1", service="foreign"),
)


def select(names: Iterable[str]) -> list[Release]:
    """Return the releases of these names, all when there is none.

    Raises:
        LabError: a name is unknown.
    """
    known = {release.name: release for release in RELEASES}
    wanted = list(names) or list(known)
    if unknown := [name for name in wanted if name not in known]:
        raise LabError(f"no such release: {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in wanted]


def secret_options() -> list[str]:
    """Return the options that hand this machine's package mirror to a build; they are no part of what the build makes."""
    found = [f"id={name},src={file}" for name, file in BUILD_SECRETS.items() if Path(file).is_file()]
    return [word for secret in found for word in ("--secret", secret)]


def build_base() -> None:
    """Have the reference app's image, as app/Dockerfile makes it, in the engine."""
    content = content_hash([image_id(images.PYTHON)], [paths.APP])
    if is_current(BASE, content, official=False):
        return
    with step(f"image {BASE}"):
        images.build(BASE, paths.APP, content, *secret_options())


def build(release: Release) -> None:
    """Have a release's image, and those below it, in the engine."""
    for below in RELEASES:
        if below.image == release.parent:
            build(below)
    folder = paths.RELEASES / release.folder
    arguments = {"PARENT": release.parent, "VERSION": release.tag, **release.arguments}
    options = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
    options += ["--platform", release.platform] if release.platform else []
    content = content_hash([image_id(release.parent), *options], [folder])
    if not is_current(release.image, content, official=False):
        with step(f"image {release.image}"):
            options += ["--label", f"org.opencontainers.image.version={release.tag}"]
            images.build(release.image, folder, content, *options, *secret_options())


def ensure(names: Iterable[str] = ()) -> None:
    """Have these releases (default: all) on `registry.lab:5000` as `<service>/api:<tag>`.

    Raises:
        LabError: a name is unknown, or a build or push failed.
    """
    wanted = select(names)
    build_base()
    for release in wanted:
        build(release)
        registry.push(registry.REGISTRY, release.image, f"{release.service}/api", release.tag)
