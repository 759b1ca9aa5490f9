"""The probe against a site with faults: each one is counted, as what it is, and nothing else is."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from probe_certificates import HOST, Certificates, make_certificates
from probe_site import Site

from lab.probe.client_http2 import Http2Pool
from lab.probe.lasting import EventStream
from lab.probe.load import Load
from lab.probe.messages import Failed, Request
from lab.probe.options import Options
from lab.probe.recorder import Recorder
from lab.probe.report import Report
from lab.probe.target import Target


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def target_of(site: Site, ca: Path) -> Target:
    return Target.checked(f"127.0.0.1:{site.port}", HOST, ca)


def probe(site: Site, certificates: Certificates, until: Callable[[], bool] = lambda: True, **changes: Any) -> Report:
    """Run the probe until the site has seen 40 requests, has made all its faults, and `until` is true."""

    async def run() -> Report:
        async with site.serving(certificates):
            options = Options(target_of(site, certificates.ca), rate=300, wait_seconds=0.1)
            stop = asyncio.Event()
            load = asyncio.create_task(Load(replace(options, **changes)).run(stop))
            await reached(lambda: until() and site.seen["request"] >= 40 and not any(site.faults.values()))
            stop.set()
            return await load

    return asyncio.run(run())


async def reached(state: Callable[[], bool]) -> None:
    """Wait for a state; raises TimeoutError after 10 s."""
    async with asyncio.timeout(10):
        while not state():
            await asyncio.sleep(0.01)


def test_a_good_site_has_no_failures(certificates: Certificates) -> None:
    site = Site()
    report = probe(site, certificates, lambda: site.seen["request"] >= 120 and site.seen["poll"] >= 3)
    assert (report.failed, report.failures) == (0, [])
    assert (report.lost, report.doubled, report.phantom, report.audit_error) == (0, 0, 0, None)
    assert report.requests == report.ok > 100
    assert set(report.by_kind) == {"keepalive", "fresh", "http2", "long", "stream"}
    assert report.audited == report.by_method["POST"]["requests"] == len(site.items) == report.statuses["201"]
    assert report.statuses["204"] == report.by_kind["long"].requests >= 3
    assert report.releases["r1"].count == report.requests
    assert 0 < report.longest_gap_ms < 1000
    assert (report.refused_retried, report.idle_reconnects, report.stream_reconnects) == (0, 0, 0)


def test_the_rate_is_kept_and_shared_by_all_kinds(certificates: Certificates) -> None:
    site = Site()
    report = probe(site, certificates, lambda: site.seen["request"] >= 100)
    counts = [report.by_kind[kind].requests for kind in ("keepalive", "fresh", "http2")]
    total = sum(counts)
    assert total == pytest.approx(report.seconds * 300, rel=0.2)
    assert counts == [pytest.approx(total * share, abs=3) for share in (0.7, 0.1, 0.2)]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("drop", "connection|reset"),
        ("error", "status 500"),
        ("echo", "wrong echo"),
        ("truncate", "before the reply was complete"),
    ],
)
def test_each_bad_answer_is_a_failure(certificates: Certificates, fault: str, error: str) -> None:
    site = Site(faults={fault: 7})
    report = probe(site, certificates)
    assert site.made[fault] == report.failed == len(report.failures) == 7
    assert all(any(part in failure.error for part in error.split("|")) for failure in report.failures)
    assert (report.refused_retried, report.idle_reconnects) == (0, 0)


def test_a_failure_shows_request_and_answer(certificates: Certificates) -> None:
    failure = probe(Site(faults={"error": 1}), certificates).failures[0]
    assert (failure.status, failure.release, failure.method) == (500, "r1", "POST")
    assert failure.kind in {"keepalive", "fresh", "http2"}
    assert failure.path == "/items"


def test_the_audit_finds_lost_doubled_and_phantom_items(certificates: Certificates) -> None:
    report = probe(Site(faults={"lose": 3, "double": 2, "phantom": 1}), certificates)
    assert (report.lost, report.doubled, report.phantom) == (3, 2, 1)
    assert report.by_method["POST"]["failed"] == 1  # the phantom; GETs of lost items fail besides
    assert {sort: len(references) for sort, references in report.suspects.items()} == {
        "lost": 3,
        "doubled": 2,
        "phantom": 1,
    }


def test_without_audit_nothing_is_claimed(certificates: Certificates) -> None:
    report = probe(Site(faults={"lose": 1}), certificates, audit=False)
    assert (report.audited, report.lost, report.doubled, report.phantom) == (0, None, None, None)


def test_an_idle_close_is_no_failure_but_is_counted(certificates: Certificates) -> None:
    site = Site(faults={"idle-close": 6})
    report = probe(site, certificates, rate=60)  # slow enough for each close to come before the next use
    assert report.failed == 0
    assert 0 < report.idle_reconnects <= site.made["idle-close"] == 6  # the others met connections that are used once


def test_a_stream_that_ends_cleanly_is_opened_again(certificates: Certificates) -> None:
    site = Site(faults={"end": 2})
    report = probe(site, certificates, lambda: site.seen["stream"] == 3)
    assert (report.failed, report.stream_reconnects) == (0, 2)
    assert report.by_kind["stream"].requests == 3
    assert report.stream_gap_ms is not None and report.stream_gap_ms < 2000


def test_a_stream_cut_short_is_a_failure(certificates: Certificates) -> None:
    site = Site(faults={"cut": 2})
    report = probe(site, certificates, lambda: site.seen["stream"] == 3)
    assert (report.by_kind["stream"].failed, report.failed, report.stream_reconnects) == (2, 2, 0)


def test_a_silent_stream_is_a_failure(certificates: Certificates) -> None:
    async def run() -> Report:
        async with Site(faults={"silence": 1}).serving(certificates) as site:
            recorder, stop = Recorder("run", "X-Release"), asyncio.Event()
            stream = EventStream(recorder, target_of(site, certificates.ca), max_silence=0.2)
            following = asyncio.create_task(stream.follow(stop))
            await reached(lambda: site.seen["stream"] == 2)
            following.cancel()
            recorder.stop()
            return recorder.report(refused_retried=0, idle_reconnects=0)

    report = asyncio.run(run())
    assert report.failed == 1
    assert "silent" in report.failures[0].error


def test_a_long_poll_answered_at_once_is_a_failure(certificates: Certificates) -> None:
    # Long enough that a busy machine's "at once" is still far from it.
    report = probe(Site(faults={"hasty": 1}), certificates, wait_seconds=2.0)
    assert (report.failed, report.by_kind["long"].failed) == (1, 1)
    assert "expected about 2 s" in report.failures[0].error


@pytest.mark.parametrize("fault", ["goaway", "refuse"])
def test_http2_requests_not_processed_are_sent_again_and_counted_apart(certificates: Certificates, fault: str) -> None:
    site = Site(faults={fault: 2})
    report = probe(site, certificates)
    assert site.made[fault] == 2
    assert (report.failed, report.lost, report.doubled, report.phantom) == (0, 0, 0, 0)
    assert report.refused_retried >= 2


def test_http2_streams_in_flight_at_goaway_are_finished(certificates: Certificates) -> None:
    """Every answer takes 30 ms, so some streams are open, below the last id, when the GOAWAY comes."""
    site = Site(faults={"goaway": 3})
    report = probe(site, certificates)
    assert report.failures == []
    assert site.made["finished after goaway"] > 0


def test_an_http2_request_refused_again_and_again_is_a_failure(certificates: Certificates) -> None:
    async def run() -> None:
        async with Site(faults={"refuse": 4}).serving(certificates) as site:
            pool = Http2Pool(target_of(site, certificates.ca))
            with pytest.raises(Failed, match="refused as not processed 4 times"):
                await pool.send(Request("GET", "/items/1"))
            assert pool.refused_retried == 3
            assert (await pool.send(Request("GET", "/"))).status == 200
            pool.close()

    asyncio.run(run())


def test_a_site_that_is_down_fails_every_request(certificates: Certificates) -> None:
    with socket.socket() as unused:  # bound but not listening: connects are refused
        unused.bind(("127.0.0.1", 0))
        target = target_of(Site(port=unused.getsockname()[1]), certificates.ca)
        report = asyncio.run(Load(Options(target, rate=50, duration=0.4, wait_seconds=0.1)).run(asyncio.Event()))
    assert report.requests == report.failed > 5
    assert report.longest_gap_ms >= 400
    assert report.audit_error and report.lost is None


def test_a_certificate_of_another_authority_is_a_failure(certificates: Certificates, tmp_path: Path) -> None:
    other = make_certificates(tmp_path)

    async def run() -> Report:
        async with Site().serving(certificates) as site:
            options = Options(target_of(site, other.ca), rate=50, duration=0.3, audit=False)
            return await Load(options).run(asyncio.Event())

    report = asyncio.run(run())
    assert report.requests == report.failed > 3
    assert "CERTIFICATE_VERIFY_FAILED" in report.failures[0].error


def test_a_new_release_is_seen(certificates: Certificates) -> None:
    site = Site()

    def switched() -> bool:
        site.release = "r2" if site.seen["request"] >= 20 else "r1"
        return site.seen["request"] >= 60

    releases = probe(site, certificates, switched).releases
    assert list(releases) == ["r1", "r2"]
    assert 0 < releases["r1"].first < releases["r2"].first < releases["r2"].last


def test_the_foreign_profile_only_gets_the_given_paths(certificates: Certificates) -> None:
    site = Site()
    report = probe(site, certificates, profile="foreign", paths=("/livez", "/readyz"))
    assert (report.failed, site.items, list(report.by_method)) == (0, [], ["GET"])
    assert set(report.by_kind) == {"keepalive", "fresh", "http2"}
    assert report.lost is None
