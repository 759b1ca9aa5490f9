from pathlib import Path

import pytest

from app.workers import cpu_quota, free_slot, worker_count


@pytest.mark.parametrize(
    ("requested", "quota", "cores", "expected"),
    [
        (None, None, 4, 4),
        (None, 2.0, 4, 2),
        (None, 1.5, 4, 2),
        (None, 0.25, 4, 1),
        (None, 8.0, 4, 4),
        (3, 1.0, 1, 3),
    ],
)
def test_worker_count(requested: int | None, quota: float | None, cores: int, expected: int) -> None:
    assert worker_count(requested, quota, cores) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
        ({}, None),
    ],
)
def test_cpu_quota(tmp_path: Path, files: dict[str, str], expected: float | None) -> None:
    (tmp_path / "cpu").mkdir()
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    assert cpu_quota(tmp_path) == expected


@pytest.mark.parametrize(("taken", "expected"), [([], 0), ([0, 1], 2), ([1, 2], 0), ([0, 2], 1)])
def test_free_slot(taken: list[int], expected: int) -> None:
    assert free_slot(taken) == expected
