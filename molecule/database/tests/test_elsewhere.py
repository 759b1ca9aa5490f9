"""A PostgreSQL that is elsewhere: asked over TLS that is verified, migrated by its own role, backed up by a client's container."""

import json
from datetime import timedelta

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import MIGRATION_LOCK

from lab import authority, external_database, faults, paths
from lab.external_database import ADDRESS
from lab.story import App

NAME = "elsewhere"
AUTHORITY = f"/opt/fairlead/{NAME}/database/root.crt"


@pytest.fixture(scope="module")
def elsewhere() -> App:
    """Another app on the host, which has no PostgreSQL there."""
    external_database.make(NAME)
    # The app's driver reads PGSSLMODE: it talks TLS or not at all.
    env = {"DATABASE_HOST": str(ADDRESS), "DATABASE_NAME": NAME, "DATABASE_USER": NAME, "REDIS_HOST": "redis", "PGSSLMODE": "require"}
    variables = {
        "app_env": env,
        "data_services_postgres": False,
        "app_database_url": external_database.url(NAME),
        "app_database_ca": paths.CA_CERTIFICATE.read_text(),
    }
    return App(NAME, variables=variables)


@pytest.mark.fault(
    row=30, fault="database elsewhere shows a certificate of another authority", code="DB_UNREACHABLE", serves="–", says="what libpq says"
)
def test_provisioning_refuses_a_database_whose_certificate_does_not_verify(elsewhere: App) -> None:
    play = elsewhere.play("provision", app_database_ca=another_authority()).failed_with("DB_UNREACHABLE")
    assert "certificate verify failed" in play.unfolded


def test_a_release_is_deployed(elsewhere: App) -> None:
    elsewhere.play("site", image_tag="v1").succeeded()
    assert revision() == "0001"
    assert tls_of(NAME) == "t"
    settings = external_database.sql(NAME, f"SELECT rolconfig FROM pg_roles WHERE rolname = '{NAME}_migrator'")
    assert "lock_timeout=5s" in settings, settings
    assert (
        external_database.sql(NAME, "SELECT setconfig FROM pg_db_role_setting WHERE setrole = 'elsewhere_migrator'::regrole").count("=")
        >= 4
    )


@pytest.mark.fault(
    row=30,
    fault="the certificate of a database elsewhere is not trusted",
    code="DB_UNREACHABLE",
    serves="the old release",
    says="what libpq says",
)
def test_a_deploy_changes_nothing_when_the_database_does_not_prove_itself(elsewhere: App) -> None:
    live, running = elsewhere.live, elsewhere.running()
    trusted = elsewhere.on_host("cat", AUTHORITY)
    faults.damage(elsewhere, AUTHORITY, another_authority())
    play = elsewhere.deploy("v2").failed_with("DB_UNREACHABLE")
    faults.damage(elsewhere, AUTHORITY, trusted)
    assert "certificate verify failed" in play.unfolded
    assert (elsewhere.live, elsewhere.running(), revision()) == (live, running, "0001")
    elsewhere.assert_tidy()


@pytest.mark.fault(
    row=124,
    fault="the app's own role holds the lock for migrations in a database elsewhere",
    code="MIGRATION_BUSY",
    serves="the old release",
    says="which role, and how to end its session",
)
def test_a_lock_that_the_app_holds_is_reported_and_delays_no_backup(elsewhere: App) -> None:
    with external_database.session(NAME, NAME, f"SELECT pg_advisory_lock({MIGRATION_LOCK})"):
        play = elsewhere.deploy("v2").failed_with("MIGRATION_BUSY")
        elsewhere.on_host("systemctl", "start", f"fairlead-backup-{NAME}.service")
    said = play.unfolded
    assert f"({NAME}, " in said and "a role that migrates nothing; to end its session: SELECT pg_terminate_backend(" in said
    assert revision() == "0001"


def test_a_backup_is_proved_without_what_only_the_provider_can_make(elsewhere: App) -> None:
    external_database.sql(NAME, f'CREATE EXTENSION IF NOT EXISTS pg_stat_statements; ALTER ROLE "{NAME}_migrator" CREATEDB')
    elsewhere.play("backup").succeeded()
    said = elsewhere.play("restore_drill").succeeded().unfolded
    assert "was restored and compared" in said
    assert "Left out, as the owner of the schema may not make it: CREATE EXTENSION IF NOT EXISTS pg_stat_statements" in said


def test_a_migration_is_planned_and_backed_up_from_here(elsewhere: App) -> None:
    external_database.sql(NAME, "INSERT INTO items (name, reference) SELECT 'item ' || n, 'r' || n FROM generate_series(1, 40) n")
    elsewhere.deploy("v2").succeeded()
    assert revision() == "0002"
    newest = elsewhere.on_host("sh", "-c", f"ls /opt/fairlead/{NAME}/backups/2*.json").split()[-1]
    manifest = json.loads(elsewhere.on_host("cat", newest))
    assert (manifest["kind"], manifest["revision"], manifest["tables"]["public.items"]["rows"]) == ("migration", ["0001"], 40)
    assert elsewhere.releases[elsewhere.live]["schema"]["backup"] == manifest["id"]


def test_rollback_goes_by_the_schema_that_is_elsewhere(elsewhere: App) -> None:
    elsewhere.rollback().succeeded()
    assert elsewhere.releases[elsewhere.live]["tag"] == "v1"
    status, _, body = elsewhere.get("/items?limit=1")
    assert (status, len(json.loads(body)) > 0) == (200, True)
    elsewhere.assert_tidy()


def another_authority() -> str:
    """A certificate that signed nothing of the database's."""
    return authority.issue(["another.lab"], timedelta(days=1)).certificate


def revision() -> str:
    """The schema's revision in the database elsewhere."""
    return external_database.sql(NAME, "SELECT version_num FROM alembic_version")


def tls_of(user: str) -> str:
    """Whether the sessions of a role are encrypted."""
    query = f"SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = '{user}'"
    return external_database.sql(NAME, query)
