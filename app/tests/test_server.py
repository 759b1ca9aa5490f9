"""What only a real gunicorn can show."""

import json
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.conftest import StartServer
from tests.server import ROOT, GunicornServer


def wait_until(holds: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.05)


def create(client: httpx.Client, reference: str) -> dict[str, object]:
    item: dict[str, object] = client.post("/items", json={"name": "lamp", "reference": reference}).json()
    return item


def test_a_request_in_flight_completes_after_sigterm(start_server: StartServer, reference: str) -> None:
    server = start_server()
    with ThreadPoolExecutor() as threads, server.client() as client:
        started = time.monotonic()
        poll = threads.submit(client.get, "/items/wait", params={"reference": reference, "seconds": "2.5"})
        time.sleep(0.5)  # the request must be in flight, not just sent
        server.terminate()
        assert poll.result().status_code == 204
        assert time.monotonic() - started >= 2.5
        assert server.wait(5) == 0
    messages = [event["message"] for event in server.events()]
    assert "Application shutdown complete." in messages
    assert not any("timeout" in message.lower() for message in messages)
    assert not server.socket.exists()


def test_an_event_stream_ends_cleanly_within_a_second_of_sigterm(start_server: StartServer, reference: str) -> None:
    server = start_server(SSE_HEARTBEAT_SECONDS="30")
    with server.client() as client, server.client() as writer, client.stream("GET", "/items/events") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "retry: 200"
        item = create(writer, reference)
        rest = [next(lines) for _ in range(5)]
        assert rest[1:4] == [f"id: {item['id']}", "event: item", f"data: {json.dumps(item, separators=(',', ':'))}"]
        stopped = time.monotonic()
        server.terminate()
        assert list(lines) == []  # httpx raises RemoteProtocolError when the final chunk is missing
        assert time.monotonic() - stopped < 1
    assert server.wait(5) == 0


def test_a_stream_resumes_behind_its_last_event_and_beats(start_server: StartServer, reference: str) -> None:
    server = start_server(SSE_HEARTBEAT_SECONDS="0.1")
    with server.client() as client:
        first, missed = create(client, reference), create(client, reference)
        with client.stream("GET", "/items/events", headers={"Last-Event-ID": str(first["id"])}) as stream:
            assert stream.headers["Content-Type"].startswith("text/event-stream")
            lines = stream.iter_lines()
            while not (line := next(lines)).startswith("id: "):
                pass
            assert line == f"id: {missed['id']}"
            while next(lines) != ": heartbeat":
                pass


def test_recycled_workers_lose_no_request_and_keep_the_counts(start_server: StartServer) -> None:
    server = start_server(WEB_CONCURRENCY="2", MAX_REQUESTS="40")
    total, per_thread = 240, 30

    def ask() -> list[int]:
        statuses = []
        one_connection_each = {"Connection": "close"}  # as the proxy does
        with server.client() as client:
            for _ in range(per_thread):
                statuses.append(client.get("/items?limit=1", headers=one_connection_each).status_code)
        return statuses

    with ThreadPoolExecutor(total // per_thread) as threads:
        futures = [threads.submit(ask) for _ in range(total // per_thread)]
        assert [status for future in futures for status in future.result()] == [200] * total
    # 240 requests in lots of 40 to 44, by two workers: at least three were recycled, the last perhaps only now.
    wait_until(lambda: sum("Booting worker" in event["message"] for event in server.events()) > 4)
    assert len(list(server.metrics.glob("counter_*.db"))) == 2
    with server.client() as client:
        metrics = client.get("/metrics").text
    assert f'http_requests_total{{method="GET",route="/items",status="200"}} {total}.0' in metrics


def test_metrics_have_route_templates_and_the_release(start_server: StartServer) -> None:
    server = start_server(WEB_CONCURRENCY="2", APP_VERSION="1.2.3")
    with server.client() as client:
        for path in ("/items/9000000000", "/items/9000000001", "/nowhere/1", "/nowhere/2"):
            client.get(path)
        client.request("PROPFIND", "/items")
        metrics = client.get("/metrics").text
    assert 'http_requests_total{method="GET",route="/items/{item_id}",status="404"} 2.0' in metrics
    assert 'http_requests_total{method="GET",route="unmatched",status="404"} 2.0' in metrics
    assert 'http_requests_total{method="OTHER",route="/items",status="405"} 1.0' in metrics
    assert 'http_request_duration_seconds_count{method="GET",route="/items/{item_id}",status="404"} 2.0' in metrics
    assert 'app_release_info{release="r7",version="1.2.3"} 1.0' in metrics


def test_the_socket_is_for_owner_and_group_and_the_probe_uses_it(start_server: StartServer) -> None:
    server = start_server()
    assert stat.S_IMODE(server.socket.stat().st_mode) == 0o770
    for path, status in (("/health", 0), ("/ready", 0), ("/nowhere", 1)):
        assert probe(server, path) == status


def test_the_probe_over_tcp_and_without_a_server(start_server: StartServer, free_port: int) -> None:
    bind = f"0.0.0.0:{free_port}"
    server = start_server(BIND=bind)
    assert probe(server) == 0
    server.terminate()
    assert server.wait(5) == 0
    assert probe(server) == 1


def probe(server: GunicornServer, *path: str) -> int:
    command = [sys.executable, "-m", "app.probe", *path]
    return subprocess.run(command, cwd=ROOT, env=server.environment, capture_output=True, timeout=10).returncode


def test_logs_are_json_with_trace_and_without_secrets(start_server: StartServer, secrets: list[str]) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    server = start_server(APP_VERSION="1.2.3", LOG_LEVEL="debug")
    with server.client() as client:
        client.get("/items/7?token=hunter2", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
        client.post("/items", json={"name": "x" * 300, "reference": "hunter2"})
    server.terminate()
    server.wait()
    events = server.events()
    for event in events:
        assert {"timestamp", "level", "logger", "message", "trace_id", "span_id", "release", "version"} <= set(event)
        assert (event["release"], event["version"]) == ("r7", "1.2.3")
    access = next(event for event in events if event.get("path") == "/items/7")
    assert access["trace_id"] == trace
    assert len(access["span_id"]) == 16
    assert (access["logger"], access["method"], access["route"]) == ("app.access", "GET", "/items/{item_id}")
    assert access["status"] in (200, 404)
    assert access["duration_ms"] > 0
    assert {event["logger"] for event in events} >= {"gunicorn.error", "uvicorn.error", "app.access"}
    for secret in ["hunter2", *secrets]:
        assert secret not in server.output()


def test_a_failing_database_leaves_no_secret_in_the_log(start_server: StartServer, secrets: list[str]) -> None:
    server = start_server(wait_for="/health", DATABASE_NAME="postgres")
    with server.client() as client:
        assert client.get("/ready").status_code == 503
        assert client.post("/items", json={"name": "hunter2", "reference": "hunter2"}).status_code == 500
    errors = [event for event in server.events() if event["message"] == "unexpected error"]
    assert len(errors) == 1
    assert "UndefinedTable" in errors[0]["exception"]
    for secret in ["hunter2", *secrets]:
        assert secret not in server.output()
