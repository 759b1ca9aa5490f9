"""What rollback and retention decide from the record of releases."""

from dataclasses import replace

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.history import (
    kept_ids,
    known_migrations,
    prunable,
    rebuilt_releases,
    rollback_target,
    unneeded_images,
)
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.record import PinnedImage, Release, Schema
from fakes_database import migration
from fakes_host import released


def history(story: str) -> list[Release]:
    """Read releases from words like ``r2<r1:kept``: the id, the one live before it, the status."""
    releases = []
    for word in story.split():
        name, _, status = word.partition(":")
        release, _, previous = name.partition("<")
        releases.append(replace(released(), id=release, previous=previous or None, status=status))
    return releases


STRAIGHT = "r1:kept r2<r1:kept r3<r2:live"
AFTER_ROLLBACK = "r1:kept r2<r1:live r3<r2:kept"
AFTER_TWO = "r1:live r2<r1:kept r3<r2:kept"
ROLLED_THEN_DEPLOYED = "r1:kept r2<r1:kept r3<r2:pruned r4<r2:live"
WITH_FAILURE = "r1:kept r2<r1:failed r3<r1:live"


@pytest.mark.parametrize(
    ("story", "live", "wanted", "goes_to"),
    [
        (STRAIGHT, "r3", None, "r2"),
        (AFTER_ROLLBACK, "r2", None, "r1"),  # twice: two back, never forth to what was rolled away from
        (ROLLED_THEN_DEPLOYED, "r4", None, "r2"),
        (WITH_FAILURE, "r3", None, "r1"),
        (STRAIGHT, "r3", "r1", "r1"),
        (AFTER_ROLLBACK, "r2", "r3", "r3"),  # forth again, when asked for by name
    ],
)
def test_a_rollback_goes_to(story: str, live: str, wanted: str | None, goes_to: str) -> None:
    target = rollback_target(history(story), live, wanted)
    assert target.release is not None, target.problem
    assert (target.release.id, target.problem) == (goes_to, "")


@pytest.mark.parametrize(
    ("story", "live", "wanted", "why"),
    [
        ("", None, None, "nothing is live here"),
        (STRAIGHT, None, "r1", "nothing is live here"),
        ("r1:live", "r1", None, "the first release here"),
        (AFTER_TWO, "r1", None, "the first release here"),
        (STRAIGHT, "r3", "r3", "r3 is live already"),
        (STRAIGHT, "r3", "r9", "r9 never served here"),
        (STRAIGHT, "r3", "v1", "v1 never served here"),  # a tag is not an id
        (WITH_FAILURE, "r3", "r2", "r2 never served here"),
        ("r1:live r2<r1:prepared", "r1", "r2", "r2 never served here"),
        (ROLLED_THEN_DEPLOYED, "r4", "r3", "r3 was removed by retention"),
        ("r1:pruned r2<r1:live", "r2", None, "r1 was removed by retention"),
    ],
)
def test_a_rollback_is_refused(story: str, live: str | None, wanted: str | None, why: str) -> None:
    target = rollback_target(history(story), live, wanted)
    assert target.release is None
    assert why in target.problem


FIVE = "r1:kept r2<r1:kept r3<r2:kept r4<r3:kept r5<r4:live"


@pytest.mark.parametrize(
    ("story", "live", "keep", "kept", "gone"),
    [
        ("", None, 3, [], []),
        (FIVE, "r5", 3, ["r5", "r4", "r3", "r2"], ["r1"]),
        (FIVE, "r5", 1, ["r5", "r4"], ["r1", "r2", "r3"]),
        (FIVE, "r5", 0, ["r5"], ["r1", "r2", "r3", "r4"]),
        (FIVE, "r5", 9, ["r5", "r4", "r3", "r2", "r1"], []),
        (AFTER_ROLLBACK, "r2", 3, ["r2", "r1"], []),  # what was rolled away from can still be named
        (AFTER_ROLLBACK, "r2", 0, ["r2"], ["r1"]),
        (WITH_FAILURE, "r3", 3, ["r3", "r1"], []),  # what failed is gone already
        (ROLLED_THEN_DEPLOYED, "r4", 3, ["r4", "r2", "r1"], []),  # and what was pruned
        ("r1<r2:kept r2<r1:live", "r2", 9, ["r2", "r1"], []),  # a circle ends
    ],
)
def test_retention(story: str, live: str | None, keep: int, kept: list[str], gone: list[str]) -> None:
    releases = history(story)
    assert kept_ids(releases, live, keep) == kept
    assert prunable(releases, live, keep) == gone


@pytest.mark.parametrize(
    ("images", "unneeded"),
    [
        ("", []),
        ("a:live", []),
        ("a:kept b:live c:prepared", []),
        ("a:pruned b:failed c:live", ["shop@a", "shop@b"]),
        ("a:pruned b:kept a:live", []),  # the same image again
        ("a:failed a:pruned b:live", ["shop@a"]),  # named once
    ],
)
def test_images_that_no_release_needs(images: str, unneeded: list[str]) -> None:
    words = [word.partition(":") for word in images.split()]
    releases = [replace(released(), image=PinnedImage("shop", "v1", digest), status=status) for digest, _, status in words]
    assert unneeded_images(releases) == unneeded


@pytest.mark.parametrize(
    ("known", "bundles", "live", "rebuilt"),
    [
        ("", "", None, ""),
        ("", "r1 r2", None, "r1:kept r2:kept"),  # the route is lost as well: nothing is thrown away
        ("", "r2 r10 r1", "r2", "r1:kept r2:live r10:prepared"),  # by number, not by letters
        ("r1:kept r2:live", "", "r2", "r1:kept r2:live"),
        ("r1:kept r2:live", "r3", "r3", "r1:kept r2:kept r3:live"),  # the copy is from before the switch
        ("r1:kept r2:live", "r3", "r1", "r1:live r2:kept r3:prepared"),
        ("r1:failed r2:pruned r3:live", "r3 r4", "r3", "r1:failed r2:pruned r3:live r4:prepared"),
        ("r1:live r2:prepared", "r1 r2", "r2", "r1:kept r2:live"),
        ("r2:prepared", "r2 r3", "r3", "r2:prepared r3:live"),  # what is known is believed
    ],
)
def test_a_record_is_rebuilt(known: str, bundles: str, live: str | None, rebuilt: str) -> None:
    found = rebuilt_releases(history(known), history(bundles), live)
    assert " ".join(f"{release.id}:{release.status}" for release in found) == rebuilt


def test_a_rebuilt_record_keeps_what_was_known() -> None:
    (known,) = history("r1:kept")
    known.revision = "0001"
    first, second = rebuilt_releases([replace(known)], history("r1 r2"), "r2")
    assert (first, second.status, second.prepared_at) == (known, "live", None)


def test_the_latest_record_of_a_migration_counts() -> None:
    first, second = migration("0003", "0002", impact="unknown"), migration("0003", "0002")
    schemas = [None, Schema("none"), Schema("alembic", migrations=[first]), Schema("alembic", migrations=[second])]
    assert known_migrations([replace(released(), schema=schema) for schema in schemas]) == {"0003": second}
