# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A new database beside the app's, with all that belongs to a database and is in no dump.

The superuser works in it only while it is empty and closed to everybody else. Nothing that a migration may have written, such as the
value of a setting, becomes a part of a statement.
"""

from __future__ import annotations

from typing import List, Sequence

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.connection import DESK
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.database import Database
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.sql import identifier, literal

SECONDS = 120.0
CLOSED, OPEN = 0, -1
# Which columns tell of a locale differs between major versions, so they are asked for by name.
_CREATE = """
SELECT format('CREATE DATABASE %I TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L', {new}, pg_encoding_to_char(encoding),
              datcollate, datctype)
       || CASE to_jsonb(d)->>'datlocprovider'
            WHEN 'i' THEN format(' LOCALE_PROVIDER icu ICU_LOCALE %L', coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale'))
            WHEN 'b' THEN format(' LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', to_jsonb(d)->>'datlocale')
            ELSE '' END
       || ' CONNECTION LIMIT {closed}'
FROM pg_database d WHERE datname = {live} \\gexec
"""
_HAND_OVER = """
SELECT format('ALTER DATABASE %I OWNER TO %I', {new}, pg_get_userbyid(datdba)) FROM pg_database WHERE datname = {live} \\gexec
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', {new}) FROM pg_database WHERE datname = {live} AND datacl IS NOT NULL \\gexec
SELECT format('GRANT %s ON DATABASE %I TO %s', privilege_type, {new},
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
       || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
FROM pg_database, aclexplode(datacl) WHERE datname = {live} AND grantee <> datdba \\gexec
SELECT format('ALTER DATABASE %I CONNECTION LIMIT %s', {new}, datconnlimit) FROM pg_database WHERE datname = {live} \\gexec
"""
# Role (empty for all), name and value. Which role a session has is nothing that a copy has to keep.
_SETTINGS = """
SELECT CASE setrole WHEN 0 THEN '' ELSE pg_get_userbyid(setrole) END, split_part(line, '=', 1), substr(line, strpos(line, '=') + 1)
FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase, unnest(setconfig) AS line
WHERE datname = {live} AND split_part(line, '=', 1) NOT IN ('role', 'session_authorization')
ORDER BY 1, 2;
"""
# The value goes through set_config as a value, whatever is in it; one that the server refuses keeps nobody from a restore.
_SETTING = """
BEGIN
  PERFORM pg_catalog.set_config({name}, {value}, true);
  ALTER {whose} SET {quoted} FROM CURRENT;
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'a setting was not copied: %', SQLERRM;
END;
PERFORM pg_catalog.set_config('search_path', 'pg_catalog', true);"""
# Those that only a superuser may make. What the migrator may make is in the dump, and is made by the restore.
_EXTENSIONS = """
SELECT extname, nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace JOIN pg_roles r ON r.oid = extowner
WHERE rolsuper AND extname <> 'plpgsql' ORDER BY e.oid;
"""
_EXTENSION = """
SELECT format('CREATE SCHEMA %I AUTHORIZATION %I', {schema}, {owner})
WHERE NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = {schema}) \\gexec
SELECT format('CREATE EXTENSION IF NOT EXISTS %I SCHEMA %I CASCADE', {name}, {schema}) \\gexec
"""


def create(database: Database, name: str) -> None:
    """Create an empty database with the owner, locale, settings, privileges and superuser's extensions that the app's has.

    Raises:
        ReleaseError: DB_QUERY_FAILED.
    """
    if not exists(database, database.name):
        owner = identifier(database.owner)
        database.query(f"CREATE DATABASE {identifier(name)} TEMPLATE template0 OWNER {owner};", SECONDS, DESK, admin=True)
        give_schema(database, name)
        return
    words = {"new": literal(name), "live": literal(database.name), "closed": CLOSED if database.container else OPEN}
    database.query(_CREATE.format(**words), SECONDS, DESK, admin=True)
    give_schema(database, name)
    copy_extensions(database, database, name)
    database.query(_HAND_OVER.format(**words), SECONDS, DESK, admin=True)
    copy_settings(database, database, name)


def give_schema(database: Database, name: str) -> None:
    """Have the schema `public` of an empty database belong to the migrator, where it would be the superuser's.

    Raises:
        ReleaseError: DB_QUERY_FAILED.
    """
    if database.container is not None:
        database.query(f"ALTER SCHEMA public OWNER TO {identifier(database.owner)};", database=name, admin=True)


def copy_extensions(source: Database, target: Database, name: str) -> None:
    """Create in an empty database the extensions that a superuser made in the app's; elsewhere nobody could.

    Args:
        source: whose extensions are copied.
        target: the server that has the empty database, and that runs here.
        name: of the empty database.

    Raises:
        ReleaseError: DB_QUERY_FAILED.
    """
    if source.container is None:
        return
    for extension, schema in source.query(_EXTENSIONS, database=source.name, admin=True):
        words = {"name": literal(extension), "schema": literal(schema), "owner": literal(target.owner)}
        target.query(_EXTENSION.format(**words), SECONDS, name, admin=True)


def copy_settings(source: Database, target: Database, name: str) -> None:
    """Give a database the settings that the app's has, for all roles and for single ones.

    Args:
        source: whose settings are copied.
        target: the server that has the other database.
        name: of that database.

    Raises:
        ReleaseError: DB_QUERY_FAILED.
    """
    rows = source.query(_SETTINGS.format(live=literal(source.name)), SECONDS, DESK, admin=True)
    if rows:
        target.query(settings_script(rows, name), SECONDS, DESK, admin=True)


def settings_script(rows: Sequence[Sequence[str]], name: str) -> str:
    """Return the SQL that gives a database settings, each as role (empty for all), name and value."""
    steps: List[str] = []
    for role, setting, value in rows:
        whose = f"ROLE {identifier(role)} IN DATABASE {identifier(name)}" if role else f"DATABASE {identifier(name)}"
        # Quoted, the dot in the name of an extension's setting would not be one.
        quoted = ".".join(identifier(part) for part in setting.split("."))
        steps.append(_SETTING.format(name=literal(setting), value=literal(value), whose=whose, quoted=quoted))
    return f"DO {literal('BEGIN' + ''.join(steps) + ' END')};"


def exists(database: Database, name: str) -> bool:
    """Tell whether there is a database of this name.

    Raises:
        ReleaseError: DB_UNREACHABLE or DB_QUERY_FAILED.
    """
    return bool(database.query(f"SELECT 1 FROM pg_database WHERE datname = {literal(name)};", database=DESK, admin=True))
