"""Last stage: the old release is stopped after its last request; what no rollback needs goes."""

import os
import shutil

import pytest
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


def test_the_old_release_is_stopped_and_kept(host: Host) -> None:
    switched(host, "v1", "v2")
    result = finish(host.stage(release="r2"))
    assert (result["stopped"], result["pruned"], result["release"]["id"]) == (["r1"], [], "r2")
    assert result["cut"] == 0
    assert host.engine.told == ["stop container-r1"]
    assert (host.live, host.unfinished, host.phases[-1]) == ("r2", False, "COMMITTED")
    assert host.paths.bundle("r1").is_dir()


@pytest.mark.parametrize(
    ("since_switch", "waits"),
    [(0.0, 0.5), (0.2, 0.3), (9.0, 0.0), (-3600.0, 0.5)],  # the last: the clock was set back meanwhile
)
def test_requests_on_their_way_arrive_before_the_stop(host: Host, since_switch: float, waits: float) -> None:
    switched(host, "v1", "v2")
    started = host.clock.now
    os.utime(host.paths.route, (started - since_switch, started - since_switch))
    finish(host.stage(release="r2"))
    assert host.clock.now - started == pytest.approx(waits, abs=0.001)


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


def test_requests_that_the_limits_cut_are_counted_and_warned_of(host: Host, proc: Proc) -> None:
    switched(host, "v1", "v2")
    host.engine.projects["edge"] = [service("edge", "caddy", Pid=EDGE)]
    proc.unix(4711, connected=3)
    host.background.seconds = 40
    host.engine.stop_exit_code = 137
    stage = host.stage(release="r2")
    assert finish(stage)["cut"] == 3
    (warning,) = stage.warnings
    assert warning.startswith("CUT: 3 requests to r1 had not ended")


def test_a_release_whose_bundle_is_gone_is_stopped_uncounted(host: Host, proc: Proc) -> None:
    switched(host, "v1", "v2")
    proc.unix(4711, connected=3)
    host.background.seconds = 40
    shutil.rmtree(host.paths.bundle("r1"))
    result = finish(host.stage(release="r2"))
    assert (result["stopped"], result["cut"]) == (["r1"], 0)


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
