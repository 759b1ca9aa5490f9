# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Time limits that contradict each other."""

from __future__ import annotations

from typing import List, Mapping

# The second must be longer than the first; else it cuts what the first one promised.
CHAIN = (
    ("app_release_request_seconds", "app_release_worker_grace_seconds"),
    ("app_release_worker_grace_seconds", "app_release_stop_grace_seconds"),
    ("app_release_drain_seconds", "app_release_stop_grace_seconds"),
)


def chain_problems(seconds: Mapping[str, float]) -> List[str]:
    """Say which time limits contradict each other.

    Args:
        seconds: the limits of `CHAIN`, as far as they are set.
    """
    return [
        f"{longer} ({seconds[longer]:g}) must be more than {shorter} ({seconds[shorter]:g}), or requests are cut at a deploy"
        for shorter, longer in CHAIN
        if shorter in seconds and longer in seconds and seconds[longer] <= seconds[shorter]
    ]
