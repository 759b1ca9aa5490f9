"""Last stage: a unit stops the old release after its last request; what no rollback needs goes."""

import shutil

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.ledger import write_route
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.stages.release_finish import run as finish
from fakes import IMAGE, digest_of, fails, service
from fakes_host import Host, settings_with
from fakes_proc import EDGE, Proc

KEEP_ONE = settings_with(keep=1)


def switched(host: Host, *tags: str) -> None:
    """Have releases deployed; the last two run still, as right after a switch."""
    host.serves(*tags, settings=KEEP_ONE)
    for running in list(host.engine.present.values())[-2:]:
        running["State"]["Running"] = True
    host.holds("run1", release=host.live)


def test_the_old_release_is_stopped_by_a_unit_and_kept(host: Host) -> None:
    switched(host, "v1", "v2")
    result = finish(host.stage(release="r2"))
    assert (result["retired"], result["pruned"], result["release"]["id"]) == (["r1"], [], "r2")
    assert host.engine.told == ["let end container-r1"]
    assert host.units.begun == ["r1"]
    assert (host.live, host.unfinished, host.phases[-1]) == ("r2", False, "COMMITTED")
    assert host.paths.bundle("r1").is_dir()


def test_the_release_before_may_stay_warm(host: Host) -> None:
    switched(host, "v1", "v2")
    finish(host.stage(release="r2", warm_seconds=600.0))
    assert host.units.begun == ["r1 in 600 s"]


def test_only_the_release_before_stays_warm(host: Host) -> None:
    switched(host, "v1", "v2", "v3")
    host.engine.present["r1"]["State"]["Running"] = True
    finish(host.stage(release="r3", warm_seconds=600.0))
    assert host.units.begun == ["r1", "r2 in 600 s"]


def test_what_a_rollback_came_from_does_not_stay_warm(host: Host) -> None:
    switched(host, "v1", "v2")
    write_route(host.paths, "r1")
    finish(host.stage(release="r1", warm_seconds=600.0))
    assert host.units.begun == ["r2"]


def test_without_systemd_it_is_stopped_at_once(host: Host) -> None:
    switched(host, "v1", "v2")
    host.units.takes = False
    finish(host.stage(release="r2"))
    assert host.engine.told == ["let end container-r1", "stop container-r1"]


def test_what_no_rollback_needs_is_removed_with_its_image(host: Host) -> None:
    switched(host, "v1", "v2", "v3")
    assert finish(host.stage(release="r3"))["pruned"] == ["r1"]
    assert host.record("r1").status == "pruned"
    assert not host.paths.bundle("r1").exists()
    assert list(host.engine.present) == ["r2", "r3"]
    assert host.engine.images == {f"{IMAGE}@{digest_of(tag)}" for tag in ("v2", "v3")}


def test_an_image_that_a_kept_release_uses_stays(host: Host) -> None:
    switched(host, "v1", "v2", "v1")
    assert finish(host.stage(release="r3"))["pruned"] == ["r1"]
    assert f"{IMAGE}@{digest_of('v1')}" in host.engine.images
    assert not any(words.startswith("remove image") for words in host.engine.told)


def test_what_runs_still_is_removed_by_the_next_run(host: Host) -> None:
    switched(host, "v1", "v2", "v3")
    host.engine.present["r1"]["State"]["Running"] = True
    assert finish(host.stage(release="r3"))["pruned"] == []
    assert host.record("r1").status == "kept"


def test_requests_that_were_cut_here_are_counted_and_warned_of(host: Host, proc: Proc) -> None:
    switched(host, "v1", "v2")
    host.units.takes = False
    host.engine.projects["edge"] = [service("edge", "caddy", Pid=EDGE)]
    proc.unix(4711, connected=3)
    host.background.seconds = 40
    host.engine.stop_exit_code = 137
    stage = host.stage(release="r2")
    finish(stage)
    (warning,) = stage.warnings
    assert warning.startswith("CUT: 3 requests to r1 had not ended")


def test_a_release_whose_bundle_is_gone_is_stopped_uncounted(host: Host, proc: Proc) -> None:
    switched(host, "v1", "v2")
    proc.unix(4711, connected=3)
    host.background.seconds = 40
    shutil.rmtree(host.paths.bundle("r1"))
    host.units.takes = False
    stage = host.stage(release="r2")
    assert (finish(stage)["retired"], stage.warnings) == (["r1"], [])


def test_only_the_live_release_can_be_finished(host: Host) -> None:
    switched(host, "v1", "v2")
    with fails("NOT_LIVE") as caught:
        finish(host.stage(release="r1"))
    assert "r2 is" in caught.value.what
    assert (host.engine.told, host.unfinished, host.entry.code) == ([], True, "NOT_LIVE")


def test_check_mode_stops_nothing(host: Host) -> None:
    switched(host, "v1", "v2", "v3")
    before = host.files()
    assert finish(host.stage(check_mode=True, release="r3")) == {"changed": True}
    assert (host.files(), host.engine.told) == (before, [])
