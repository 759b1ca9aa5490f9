"""What the proxy logs, and what it hides."""

import pytest

from lab import links
from lab.proxy import CONTAINER, answers, answers_file, eventually
from lab.story import App


def test_answers_are_logged_for_root_of_the_host_alone(app: App) -> None:
    before = {code: answers(app, code) for code in (200, 404)}
    assert [app.get(path)[0] for path in ("/health", "/health", "/no-such-path")] == [200, 200, 404]
    eventually(lambda: {code: answers(app, code) - before[code] for code in before} == {200: 2, 404: 1})
    assert app.on_host("stat", "--format=%a", answers_file(app).rpartition("/")[0], answers_file(app)).split() == ["700", "600"]


def test_no_log_has_what_clients_keep_secret(app: App) -> None:
    secret = "planted-secret"
    headers = [f"{name}: {secret}" for name in ("Authorization", "Cookie", "X-Api-Key", "Referer", "User-Agent")]
    address = ("--resolve", f"{app.domain}:443:127.0.0.1", f"https://{app.domain}/items?limit=1&token={secret}")

    def ask() -> None:
        app.on_host("curl", "--silent", "--insecure", *(word for header in headers for word in ("--header", header)), *address)

    ask()
    with links.planted(app, "/nowhere"):
        ask()  # what the proxy says of an app that does not answer is another log
    said = app.on_host("sh", "-c", f"docker logs {CONTAINER} 2>&1; cat {answers_file(app)}")
    assert '"uri":"/items"' in said and '"level":"error"' in said
    assert secret not in said


@pytest.mark.parametrize(
    "path",
    [
        *("/metrics", "/metrics/", "/metrics/x", "//metrics", "/metrics//", "/METRICS/", "/%6detrics", "/metrics%2Fx"),
        *("/metrics?x=/health", "/x/../metrics", "/./metrics/"),
    ],
)
def test_private_paths_are_hidden_however_they_are_written(app: App, path: str) -> None:
    status, _, body = app.get(path)
    assert (status, body) == (404, ""), "the app has answered"
