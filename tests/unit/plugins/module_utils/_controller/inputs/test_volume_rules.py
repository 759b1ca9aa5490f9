"""What `app_volumes` may say."""

from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._controller.inputs import volume_rules

DATA = {"name": "data", "path": "/data"}


@pytest.mark.parametrize(
    ("volumes", "says"),
    [
        ([], None),
        ([DATA], None),
        ([{**DATA, "backup": True, "exclusive": True, "processes": ["api"], "before_backup": ["true"]}], None),
        ([DATA, {"name": "media", "path": "/srv/media"}, {"name": "more", "path": "/srv/media-2"}], None),
        ("/data", "a list of volumes"),
        (["/data"], "a list of volumes"),
        ([{**DATA, "name": "Data"}], "'Data' is not a name"),
        ([{**DATA, "name": "a_b"}], "'a_b' is not a name"),
        ([{**DATA, "path": "data"}], "not an absolute path"),
        ([{**DATA, "path": "/"}], "not an absolute path"),
        ([{**DATA, "path": "/data/"}], "not an absolute path"),
        ([{**DATA, "path": "/data/../etc"}], "not an absolute path"),
        ([{**DATA, "path": "/da ta"}], "not an absolute path"),
        ([{**DATA, "path": "/$HOME"}], "not an absolute path"),
        ([{**DATA, "path": "/run"}], "/run overlaps /run/secrets"),
        ([{**DATA, "path": "/run/secrets/x"}], "overlaps /run/secrets"),
        ([{**DATA, "path": "/run/fairlead"}], "overlaps /run/fairlead"),
        ([{**DATA, "path": "/proc/x"}], "overlaps /proc"),
        ([{**DATA, "path": "/usr"}], "overlaps /usr/bin"),
        ([DATA, {"name": "data", "path": "/other"}], "there are 2 volumes named data"),
        ([DATA, {"name": "other", "path": "/data"}], "the paths /data and /data overlap"),
        ([DATA, {"name": "other", "path": "/data/x"}], "the paths /data and /data/x overlap"),
        ([{**DATA, "processes": ["worker"]}], "no other process than api"),
        ([{**DATA, "before_backup": ["true"]}], "without backup: true"),
    ],
)
def test_what_is_wrong(volumes: object, says: str | None) -> None:
    problem = volume_rules.problem(volumes)
    assert problem is None if says is None else says in str(problem)


@pytest.mark.parametrize(
    ("tmpfs", "wrong"),
    [(["/tmp"], 0), (["/data"], 1), (["/data:size=1m"], 1), (["/data/cache"], 0)],
)
def test_a_path_is_kept_or_in_memory(tmpfs: list[str], wrong: int) -> None:
    assert len(volume_rules.tmpfs_problems([DATA], tmpfs)) == wrong


BACKED_UP = {**DATA, "backup": True}


@pytest.mark.parametrize(
    ("volumes", "app_hosts", "data_hosts", "elsewhere", "wrong"),
    [
        ([BACKED_UP], ["one"], ["one"], False, False),
        ([DATA], ["one", "two"], ["three"], False, False),
        ([BACKED_UP], ["one"], ["two"], False, True),
        ([BACKED_UP], ["one"], ["two"], True, False),
        ([BACKED_UP], ["one"], [], False, False),
        ([BACKED_UP], ["one", "two"], ["one"], False, True),
        ([BACKED_UP], ["one", "two"], [], True, True),
        (None, ["one", "two"], ["one"], False, False),
        # The role is used without the groups.
        ([BACKED_UP], [], [], False, False),
    ],
)
def test_backups_have_the_volumes_of_the_only_app_host(
    volumes: list[dict[str, Any]] | None, app_hosts: list[str], data_hosts: list[str], elsewhere: bool, wrong: bool
) -> None:
    groups = {"app_hosts": app_hosts, "data_hosts": data_hosts}
    assert bool(volume_rules.placement_problems(volumes, groups, elsewhere)) == wrong
