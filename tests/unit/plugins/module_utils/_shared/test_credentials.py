"""What looks like a credential is told from what only talks about one."""

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared import credentials

SECRET = [
    ("DATABASE_PASSWORD", "hunter2hunter2"),
    ("DB_PASS", "x1"),
    ("DB_PASS", 123456),
    ("PGPASSWORD", "hunter2"),
    ("AUTHTOKEN", "abc"),
    ("databasePassword", "hunter2"),
    ("database_password", "hunter2"),
    ("SECRET_KEY", "changethis"),
    ("DJANGO_SECRET", "abc"),
    ("JWT_SECRET", "abc"),
    ("API_KEY", "abc123"),
    ("APIKEY", "abc123"),
    ("ENCRYPTION_KEYS", "a,b"),
    ("AWS_SECRET_ACCESS_KEY", "abc/def+ghi"),
    ("GITHUB_TOKEN", "abc"),
    ("SLACK_BOT_TOKEN", "abc"),
    ("SMTP_CREDENTIALS", "user:x"),
    ("PASSWORD_SALT", "abc"),
    # By the value, whatever the name.
    ("DATABASE_URL", "postgresql+asyncpg://shop:s3cr3t@postgres/shop"),
    ("DATABASE_URL", "postgres://shop:s3/cr3t@postgres:5432/shop"),
    ("REDIS", "redis://:s3cr3t@redis:6379/0"),
    ("HTTP_PROXY", "http://me:s3cr3t@proxy:3128"),
    ("DSN", "host=db password=s3cr3t dbname=shop"),
    ("DATABASE_URL", "postgresql://db/shop?user=a&password=s3cr3t"),
    ("OPENAI", "sk-proj-abcdefghijklmnop1234"),
    ("STRIPE", "sk_live_abcdefgh12345678"),
    ("GH", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"),
    ("PEM", "-----BEGIN RSA PRIVATE KEY-----\nabc"),
    ("URLS", ["http://a", "amqp://u:s3cr3t@mq/"]),
]
OPEN = [
    ("DATABASE_HOST", "postgres"),
    ("DATABASE_USER", "shop"),
    ("DATABASE_URL", "postgresql://shop@postgres/shop"),
    ("DATABASE_URL", "postgresql://postgres:5432/shop"),
    ("REDIS_URL", "redis://redis:6379/0"),
    ("CALLBACK", "http://host:8080/path@home"),
    ("DATABASE_PASSWORD_FILE", "/run/secrets/database_password"),
    ("DATABASE_PASSWORD", "/run/secrets/database_password"),
    ("DATABASE_PASSWORD", ""),
    ("DATABASE_PASSWORD", None),
    ("SECRET_NAME", "shop-production"),
    ("SECRET", "arn:aws:secretsmanager:eu-central-1:1:secret:shop"),
    ("TOKEN_URL", "https://login.example.com/token"),
    ("OAUTH_TOKEN", "https://login.example.com/token"),
    ("KEYCLOAK_URL", "https://keycloak.example.com"),
    ("KEYCLOAK_REALM", "shop"),
    ("PUBLIC_KEY", "-----BEGIN PUBLIC KEY-----\nabc"),
    ("JWT_PUBLIC_KEY", "abc"),
    ("STRIPE_PUBLISHABLE_KEY", "pk_live_abc"),
    ("CACHE_KEY", "shop"),
    ("KEY", "value"),
    ("REDIS_KEY_PREFIX", "shop:"),
    ("API_KEY_HEADER", "X-Api-Key"),
    ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
    ("ACCESS_TOKEN_EXPIRE_MINUTES", 11520),
    ("JWT_TOKEN_LOCATION", "headers"),
    ("MAX_TOKENS", 4096),
    ("TOKENIZERS_PARALLELISM", False),
    ("PASSWORD_MIN_LENGTH", 12),
    ("PASSWORD_HASHER", "argon2"),
    ("PASSWORD_LOGIN", True),
    ("USE_TOKEN", "yes"),
    ("MONKEY", "see"),
    ("COMPASS", "north"),
    ("PWD", "/app"),
    ("SENTRY_DSN", "https://abc@o1.ingest.sentry.io/1"),
    ("LOG_LEVEL", "info"),
    ("ORIGINS", ["https://a.example"]),
]


@pytest.mark.parametrize(("name", "value"), SECRET)
def test_a_credential(name: str, value: object) -> None:
    assert credentials.looks_secret(name, value)


@pytest.mark.parametrize(("name", "value"), OPEN)
def test_no_credential(name: str, value: object) -> None:
    assert not credentials.looks_secret(name, value)


def test_all_are_named() -> None:
    assert credentials.found_in({"B_TOKEN": "x", "A_KEY": "y", "HOST": "z"}) == ["A_KEY", "B_TOKEN"]
