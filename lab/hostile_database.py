"""What a malicious migration can leave in a database, to be run by whoever reads, dumps, restores or provisions it.

Each trap writes the role that it runs as to the server's log: that shows also where a transaction cannot write or is undone. A statement
that smuggles itself into others makes a superuser of the migrator.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from lab.story import App

MARK = "fairlead-trap"

CANARY = f"""
CREATE FUNCTION public.canary(place text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN RAISE LOG '{MARK} % ran as %', place, current_user; RETURN true; END $$;
"""
# Functions and operators that hide PostgreSQL's own (CVE-2018-1058), once the database's search_path has `public` first.
SHADOWS = """
CREATE FUNCTION public.pg_database_size(name) RETURNS bigint LANGUAGE sql AS $$ SELECT 7 WHERE public.canary('pg_database_size') $$;
CREATE FUNCTION public.pg_get_userbyid(oid) RETURNS name LANGUAGE sql AS $$ SELECT 'postgres' WHERE public.canary('pg_get_userbyid') $$;
CREATE FUNCTION public.quote_ident(text) RETURNS text LANGUAGE sql AS $$ SELECT $1 WHERE public.canary('quote_ident') $$;
CREATE FUNCTION public.equal(name, name) RETURNS boolean LANGUAGE sql AS
  $$ SELECT $1 OPERATOR(pg_catalog.=) $2 AND public.canary('operator') $$;
CREATE OPERATOR public.= (LEFTARG = name, RIGHTARG = name, FUNCTION = public.equal);
"""
# What a census or a restore evaluates. `accentless` finds its extension by search_path only, which a dump does not have.
EVALUATED = """
CREATE EXTENSION unaccent SCHEMA public;
CREATE FUNCTION public.accentless(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT unaccent($1) $$;
CREATE FUNCTION public.noted(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT $1 WHERE public.canary('generated') $$;
CREATE TABLE public.traps (
  id integer PRIMARY KEY, name text CHECK (public.canary('check')),
  plain text GENERATED ALWAYS AS (public.accentless(name)) STORED, noted text GENERATED ALWAYS AS (public.noted(name)) STORED);
CREATE INDEX traps_expression ON public.traps ((public.canary('index')));
CREATE FUNCTION public.trap_text(public.traps) RETURNS text LANGUAGE sql AS $$ SELECT 'x' WHERE public.canary('cast') $$;
CREATE CAST (public.traps AS text) WITH FUNCTION public.trap_text(public.traps);
CREATE FUNCTION public.on_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM public.canary('trigger'); RETURN NEW; END $$;
CREATE TRIGGER noted BEFORE INSERT ON public.traps FOR EACH ROW EXECUTE FUNCTION public.on_row();
ALTER TABLE public.traps ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.traps FORCE ROW LEVEL SECURITY;
CREATE POLICY everybody ON public.traps USING (public.canary('policy'));
CREATE MATERIALIZED VIEW public.trapped AS SELECT id FROM public.traps WHERE public.canary('materialized view');
INSERT INTO public.traps (id, name) VALUES (1, 'café'), (2, 'thé');
"""
# Accepted as a schema's name, and read as a statement by whoever pastes it into one.
SETTINGS = """
ALTER DATABASE {database} SET search_path = public, pg_catalog;
SELECT set_config('search_path', 'public,x;ALTER/**/ROLE/**/{migrator}/**/SUPERUSER', false);
ALTER ROLE {migrator} IN DATABASE {database} SET search_path FROM CURRENT;
"""
VIEW = """
ALTER TABLE alembic_version RENAME TO alembic_version_aside;
CREATE VIEW alembic_version AS SELECT version_num FROM alembic_version_aside WHERE public.canary('version table');
"""
NO_VIEW = """
DROP VIEW alembic_version;
ALTER TABLE alembic_version_aside RENAME TO alembic_version;
"""


# In the database that is the app's now, which may be a restored one.
UNDO = """
ALTER DATABASE {database} RESET search_path;
ALTER ROLE {migrator} IN DATABASE {database} RESET search_path;
DROP OPERATOR public.= (name, name);
DROP MATERIALIZED VIEW public.trapped;
DROP CAST (public.traps AS text);
DROP FUNCTION public.trap_text(public.traps);
DROP TABLE public.traps;
DROP FUNCTION public.equal(name, name), public.pg_database_size(name), public.pg_get_userbyid(oid), public.quote_ident(text),
  public.on_row(), public.noted(text), public.accentless(text), public.canary(text);
DROP EXTENSION unaccent;
"""


def _names(app: App) -> dict[str, str]:
    return {"database": app.name, "migrator": f"{app.name}_migrator"}


@contextmanager
def planted(app: App) -> Iterator[None]:
    """A migration has left all of these traps but `VIEW` in the app's database."""
    run_as(app, f"{app.name}_migrator", CANARY + EVALUATED + SHADOWS + SETTINGS.format(**_names(app)))
    try:
        yield
    finally:
        run_as(app, f"{app.name}_migrator", UNDO.format(**_names(app)))


@contextmanager
def planted_view(app: App) -> Iterator[None]:
    """A migration has put a view in the place of the version table."""
    run_as(app, f"{app.name}_migrator", CANARY + VIEW)
    try:
        yield
    finally:
        run_as(app, f"{app.name}_migrator", NO_VIEW + "DROP FUNCTION public.canary(text);")


def run_as(app: App, role: str, script: str, database: str | None = None) -> str:
    """Run SQL as a role, and return the bare answer. Raises AssertionError with the server's words."""
    options = ("--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1")
    command = ("psql", *options, "--username", role, "--dbname", database or app.name)
    done = app.host.run(["docker", "exec", "--interactive", f"{app.name}-data-postgres-1", *command], stdin=script)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def roles_that_ran(app: App) -> set[str]:
    """The roles that traps ran as since the app's server was started, as its log has them."""
    logs = app.host.run(["docker", "logs", f"{app.name}-data-postgres-1"])
    lines = [line for line in (logs.stdout + logs.stderr).splitlines() if f"LOG:  {MARK} " in line]
    return {line.rpartition(" ran as ")[2].strip() for line in lines}
