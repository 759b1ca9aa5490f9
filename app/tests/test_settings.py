import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import Settings, SettingsError, load_settings
from tests.server import ROOT

REQUIRED = {"DATABASE_HOST": "db", "DATABASE_NAME": "shop", "DATABASE_USER": "shop", "REDIS_HOST": "cache"}


@pytest.fixture
def secrets_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Only REQUIRED is set, and one secret file."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))
    (tmp_path / "database_password").write_text("s3cret\n")
    return tmp_path


def test_secrets_are_files_and_the_rest_has_defaults(secrets_dir: Path) -> None:
    settings = load_settings()
    assert settings.database_password.get_secret_value() == "s3cret"
    assert (settings.database_port, settings.redis_password, settings.release) == (5432, None, "dev")
    assert "s3cret" not in repr(settings)


def test_secrets_may_come_from_the_environment(secrets_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRETS_DIR", str(secrets_dir / "absent"))
    monkeypatch.setenv("DATABASE_PASSWORD", "from-env")
    assert load_settings().database_password.get_secret_value() == "from-env"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("DATABASE_HOST", "", "DATABASE_HOST: Field required"),
        ("DATABASE_PORT", "70000", "DATABASE_PORT: Input should be less than or equal to 65535"),
        ("DATABASE_PORT", "five", "DATABASE_PORT: Input should be a valid integer"),
        ("DATABASE_POOL_SIZE", "0", "DATABASE_POOL_SIZE: Input should be greater than or equal to 1"),
        ("LOG_LEVEL", "loud", "LOG_LEVEL: Input should be 'debug', 'info'"),
        ("BIND", "8000", "BIND: String should match pattern"),
        ("RELEASE", "r1\nX-Evil: 1", "RELEASE: String should match pattern"),
        ("WEB_CONCURRENCY", "0", "WEB_CONCURRENCY: Input should be greater than or equal to 1"),
        ("REQUEST_TIMEOUT_SECONDS", "27", "request_timeout_seconds must be less than graceful_timeout_seconds - 3"),
        ("LONG_POLL_LIMIT_SECONDS", "25", "long_poll_limit_seconds must be less than request_timeout_seconds"),
    ],
)
def test_a_wrong_value_is_named(
    secrets_dir: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert message in str(caught.value)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("level", ["DEBUG", "Info", "warning"])
def test_log_level_ignores_case(secrets_dir: Path, monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    monkeypatch.setenv("LOG_LEVEL", level)
    assert load_settings().log_level == level.lower()


def test_an_unreadable_secret_is_named_once(secrets_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets_dir / "redis_password").touch()
    # Root may read any file, so the refusal is simulated where the process asks for it.
    monkeypatch.setattr(os, "access", lambda path, mode: path.name != "redis_password")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    (problem,) = caught.value.problems
    assert problem.startswith(f"REDIS_PASSWORD: {secrets_dir}/redis_password is not readable by uid ")


@pytest.mark.parametrize("command", [["gunicorn", "--config", "gunicorn.conf.py"], ["alembic", "upgrade", "head"]])
def test_all_problems_are_told_at_once_without_values(command: list[str], tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    environment |= {"SECRETS_DIR": str(tmp_path), "DATABASE_PORT": "hunter2", "LOG_LEVEL": "hunter2"}
    run = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=20
    )
    assert run.returncode == 1
    for name in [*REQUIRED, "DATABASE_PASSWORD", "DATABASE_PORT", "LOG_LEVEL"]:
        assert run.stderr.count(f"  - {name}: ") == 1
    assert "7 problem(s)" in run.stderr
    assert "hunter2" not in run.stdout + run.stderr
    assert "Traceback" not in run.stderr
