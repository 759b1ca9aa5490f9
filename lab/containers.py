"""Containers kept as wanted: made anew when the image or options they were made from have changed."""

from lab.docker import HASH_LABEL, LABEL, docker, inspect, labels
from lab.images import content_hash, image_id


def is_running(name: str) -> bool:
    """Tell whether container `name` exists and runs."""
    found = inspect("container", name)
    return found is not None and bool(found["State"]["Running"])


def fingerprint(image: str, options: list[str]) -> str:
    """Return the hash that a container made from `image` with `options` carries as a label."""
    return content_hash([image_id(image), *options], [])


def is_current(name: str, image: str, options: list[str]) -> bool:
    """Tell whether container `name`, running or not, was made from this image with these options."""
    found = inspect("container", name)
    return found is not None and labels(found).get(HASH_LABEL) == fingerprint(image, options)


def create(name: str, image: str, options: list[str]) -> None:
    """Make a container without starting it."""
    stamps = ["--label", f"{LABEL}=1", "--label", f"{HASH_LABEL}={fingerprint(image, options)}"]
    docker("create", "--name", name, *stamps, *options, image)


def remove(name: str, *volumes: str) -> None:
    """Remove a container with its anonymous volumes, and the named `volumes`; what is not there is fine."""
    if inspect("container", name) is not None:
        docker("rm", "--force", "--volumes", name)
    for volume in volumes:
        if inspect("volume", volume) is not None:
            docker("volume", "rm", volume)
