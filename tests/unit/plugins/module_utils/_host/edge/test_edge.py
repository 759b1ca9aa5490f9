"""What the edge tells: its count of answers, its certificate, its state."""

import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.limits import Responses
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.settings import Settings
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.edge import edge
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.engine import docker
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fakes import FakeEngine, service
from fakes_host import Clock, settings_with

# As Caddy 2.11.4 writes it with the fields that the site leaves.
LINE = b'{"level":"info","ts":1795655274.69,"logger":"http.log.access.answers-shop","msg":"handled request","status":%d}\n'


def lines(*statuses: int) -> bytes:
    return b"".join(LINE % status for status in statuses)


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        (lines(200, 404, 499), Responses(3, 0)),
        (lines(200, 500, 502, 504), Responses(4, 3)),
        (lines(200)[40:] + lines(503), Responses(1, 1)),  # begun before the reader came in
        (b'{"status":"500"}\n{"status":null}\n[]\n7\n\xff\n', Responses(1, 1)),
        (lines(200) + lines(503).replace(b"}", b',"page":"true"}'), Responses(1, 0)),  # of maintenance, or while a volume is handed over
        (b"", Responses(0, 0)),
    ],
)
def test_answers_are_counted_by_status(text: bytes, counted: Responses) -> None:
    assert edge.counted(text.split(b"\n")) == counted


def test_each_answer_is_read_once(tmp_path: Path) -> None:
    log = tmp_path / "shop.log"
    log.write_bytes(lines(200, 500))
    (tmp_path / "blog.log").write_bytes(lines(500, 500, 500))
    answers = edge.Answers("shop", tmp_path)
    assert answers.recent() == Responses(2, 1)
    assert answers.new() == Responses(0, 0)
    with log.open("ab") as file:
        file.write(lines(200, 503) + lines(500)[:20])
        file.flush()
        assert answers.new() == Responses(2, 1)
        file.write(lines(500)[20:])
    assert answers.new() == Responses(1, 1), "half a line counts when the other half is there"


def test_answers_are_read_on_in_the_next_file(tmp_path: Path) -> None:
    log = tmp_path / "shop.log"
    log.write_bytes(lines(200))
    answers = edge.Answers("shop", tmp_path)
    assert answers.recent() == Responses(1, 0)
    with log.open("ab") as file:
        file.write(lines(500))
    log.rename(tmp_path / "shop-2026-11-26.log")
    assert answers.new() == Responses(1, 1)
    log.write_bytes(lines(200, 200))
    assert answers.new() == Responses(2, 0)
    assert answers.new() == Responses(0, 0)


def test_only_the_last_answers_count_as_before(tmp_path: Path) -> None:
    log = tmp_path / "shop.log"
    log.write_bytes(lines(500) * 20_000 + lines(200) * 20_000)
    answers = edge.Answers("shop", tmp_path).recent()
    assert answers is not None and answers.errors == 0 and 5000 < answers.all < 20_000


@pytest.mark.parametrize(("since", "recent"), [(0.0, Responses(4, 2)), (1795655274.7, Responses(1, 0)), (1795655300.0, Responses(0, 0))])
def test_answers_from_before_the_last_switch_are_left_out(tmp_path: Path, since: float, recent: Responses) -> None:
    later = LINE.replace(b"274.69", b"275.00") % 200
    (tmp_path / "shop.log").write_bytes(lines(500, 500, 200) + later + b'{"ts":null,"status":500}\n' * bool(since))
    assert edge.Answers("shop", tmp_path).recent(since) == recent


def missing(log: Path) -> None:
    log.unlink(missing_ok=True)


def link(log: Path) -> None:
    log.symlink_to("/etc/passwd")


@pytest.mark.parametrize("make", [missing, link])
def test_a_proxy_without_a_log(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "shop.log")
    answers = edge.Answers("shop", tmp_path)
    assert answers.recent() is None
    assert answers.new() == Responses(0, 0)


@pytest.mark.parametrize(
    ("flags", "problem"),
    [("ro,relatime,nosymfollow", False), ("ro,nosymfollow,relatime", False), ("ro,relatime", True), (None, True)],
)
def test_a_proxy_that_follows_links(
    engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str | None, problem: bool
) -> None:
    monkeypatch.setattr(edge, "PROC", tmp_path)
    assert edge.links_problem() is None, "no proxy runs here"
    engine.projects["edge"] = [service("edge", "caddy", Pid=42)]
    apps = f"1140 1120 0:78 /var/lib/fairlead /var/lib/fairlead {flags} - overlay overlay rw\n" if flags else ""
    (tmp_path / "42").mkdir()
    (tmp_path / "42" / "mountinfo").write_text(f"1139 1120 0:5 / / rw,nosymfollow - overlay overlay rw\n{apps}")
    assert bool(edge.links_problem()) is problem


def test_the_state_of_the_proxy(engine: FakeEngine) -> None:
    assert edge.state() == "there is no container of it"
    engine.projects["edge"] = [service("edge", "caddy", Running=False, Status="exited", ExitCode=137)]
    assert edge.state() == "edge-caddy-1 is exited (exit code 137)"


NOW = datetime.datetime.now(datetime.UTC)


@pytest.mark.parametrize(
    ("looks", "failing"),
    [
        ([{}], False),
        ([{"Restarting": True}], True),
        ([{"restarts": 3, "age": 60}], False),
        # Between two ends it runs for a moment.
        ([{"restarts": 3, "age": 0.1}, {"restarts": 3, "age": 0.2}, {"restarts": 3, "age": 0.3, "Restarting": True}], True),
        ([{"restarts": 1, "age": 1.0}, {"restarts": 1, "age": 1.1}, {"restarts": 1, "age": 4.0}], False),
        ([{"restarts": 1, "age": -3600}], False),  # the clock was set back
    ],
)
def test_a_proxy_that_fails_at_each_start(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, looks: list[dict[str, Any]], failing: bool
) -> None:
    left = list(looks)
    monkeypatch.setattr(edge, "time", clock)

    def containers(project: str) -> list[dict[str, Any]]:
        look = dict(left.pop(0))
        restarts, age = look.pop("restarts", 0), look.pop("age", 0.0)
        started = datetime.datetime.fromtimestamp(clock.now - age, datetime.UTC)
        return [{**service(project, "caddy", StartedAt=f"{started:%Y-%m-%dT%H:%M:%S.%f}123Z", **look), "RestartCount": restarts}]

    monkeypatch.setattr(docker, "project_containers", containers)
    assert edge.is_failing() is failing
    assert left == []


def certificate(directory: Path, begins_days: float, ends_days: float, domain: str) -> Path:
    """Return a file with a key and a certificate that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lab")])
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(NOW + datetime.timedelta(days=begins_days))
        .not_valid_after(NOW + datetime.timedelta(days=ends_days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(domain)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = directory / "both.pem"
    file.write_bytes(private + built.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def shows(tmp_path: Path) -> Iterator[Callable[..., Settings]]:
    """Have a listener show a certificate; returns the settings to find it by."""
    threads: list[threading.Thread] = []

    def prepare(begins_days: float, ends_days: float, domain: str = "shop.lab", trusted: bool = True) -> Settings:
        file = certificate(tmp_path, begins_days, ends_days, domain)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        listening = socket.create_server(("127.0.0.1", 0))
        listening.settimeout(5)

        def serve() -> None:
            with listening:
                connection, _ = listening.accept()
                with connection, suppress(OSError):  # the client may refuse
                    context.wrap_socket(connection, server_side=True).close()

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        authority = file if trusted else tmp_path / "none.pem"
        return settings_with(public_port=listening.getsockname()[1], public_authority=str(authority))

    yield prepare
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(
    ("shown", "problem"),
    [
        ({"begins_days": -10, "ends_days": 80}, None),
        ({"begins_days": -80, "ends_days": 10}, "ends in 10.0 days and should have been renewed; see the proxy's log"),
        ({"begins_days": -80, "ends_days": -1}, "is not valid: certificate has expired"),
        ({"begins_days": 1, "ends_days": 90}, "is not valid: certificate is not yet valid"),
        ({"begins_days": -10, "ends_days": 80, "domain": "other.lab"}, "is not valid: Hostname mismatch"),
        ({"begins_days": -10, "ends_days": 80, "trusted": False}, "is not valid: self-signed certificate"),
    ],
)
def test_certificates(shows: Callable[..., Settings], shown: dict[str, Any], problem: str | None) -> None:
    told = edge.certificate_problem(shows(**shown))
    if problem is None:
        assert told is None
    else:
        assert told is not None
        assert told.startswith("CERT_EXPIRY: the certificate of shop.lab ")
        assert problem in told


def test_the_listener_is_asked_whatever_its_certificate(shows: Callable[..., Settings]) -> None:
    settings = shows(begins_days=-80, ends_days=-1, domain="other.lab", trusted=False)
    answer = edge.listener(settings, "shop.lab").get("/ready")
    assert "CERTIFICATE_VERIFY_FAILED" not in answer.error
    assert answer.error.startswith(("RemoteDisconnected", "ConnectionReset", "SSLEOFError")), "after the handshake it hangs up"


def test_no_certificate_problem_where_no_proxy_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        settings = settings_with(public_port=free.getsockname()[1])
    assert edge.certificate_problem(settings) is None
