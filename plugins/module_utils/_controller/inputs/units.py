# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values of the wrong unit: bytes for megabytes, milliseconds for seconds, per cent for shares."""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

DAY = 86400
MEGABYTE = 1024**2
# Nothing that this collection runs starts with less.
LEAST_MEMORY = 16 * MEGABYTE
_FACTORS = {"": 1, "k": 1024, "m": MEGABYTE, "g": 1024**3}
# PostgreSQL takes blocks of 8 kB, kB or ms where a setting has no unit; its units are spelt in exactly this way.
_POSTGRES_SIZE = re.compile(r"0|-1|\d+ *(B|kB|MB|GB|TB)")
_POSTGRES_TIME = re.compile(r"0|-1|\d+(\.\d+)? *(us|ms|s|min|h|d)")
_POSTGRES_SIZES = re.compile(
    r"(autovacuum_|logical_decoding_|maintenance_)?work_mem|effective_cache_size|(max|min)_wal_size|(max_slot_)?wal_keep_size|max_stack_depth"
    r"|(shared|temp|wal)_buffers|temp_file_limit"
)

Rule = Callable[[Any], Optional[str]]


def _size(value: object) -> Optional[Tuple[float, str]]:
    """Return bytes and unit of a size; None when it is none."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kmg]?)(i?b)?", str(value).strip().lower())
    return (float(found[1]) * _FACTORS[found[2]], found[2]) if found else None


def _memory(value: object) -> Optional[str]:
    size = _size(value)
    if size is None or str(value).lower().endswith("ib"):
        return f"{value!r} is not a size such as 512m"
    if not size[1]:
        return f"{value} is in bytes; with its unit, it is perhaps {value}m"
    return None if size[0] >= LEAST_MEMORY else f"{value} is less than {LEAST_MEMORY // MEGABYTE}m, with which nothing starts"


def _limit(value: object) -> Optional[str]:
    size = _size(value)
    if size is None:
        return f"{value!r} is not a size such as 10MB"
    return None if size[1] else f"{value} is in bytes; write it with its unit, such as 10MB"


def _log_size(value: object) -> Optional[str]:
    return None if re.fullmatch(r"[1-9]\d*[kmg]", str(value)) else f"{value!r} is not a size such as 10m"


def _between(least: float, most: float, hint: str) -> Rule:
    def rule(value: Any) -> Optional[str]:
        return None if least <= float(value) <= most else f"{value} is not {hint}"

    return rule


_COUNT = _between(0, 1_000_000, "a number from 0 to 1000000")
_SECONDS = _between(0, DAY, "a number of seconds from 0 to 86400 (a day)")
# By the end of an option's name, the first that fits.
_RULES: Dict[str, Rule] = {
    "_redis_maxmemory": _limit,
    "_memory": _memory,
    "_log_max_size": _log_size,
    "_size": _limit,
    "_hsts_seconds": _between(0, 10 * 365 * DAY, "a number of seconds from 0 to ten years"),
    "_seconds": _SECONDS,
    "_hours": _between(1, 24 * 365, "a number of hours from 1 to 8760 (a year)"),
    "_megabytes": _between(0, 1024**2, "a number of megabytes from 0 to 1048576 (a terabyte)"),
    "_port": _between(1, 65535, "a port from 1 to 65535"),
    "_errors": _between(0, 1, "a share from 0 to 1: 0.05 for 5 %"),
    "_cpus": _between(0.01, 1024, "a number of processors from 0.01 to 1024"),
    "_pids": _between(4, 4_194_304, "a number of processes from 4 to 4194304"),
    "_keep": _COUNT,
    "_max_files": _between(1, 1000, "a number of files from 1 to 1000"),
    "_tries": _between(1, 1000, "a number from 1 to 1000"),
    "_successes": _between(1, 1000, "a number from 1 to 1000"),
    "app_port": _between(1, 65535, "a port from 1 to 65535"),
}
_MAPPINGS = ("data_services_postgres_options", "data_services_postgres_migrator_settings")


def problems(name: str, value: object) -> List[str]:
    """Return what is wrong with a value of the right type, by what its option's name says that it is."""
    if name in _MAPPINGS and isinstance(value, Mapping):
        return _postgres_problems(value)
    rule = next((rule for end, rule in _RULES.items() if name.endswith(end)), None)
    problem = rule(value) if rule and isinstance(value, (str, int, float)) else None
    return [problem] if problem else []


def _postgres_problems(settings: Mapping[str, Any]) -> List[str]:
    found = []
    for name, value in sorted(settings.items()):
        if _POSTGRES_SIZES.fullmatch(str(name)) and not _POSTGRES_SIZE.fullmatch(str(value)):
            found.append(f"{name} is {value}, which needs a unit of PostgreSQL's: kB, MB or GB, such as 128MB")
        elif str(name).endswith(("_timeout", "_interval")) and not _POSTGRES_TIME.fullmatch(str(value)):
            found.append(f"{name} is {value}, which needs a unit of PostgreSQL's: ms, s, min, h or d, such as 5s")
    return found
