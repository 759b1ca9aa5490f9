# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decisions about time, space and shares of errors, free of I/O so that they can be tested as tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

MEGABYTE = 1024 * 1024
# An image of an interpreter and its packages has some ten thousand files.
INODES = 20_000
# What a small service needs to start, where no live release tells better.
FIRST_MEMORY = 128 * MEGABYTE
# A clock that is off by more makes log lines and certificates hard to trust.
CLOCK_SECONDS = 5.0
# The controller's time is read before a task waits for its turn, its connection and its upload: a loaded machine takes long for that.
DELAY_SECONDS = 60.0
# A release that uses more of its memory while it is watched has little left for its busiest hour.
MEMORY_SHARE = 0.8
# One that took more of its time limit to become ready will miss it on a busier day.
READY_SHARE = 0.75
# Fewer requests tell nothing about a share.
FEWEST_REQUESTS = 20
# A certificate with less of its life left than this should have been renewed: authorities renew at a third.
LIFE_LEFT = 0.2


def disk_problem(free: int, wanted_megabytes: int, live_image: int, inodes: Optional[int]) -> Optional[str]:
    """Say what is short on the engine's file system; None when a release fits.

    Args:
        free: bytes.
        wanted_megabytes: the least that must be free.
        live_image: size of the live release's image in bytes; unpacking the next one needs as much and its archive again.
        inodes: free ones; None on file systems that do not count them.
    """
    wanted = max(wanted_megabytes * MEGABYTE, 2 * live_image)
    if free < wanted:
        return f"{free // MEGABYTE} MB are free, {wanted // MEGABYTE} MB are needed"
    if inodes is not None and inodes < INODES:
        return f"{inodes} inodes are free, {INODES} are needed"
    return None


def memory_problem(available: int, live_uses: Optional[int], limit: int) -> Optional[str]:
    """Say what is short for one more release beside the live one; None when it fits.

    Args:
        available: bytes that the kernel could give to new processes.
        live_uses: bytes that the live release uses now; None when nothing is live or the engine does not tell.
        limit: bytes that a release may use at most; 0 for no limit.
    """
    wanted = live_uses or FIRST_MEMORY
    wanted = min(wanted, limit) if limit else wanted
    if available >= wanted:
        return None
    return f"{available // MEGABYTE} MB are available, {wanted // MEGABYTE} MB are needed beside the live release"


def memory_warning(uses: Optional[int], limit: int) -> Optional[str]:
    """Say that a release is near its memory limit; None when it is not, has none, or the engine does not tell.

    Args:
        uses: bytes that it uses.
        limit: bytes that it may use; 0 for no limit.
    """
    if not uses or not limit or uses <= MEMORY_SHARE * limit:
        return None
    return (
        f"MEMORY_NEAR: it uses {uses // MEGABYTE} of {limit // MEGABYTE} MB ({uses / limit:.0%}) shortly after its start; "
        f"raise app_release_memory, or start fewer workers"
    )


def killed_problem(killed: Optional[int], limit: int) -> Optional[str]:
    """Say that the kernel killed processes of a release for memory; None when it did not.

    Args:
        killed: how many, since the release's container was started; None when the kernel does not tell.
        limit: bytes that the release may use.
    """
    if not killed:
        return None
    count = "a process of it was" if killed == 1 else f"{killed} processes of it were"
    return f"{count} killed because its memory was full: raise app_release_memory ({limit // MEGABYTE} MB), or start fewer workers"


def ready_warning(took: float, limit: float) -> Optional[str]:
    """Say that a release became ready shortly before its time limit; None when there was time left."""
    if took <= READY_SHARE * limit:
        return None
    return f"READY_LATE: it was ready after {took:.1f} of {limit:g} s; raise app_release_ready_seconds before a busier day exceeds it"


def clock_warning(controller: float, host: float) -> Optional[str]:
    """Say that a host's clock is off from the controller's, as far as that is certain; None when it may be right.

    Args:
        controller: its time when it made the task, in seconds since 1970.
        host: its time when the task ran there, which is later by a delay that nobody knows.
    """
    offset = host - controller
    if -CLOCK_SECONDS <= offset <= DELAY_SECONDS:
        return None
    ahead = "ahead of" if offset > 0 else "behind"
    return f"CLOCK_OFFSET: this host's clock is {abs(offset):.0f} s {ahead} the controller's; nothing is decided by it, log lines are"


def certificate_warning(begins: float, ends: float, now: float) -> Optional[str]:
    """Say that a certificate is near its end, or past it; None when it has enough of its life left.

    Args:
        begins: start of validity, in seconds since 1970.
        ends: its end.
        now: the time to judge by.
    """
    left = ends - now
    if left >= LIFE_LEFT * (ends - begins):
        return None
    days = left / 86400
    return f"ends in {days:.1f} days and should have been renewed" if left > 0 else f"expired {-days:.1f} days ago"


@dataclass(frozen=True)
class Responses:
    """How many requests to one app were answered, and how many of them with a 5xx status."""

    all: int
    errors: int

    def __add__(self, more: Responses) -> Responses:
        return Responses(self.all + more.all, self.errors + more.errors)

    @property
    def share(self) -> float:
        return self.errors / self.all if self.all else 0.0


def errors_problem(before: Responses, during: Responses, allowed: float) -> Optional[str]:
    """Say that the share of 5xx answers rose by more than `allowed` (0 to 1); None when it did not, or too few requests tell."""
    if during.all < FEWEST_REQUESTS or during.share <= before.share + allowed:
        return None
    return (
        f"{during.share:.0%} of {during.all} requests were answered with 5xx since the switch; "
        f"before it {before.share:.0%} of {before.all}; {allowed:.0%} more are allowed (app_release_bake_errors)"
    )
