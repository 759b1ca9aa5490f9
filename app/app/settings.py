"""Settings from the environment and from files in /run/secrets, checked once before anything starts."""

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

# Left between the last response and gunicorn's SIGKILL for closing pools and flushing logs.
CLOSING_SECONDS = 3

Name = Annotated[str, Field(min_length=1, max_length=255)]
Port = Annotated[int, Field(ge=1, le=65535)]
Secret = Annotated[SecretStr, Field(min_length=1)]
Seconds = Annotated[float, Field(gt=0, le=3600)]


class Settings(BaseSettings):
    """One field per environment variable of the same name in upper case; every field may also be a secret file."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)

    database_host: Name
    database_port: Port = 5432
    database_name: Name
    database_user: Name
    database_password: Secret
    # Per worker: the server sees at most workers * (pool size + overflow) connections.
    database_pool_size: int = Field(5, ge=1, le=100)
    database_max_overflow: int = Field(5, ge=0, le=100)
    # Longer than a stall of a busy host, shorter than the request's own limit: waiting is better than being refused.
    database_pool_timeout_seconds: Seconds = 15
    # A starved machine may need seconds for a handshake that takes milliseconds elsewhere.
    database_connect_timeout_seconds: Seconds = 10

    redis_host: Name
    redis_port: Port = 6379
    redis_password: Secret | None = None
    redis_timeout_seconds: Seconds = 1
    cache_ttl_seconds: int = Field(60, ge=1)

    release: str = Field("dev", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
    app_version: str = Field("dev", pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$")
    log_level: Literal["debug", "info", "warning", "error", "critical"] = "info"

    bind: str = Field("0.0.0.0:8000", pattern=r"^(unix:/.+|.+:\d{1,5})$")
    web_concurrency: int | None = Field(None, ge=1, le=128)
    max_requests: int = Field(2000, ge=0)
    graceful_timeout_seconds: int = Field(30, ge=5, le=3600)
    request_timeout_seconds: Seconds = 25
    long_poll_limit_seconds: Seconds = 20
    # Event streams and long polls of one worker. Each holds a connection for as long as its client likes.
    waiting_clients_limit: int = Field(500, ge=1)
    startup_wait_seconds: float = Field(30, ge=0, le=600)
    ready_timeout_seconds: Seconds = 2
    # The outcome of the checks is used again for this long: anybody may ask, and each check is a query.
    ready_cache_seconds: float = Field(0.5, ge=0, le=60)
    body_limit_bytes: int = Field(1024 * 1024, ge=1)
    sse_heartbeat_seconds: float = Field(1, gt=0, le=60)

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _limits_nest(self) -> Self:
        """A request must be able to end within the stop, and a long poll within its request."""
        if self.request_timeout_seconds >= self.drain_seconds:
            raise ValueError(f"request_timeout_seconds must be less than graceful_timeout_seconds - {CLOSING_SECONDS}")
        if self.long_poll_limit_seconds >= self.request_timeout_seconds:
            raise ValueError("long_poll_limit_seconds must be less than request_timeout_seconds")
        return self

    @property
    def drain_seconds(self) -> int:
        """Time that requests in flight get after SIGTERM."""
        return self.graceful_timeout_seconds - CLOSING_SECONDS


class SettingsError(Exception):
    """The settings are wrong; the message lists every problem and no value."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        lines = "".join(f"\n  - {problem}" for problem in problems)
        super().__init__(f"{len(problems)} problem(s) in the settings (environment or files in /run/secrets):{lines}")


def load_settings() -> Settings:
    """Read the settings; the directory of secret files is $SECRETS_DIR or /run/secrets.

    Raises SettingsError with all problems at once.
    """
    directory = Path(os.environ.get("SECRETS_DIR", "/run/secrets"))
    files = _secret_files(directory)
    problems = _unreadable(files)
    unread = files if problems else {}
    try:
        settings = Settings(_secrets_dir=directory if files and not problems else None)
    except ValidationError as error:
        for item in error.errors(include_input=False, include_url=False, include_context=False):
            name = str(item["loc"][0]).upper() if item["loc"] else ""
            if name not in unread:
                problems[name] = ": ".join(filter(None, (name, item["msg"])))
    if problems:
        raise SettingsError(list(problems.values())) from None
    return settings


def settings_or_exit() -> Settings:
    """The settings, or the end of the process with exit code 1 and the problems on stderr."""
    try:
        return load_settings()
    except SettingsError as error:
        raise SystemExit(f"shop cannot start: {error}") from None


def _secret_files(directory: Path) -> dict[str, Path]:
    """The secret files that settings are named after, by variable."""
    files = sorted(directory.iterdir()) if directory.is_dir() else []
    return {file.name.upper(): file for file in files if file.name.lower() in Settings.model_fields}


def _unreadable(files: dict[str, Path]) -> dict[str, str]:
    """One problem for each file that this user may not read."""
    reader = f"uid {os.getuid()}, gid {os.getgid()}"
    return {
        name: f"{name}: {file} is not readable by {reader}"
        for name, file in files.items()
        if not os.access(file, os.R_OK)
    }
