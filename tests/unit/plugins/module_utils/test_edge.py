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
from ansible_collections.fairlead.fastapi.plugins.module_utils import _edge
from ansible_collections.fairlead.fastapi.plugins.module_utils._limits import Responses
from ansible_collections.fairlead.fastapi.plugins.module_utils._probe import Answer, Listener
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fakes import FakeEngine, service
from fakes_host import SETTINGS

# As Caddy 2.11.4 tells it.
METRICS = """\
# HELP caddy_config_last_reload_successful Whether the last configuration reload attempt was successful.
# TYPE caddy_config_last_reload_successful gauge
caddy_config_last_reload_successful 1
# HELP caddy_http_request_duration_seconds Histogram of round-trip request durations.
# TYPE caddy_http_request_duration_seconds histogram
caddy_http_request_duration_seconds_bucket{code="200",handler="subroute",method="GET",server="srv0",le="0.005"} 3
caddy_http_request_duration_seconds_bucket{code="200",handler="subroute",method="GET",server="srv0",le="+Inf"} 5
caddy_http_request_duration_seconds_sum{code="200",handler="subroute",method="GET",server="srv0"} 0.012
caddy_http_request_duration_seconds_count{code="200",handler="subroute",method="GET",server="srv0"} 5
caddy_http_request_duration_seconds_count{code="200",handler="reverse_proxy",method="GET",server="srv0"} 5
caddy_http_request_duration_seconds_count{code="200",handler="subroute",method="POST",server="srv0"} 1
caddy_http_request_duration_seconds_count{code="200",handler="metrics",method="GET",server="srv1"} 35
caddy_http_request_duration_seconds_count{code="308",handler="static_response",method="GET",server="remaining_auto_https_redirects"} 1
caddy_http_request_duration_seconds_count{code="404",handler="subroute",method="GET",server="srv0"} 2
caddy_http_request_duration_seconds_count{code="500",handler="subroute",method="GET",server="srv0"} 2
caddy_http_request_duration_seconds_count{code="502",handler="subroute",method="GET",server="srv0"} 1
caddy_http_request_duration_seconds_count{code="504",handler="subroute",method="GET",server="srv0"} 1
# HELP caddy_http_requests_in_flight Number of requests currently handled by this server.
# TYPE caddy_http_requests_in_flight gauge
caddy_http_requests_in_flight{handler="subroute",server="srv0"} 7
# HELP caddy_http_requests_total Counter of HTTP(S) requests made.
# TYPE caddy_http_requests_total counter
caddy_http_requests_total{handler="subroute",server="srv0"} 18
"""
MANY = 'caddy_http_request_duration_seconds_count{code="200",handler="subroute",method="GET",server="srv0"} 1.234567e+06\n'


@pytest.mark.parametrize(
    ("text", "counted"),
    [(METRICS, Responses(12, 4)), (MANY, Responses(1234567, 0)), ("", Responses(0, 0))],
)
def test_each_answer_is_counted_once(text: str, counted: Responses) -> None:
    assert _edge.counted(text) == counted


@pytest.mark.parametrize(
    ("answer", "responses"),
    [
        (Answer(200, {}, METRICS), Responses(12, 4)),
        (Answer(404, {}, METRICS), None),
        (Answer(error="FileNotFoundError: [Errno 2] No such file or directory"), None),
    ],
)
def test_an_edge_that_does_not_tell(monkeypatch: pytest.MonkeyPatch, answer: Answer, responses: Responses | None) -> None:
    def get(self: Listener, path: str, seconds: float, body_bytes: int) -> Answer:
        assert (self.socket_path, path) == (_edge.METRICS, "/metrics")
        assert body_bytes > 1024 * 1024, "the metrics of a busy edge are long"
        return answer

    monkeypatch.setattr(Listener, "get", get)
    assert _edge.responses() == responses


def test_the_state_of_the_proxy(engine: FakeEngine) -> None:
    assert _edge.state() == "there is no container of it"
    engine.projects["edge"] = [service("edge", "caddy", Running=False, Status="exited", ExitCode=137)]
    assert _edge.state() == "edge-caddy-1 is exited (exit code 137)"


NOW = datetime.datetime.now(datetime.UTC)


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
def shows(tmp_path: Path) -> Iterator[Callable[..., dict[str, Any]]]:
    """Have a listener show a certificate; returns the settings to find it by."""
    threads: list[threading.Thread] = []

    def prepare(begins_days: float, ends_days: float, domain: str = "shop.lab", trusted: bool = True) -> dict[str, Any]:
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
        return {**SETTINGS, "public_port": listening.getsockname()[1], "public_authority": str(authority)}

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
def test_certificates(shows: Callable[..., dict[str, Any]], shown: dict[str, Any], problem: str | None) -> None:
    told = _edge.certificate_problem(shows(**shown))
    if problem is None:
        assert told is None
    else:
        assert told is not None
        assert told.startswith("CERT_EXPIRY: the certificate of shop.lab ")
        assert problem in told


def test_the_listener_is_asked_whatever_its_certificate(shows: Callable[..., dict[str, Any]]) -> None:
    settings = shows(begins_days=-80, ends_days=-1, domain="other.lab", trusted=False)
    answer = _edge.listener(settings).get("/ready")
    assert "CERTIFICATE_VERIFY_FAILED" not in answer.error
    assert answer.error.startswith(("RemoteDisconnected", "ConnectionReset", "SSLEOFError")), "after the handshake it hangs up"


def test_a_certificate_that_nobody_shows() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        settings = {**SETTINGS, "public_port": free.getsockname()[1]}
    assert _edge.certificate_problem(settings) is None
