"""The probe as a process: its usage, its report, and the API that runs it beside other work."""

import asyncio
import threading
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from probe_certificates import HOST, Certificates, make_certificates
from probe_site import Site

from lab.probe import ProbeError, Report, running, target
from lab.probe.options import parse
from lab.probe.target import BadTarget, parse_endpoint, require_local


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def site(certificates: Certificates) -> Iterator[Site]:
    """A good site served from a thread of its own."""
    served, loop, up = Site(), asyncio.new_event_loop(), threading.Event()
    stop = asyncio.Event()

    async def serve() -> None:
        async with served.serving(certificates):
            up.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=[serve()])
    thread.start()
    assert up.wait(5)
    yield served
    loop.call_soon_threadsafe(stop.set)
    thread.join()


def test_running_gives_a_report_after_the_block(site: Site, certificates: Certificates) -> None:
    with running(connect=f"127.0.0.1:{site.port}", host=HOST, ca=certificates.ca, rate=100, profile="foreign", paths=["/"]) as load:
        assert site.seen["request"] >= 3  # answers of each kind are there when the block begins
        with pytest.raises(ProbeError, match="after the with block"):
            _ = load.report
    assert (load.report.failed, list(load.report.releases)) == (0, ["r1"])
    assert Report.from_json(load.report.to_json()) == load.report
    assert "0 failed; no audit" in load.report.summary()


def test_running_reports_why_the_probe_died(tmp_path: Path) -> None:
    with (
        pytest.raises(ProbeError, match=r"(?s)status 2.*cannot use .*nothing\.crt"),
        running(connect="127.0.0.1:1", host=HOST, ca=tmp_path / "nothing.crt"),
    ):
        pass


def test_running_fails_when_nothing_answers(site: Site, certificates: Certificates) -> None:
    site.faults["error"] = 1_000_000
    with (
        pytest.raises(ProbeError, match=r"no successful answers.*status 500, expected 200"),
        running(
            connect=f"127.0.0.1:{site.port}",
            host=HOST,
            ca=certificates.ca,
            profile="foreign",
            rate=20,
            ready_seconds=1.5,
        ),
    ):
        pass


def test_running_fails_when_the_load_ended_first(site: Site, certificates: Certificates) -> None:
    with (
        pytest.raises(ProbeError, match="ended by itself"),
        running(connect=f"127.0.0.1:{site.port}", host=HOST, ca=certificates.ca, profile="foreign", max_seconds=0.3) as load,
    ):
        load._process.wait(10)


@pytest.mark.parametrize("connect", ["shop.test:443", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:https", "1.2.3:1"])
def test_only_addresses_with_a_port_are_taken(connect: str) -> None:
    with pytest.raises(BadTarget):
        parse_endpoint(connect)


def test_ipv6_addresses_are_taken_in_brackets() -> None:
    assert parse_endpoint("[::1]:8443") == (ip_address("::1"), 8443)


def test_load_stays_on_this_machine_and_its_docker_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target, "docker_networks", lambda: [ip_network("172.30.0.0/16")])
    for allowed in ("127.0.0.1", "::1", "172.30.0.5"):
        require_local(ip_address(allowed))
    for refused in ("172.31.0.5", "192.0.2.10", "8.8.8.8"):
        with pytest.raises(BadTarget, match="load goes only to this machine"):
            require_local(ip_address(refused))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--connect", "8.8.8.8:443"], "load goes only to this machine"),
        (["--rate", "0"], "not between"),
        (["--duration", "1e9"], "not between"),
        (["--path", "/x"], "--profile foreign"),
        (["--profile", "foreign", "--path", "x"], "does not begin with /"),
        (["--report", "/nowhere/report.json"], "no directory"),
        (["--ca", "/nowhere/ca.crt"], "CA certificates"),
    ],
)
def test_bad_usage_is_explained(arguments: list[str], message: str, certificates: Certificates, capsys: pytest.CaptureFixture[str]) -> None:
    good = ["--connect", "127.0.0.1:443", "--host", HOST, "--ca", str(certificates.ca)]
    with pytest.raises(SystemExit) as exit_:
        parse(good + arguments)
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err
