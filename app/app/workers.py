"""How many workers to run, and which metrics file each one owns."""

import itertools
import math
import os
from collections.abc import Collection
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def worker_count(requested: int | None, quota: float | None, cores: int) -> int:
    """`requested`, or one per CPU of the container's quota (in CPUs, None: unlimited), rounded up."""
    if requested is not None:
        return requested
    return max(1, min(cores, cores if quota is None else math.ceil(quota)))


def cpu_quota(cgroup: Path = CGROUP) -> float | None:
    """The container's CPU limit in CPUs, None when it has none; reads cgroup v2, then v1."""
    if (limit := cgroup / "cpu.max").is_file():
        quota, period = limit.read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    if (limit := cgroup / "cpu" / "cpu.cfs_quota_us").is_file():
        micros = int(limit.read_text())
        return None if micros <= 0 else micros / int(limit.with_name("cpu.cfs_period_us").read_text())
    return None


def host_cores() -> int:
    return len(os.sched_getaffinity(0))


def free_slot(taken: Collection[int]) -> int:
    """The lowest number that no living worker has."""
    return next(slot for slot in itertools.count() if slot not in taken)
