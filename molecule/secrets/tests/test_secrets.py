"""Secrets stay where they belong: looked for everywhere else, in several spellings, while deploys run."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from lab import paths
from lab.story import App

PLANTED = ("database_password", "migrator_password", "redis_password", "registry_password")
# A process that lives shorter than this may be missed in one sample; a deploy starts dozens of each kind.
SAMPLE_SECONDS = 0.01


@pytest.fixture(scope="module")
def spellings() -> list[str]:
    """Each planted secret, plain and encoded."""
    found = []
    for name in PLANTED:
        secret = (paths.STATE / name).read_text().strip()
        assert len(secret) >= 16
        found += [secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()]
    return found


@contextmanager
def process_lists() -> Iterator[set[str]]:
    """Collect command lines and environments of every process started meanwhile, on this machine and in its lab hosts."""
    seen: set[str] = set()
    old = {process.name for process in Path("/proc").glob("[0-9]*")}
    done = threading.Event()

    def sample() -> None:
        while not done.wait(SAMPLE_SECONDS):
            for process in Path("/proc").glob("[0-9]*"):
                if process.name in old:
                    continue
                for name in ("cmdline", "environ"):
                    try:
                        seen.add((process / name).read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                    except OSError:
                        continue  # it has ended

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield seen
    finally:
        done.set()
        sampler.join()


def found(spellings: list[str], text: str) -> list[int]:
    """Which spellings occur, by number, so that a failing test does not print them."""
    return [number for number, spelling in enumerate(spellings) if spelling in text]


@pytest.mark.parametrize(("tag", "limits"), [("v2", {}), ("bad_migration", {}), ("never_ready", {"app_release_ready_seconds": 5})])
def test_not_in_output_or_process_lists_of_a_deploy(app: App, spellings: list[str], tag: str, limits: dict[str, int]) -> None:
    with process_lists() as seen:
        play = app.deploy(tag, "-vvv", "--diff", **limits)
    assert (play.code == 0) == (tag == "v2")
    assert found(spellings, play.output) == []
    assert any("docker" in line for line in seen), "nothing of the deploy was sampled"
    assert found(spellings, "\n".join(seen)) == []


def test_not_in_output_when_a_secret_changes(app: App, spellings: list[str]) -> None:
    kept = {name: f"{{{{ vault_{name} }}}}" for name in ("database_password", "redis_password")}
    changed = {**kept, "extra": "planted-1234567890"}
    play = app.deploy("v2", "-vvv", "--diff", "--check", app_secrets=changed).succeeded()
    assert "extra: (set)" in play.unfolded
    assert found(spellings, play.output) == []


@pytest.mark.fault(
    row=134,
    fault="a password in app_env instead of app_secrets",
    code="CONFIG",
    serves="the old release",
    says="which variable it is and how to write it, not the password",
)
def test_a_password_in_the_environment_is_refused_and_not_shown(app: App, tmp_path: Path) -> None:
    planted = "planted-0987654321"
    variables = tmp_path / "variables.yml"
    exposed = {"DATABASE_URL": f"postgresql://shop:{planted}@postgres/shop", "SMTP_PASSWORD": planted}
    variables.write_text(json.dumps({"app_env": app.env(**exposed)}))
    for words in ((), ("--check", "--diff")):
        play = app.deploy("v2", "-vvv", *words, "-e", f"@{variables}").failed_with("CONFIG")
        assert "app_env.DATABASE_URL" in play.unfolded and "app_env.SMTP_PASSWORD" in play.unfolded and "app_secrets" in play.unfolded
        assert planted not in play.output
    excepted = app.deploy("v2", "--check", "--diff", "-e", f"@{variables}", app_env_public=["DATABASE_URL", "SMTP_PASSWORD"])
    assert "SMTP_PASSWORD" in excepted.succeeded().unfolded and planted not in excepted.output


def test_not_in_containers_or_logs(app: App, spellings: list[str]) -> None:
    for identifier in app.on_host("docker", "ps", "--all", "--quiet").split():
        assert found(spellings, app.on_host("docker", "inspect", identifier)) == []
        logs = app.host.run(["docker", "logs", identifier])
        assert found(spellings, logs.stdout + logs.stderr) == []
    assert found(spellings, app.on_host("journalctl", "--no-pager", "--quiet")) == []


def test_not_in_files_that_others_can_read(app: App, spellings: list[str]) -> None:
    search = ("grep", "-rslF", *(word for spelling in spellings for word in ("-e", spelling)))
    hits = app.host.run([*search, "/etc", "/opt", "/home", "/root", "/run", "/tmp", "/var/lib/fairlead", "/var/log"]).stdout.split()
    assert hits, "the secrets must be somewhere"
    for file in hits:
        reachable = app.host.run(["runuser", "-u", "ops", "--", "test", "-r", file]).returncode == 0
        assert not reachable, f"{file} holds a secret and can be read by others"
        assert app.on_host("stat", "--format=%a", file).strip() in ("400", "600"), file


def test_not_left_behind_by_the_registry_login(app: App, spellings: list[str]) -> None:
    assert app.host.run(["ls", "/root/.docker/config.json"]).returncode != 0
    app.assert_tidy()
