# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may do what in the app's database, and which statements make it so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import scram
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import version_table as _version_table
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.sql import identifier, literal
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import MASK
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.postgres import READER, SUPERUSER

ATTRIBUTES = frozenset({"LOGIN", "INHERIT"})
_ATTRIBUTES = "LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION {}"
# Dumps and counts what belongs to the migrator, also where a table shows its owner only some of its rows. It has no password.
READER_ATTRIBUTES = ATTRIBUTES | {"BYPASSRLS"}
# How long provisioning waits for a lock: longer, and the app's own queries would queue up behind it.
LOCK_SECONDS = 5
# Connections that the app cannot take: for migrations, backups, drills and questions. Superusers have their own (three by default).
RESERVED = 10

_DML = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
# What the app's role may do with each kind of thing; PUBLIC, which is everybody, nothing. Types are for all who may use their schema.
GRANTS: Dict[str, FrozenSet[str]] = {
    "DATABASE": frozenset({"CONNECT"}),
    "SCHEMA": frozenset({"USAGE"}),
    "TABLE": _DML,
    "VIEW": _DML,
    "MATERIALIZED VIEW": _DML,
    "FOREIGN TABLE": _DML,
    "SEQUENCE": frozenset({"USAGE", "SELECT"}),
    "ROUTINE": frozenset({"EXECUTE"}),
}
# The same for what the migrator will make.
DEFAULTS = {"TABLES": _DML, "SEQUENCES": GRANTS["SEQUENCE"], "FUNCTIONS": GRANTS["ROUTINE"], "SCHEMAS": GRANTS["SCHEMA"]}
# GRANT has one word for all that is read like a table.
_TABLES = frozenset({"VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE"})

# Rows: role, name, attributes, verifier | setting, name=value | object, kind, name, owner, of the app's role, of PUBLIC
#       | default, kind, of the app's role, of PUBLIC | open, name of a database that PUBLIC may use
#       | reads, name of a role that the reader is a member of | limit, connections for all but superusers, the app's role's limit.
# What belongs to an extension is left to it.
_STATE = """
SELECT 'role', rolname, concat_ws(' ', CASE WHEN rolcanlogin THEN 'LOGIN' END, CASE WHEN rolinherit THEN 'INHERIT' END,
         CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolcreatedb THEN 'CREATEDB' END, CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
         CASE WHEN rolreplication THEN 'REPLICATION' END, CASE WHEN rolbypassrls THEN 'BYPASSRLS' END), rolpassword
FROM pg_authid WHERE rolname IN ({superuser}, {migrator}, {user}, {reader});

SELECT 'limit', current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
  coalesce((SELECT rolconnlimit FROM pg_roles WHERE rolname = {user}), -1);

SELECT 'setting', unnest(setconfig) FROM pg_db_role_setting
WHERE setdatabase = 0 AND setrole = (SELECT oid FROM pg_roles WHERE rolname = {migrator});

SELECT 'member', of.rolname FROM pg_auth_members m JOIN pg_roles of ON of.oid = m.roleid JOIN pg_roles who ON who.oid = m.member
WHERE who.rolname = {user} AND of.rolname IN ({superuser}, {migrator});

SELECT 'reads', of.rolname FROM pg_auth_members m JOIN pg_roles of ON of.oid = m.roleid JOIN pg_roles who ON who.oid = m.member
WHERE who.rolname = {reader};

SELECT DISTINCT 'open', datname FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba)))
WHERE datname IN ('postgres', 'template1') AND grantee = 0 ORDER BY 2;

WITH ours AS (SELECT oid, nspname FROM pg_namespace WHERE nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%'),
extension AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
linked AS (SELECT objid FROM pg_depend WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass
           AND refobjsubid > 0 AND deptype IN ('a', 'i')),
object AS (
  SELECT 1 AS place, 'DATABASE' AS kind, quote_ident(datname) AS name, datdba AS owner, coalesce(datacl, acldefault('d', datdba)) AS acl
  FROM pg_database WHERE datname = current_database()
  UNION ALL
  SELECT 2, 'SCHEMA', quote_ident(n.nspname), nspowner, coalesce(nspacl, acldefault('n', nspowner))
  FROM pg_namespace n JOIN ours USING (oid)
  WHERE NOT EXISTS (SELECT FROM extension e WHERE e.classid = 'pg_namespace'::regclass AND e.objid = n.oid)
  UNION ALL
  SELECT 3, CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END,
         format('%I.%I', nspname, relname), relowner, coalesce(relacl, acldefault('r', relowner))
  FROM pg_class c JOIN ours ON ours.oid = relnamespace WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
    AND NOT EXISTS (SELECT FROM extension e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid)
  UNION ALL
  -- The sequence of a column belongs to whom the table does, and follows it.
  SELECT 4, CASE WHEN EXISTS (SELECT FROM linked WHERE objid = c.oid) THEN 'LINKED SEQUENCE' ELSE 'SEQUENCE' END,
         format('%I.%I', nspname, relname), relowner, coalesce(relacl, acldefault('s', relowner))
  FROM pg_class c JOIN ours ON ours.oid = relnamespace WHERE relkind = 'S'
    AND NOT EXISTS (SELECT FROM extension e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid)
  UNION ALL
  SELECT 5, 'ROUTINE', format('%I.%I(%s)', nspname, proname, pg_get_function_identity_arguments(p.oid)), proowner,
         coalesce(proacl, acldefault('f', proowner))
  FROM pg_proc p JOIN ours ON ours.oid = pronamespace
  WHERE NOT EXISTS (SELECT FROM extension e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid)
    -- What superusers' sessions run stays a superuser's.
    AND NOT EXISTS (SELECT FROM pg_event_trigger WHERE evtfoid = p.oid)
  UNION ALL
  SELECT 6, 'TYPE', format('%I.%I', nspname, typname), typowner, NULL
  FROM pg_type t JOIN ours ON ours.oid = typnamespace
  WHERE (typtype IN ('d', 'e', 'r') OR EXISTS (SELECT FROM pg_class c WHERE c.oid = typrelid AND relkind = 'c'))
    AND NOT EXISTS (SELECT FROM extension e WHERE e.classid = 'pg_type'::regclass AND e.objid = t.oid)
)
SELECT 'object', kind, name, pg_get_userbyid(owner),
  (SELECT string_agg(privilege_type, ',') FROM aclexplode(acl) WHERE grantee = (SELECT oid FROM pg_roles WHERE rolname = {user})),
  (SELECT string_agg(privilege_type, ',') FROM aclexplode(acl) WHERE grantee = 0)
FROM object ORDER BY place, name;

SELECT 'default', kind,
  (SELECT string_agg(privilege_type, ',') FROM aclexplode(acl) WHERE grantee = (SELECT oid FROM pg_roles WHERE rolname = {user})),
  (SELECT string_agg(privilege_type, ',') FROM aclexplode(acl) WHERE grantee = 0)
FROM (SELECT kind, coalesce(defaclacl, acldefault(lower(type)::"char", m.oid)) AS acl
      FROM (VALUES ('TABLES', 'r'), ('SEQUENCES', 'S'), ('FUNCTIONS', 'f'), ('SCHEMAS', 'n')) k (kind, type)
      JOIN pg_roles m ON m.rolname = {migrator}
      LEFT JOIN pg_default_acl ON defaclrole = m.oid AND defaclnamespace = 0 AND defaclobjtype = type::"char") d;
"""
# Asked by the role itself, which may know no more than that.
OWN_SETTINGS = """
SELECT 'setting', unnest(setconfig) FROM pg_db_role_setting
WHERE setdatabase = 0 AND setrole = (SELECT oid FROM pg_roles WHERE rolname = current_user);
"""


@dataclass(frozen=True)
class Role:
    """A role that logs in with a password."""

    name: str
    password: str


@dataclass(frozen=True)
class Thing:
    """Something in the database, who owns it, and what the app's role and everybody may do with it."""

    kind: str
    name: str
    owner: str
    user: FrozenSet[str]
    public: FrozenSet[str]


@dataclass(frozen=True)
class Wanted:
    """Who there shall be.

    Args:
        migrator: owns database, schemas and all that is in them.
        user: the app's role; reads and writes, and changes no schema.
        settings: what the migrator's sessions begin with, whatever the driver.
        version_table: that the schema's revision is in, which the app's role only reads.
    """

    migrator: Role
    user: Role
    settings: Mapping[str, str]
    version_table: str = _version_table.DEFAULT

    def privileges(self, thing: Thing) -> Optional[FrozenSet[str]]:
        """Return what the app's role may do with a thing; None where nothing is said of that."""
        names = (thing.name, thing.name.partition(".")[2])
        if thing.kind == "TABLE" and self.version_table.replace('"', "") in (name.replace('"', "") for name in names):
            return frozenset({"SELECT"})
        return GRANTS.get(thing.kind.replace("LINKED ", ""))


@dataclass(frozen=True)
class Known:
    """A role as it is."""

    attributes: FrozenSet[str]
    verifier: str


@dataclass(frozen=True)
class State:
    """Who there is, and who may do what."""

    roles: Mapping[str, Known] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    memberships: Sequence[str] = ()
    things: Sequence[Thing] = ()
    defaults: Mapping[str, FrozenSet[str]] = field(default_factory=dict)
    public_defaults: Mapping[str, FrozenSet[str]] = field(default_factory=dict)
    open_databases: Sequence[str] = ()
    read: Sequence[str] = ()
    # Connections that the server has for all but superusers, and how many of them the app's role may take; -1: any number.
    connections: int = 0
    user_limit: int = -1


@dataclass(frozen=True)
class Statement:
    """One statement, and how it is shown: without what was made of a password."""

    sql: str
    shown: str = ""

    def __str__(self) -> str:
        return self.shown or self.sql


def question(migrator: str, user: str) -> str:
    """Return the SQL that asks for the state; `state` reads its rows."""
    return _STATE.format(superuser=literal(SUPERUSER), migrator=literal(migrator), user=literal(user), reader=literal(READER))


def state(rows: Sequence[Sequence[str]]) -> State:
    """Return what the rows say."""
    of = {
        kind: [row[1:] for row in rows if row[0] == kind]
        for kind in ("role", "setting", "member", "object", "default", "open", "reads", "limit")
    }
    connections, user_limit = (int(word) for word in of["limit"][0])
    return State(
        {name: Known(frozenset(attributes.split()), stored) for name, attributes, stored in of["role"]},
        dict(_assignment(row[0]) for row in of["setting"]),
        [row[0] for row in of["member"]],
        [Thing(kind, name, owner, _words(user), _words(public)) for kind, name, owner, user, public in of["object"]],
        {kind: _words(user) for kind, user, _ in of["default"]},
        {kind: _words(public) for kind, _, public in of["default"]},
        [row[0] for row in of["open"]],
        [row[0] for row in of["reads"]],
        connections,
        user_limit,
    )


def changes(found: State, wanted: Wanted) -> List[Statement]:
    """Return the statements that make of what was found what is wanted; none when it is so already."""
    migrator, user = identifier(wanted.migrator.name), identifier(wanted.user.name)
    statements = [*_role_changes(found, wanted.migrator), *_role_changes(found, wanted.user), *_reader_changes(found, wanted.migrator)]
    if found.roles[SUPERUSER].verifier:
        # Nobody needs one: it is only used inside the container, over the socket.
        statements.append(Statement(f"ALTER ROLE {identifier(SUPERUSER)} PASSWORD NULL;"))
    limit = max(found.connections - RESERVED, 1)
    if found.user_limit != limit:
        statements.append(Statement(f"ALTER ROLE {user} CONNECTION LIMIT {limit};"))
    statements += [Statement(f"REVOKE {identifier(name)} FROM {user};") for name in found.memberships]
    # There the superuser asks about the server, and holds the lock for migrations.
    statements += [Statement(f"REVOKE ALL ON DATABASE {identifier(name)} FROM PUBLIC;") for name in found.open_databases]
    statements += settings_changes(found.settings, wanted.settings, migrator)
    statements += [
        Statement(f"ALTER ROLE {migrator} RESET {identifier(name)};") for name in sorted(set(found.settings) - set(wanted.settings))
    ]
    for thing in found.things:
        statements += _thing_changes(thing, wanted)
    for kind, privileges in DEFAULTS.items():
        if found.defaults.get(kind) != privileges or found.public_defaults.get(kind):
            prefix = f"ALTER DEFAULT PRIVILEGES FOR ROLE {migrator}"
            statements.append(Statement(f"{prefix} REVOKE ALL ON {kind} FROM PUBLIC, {user};"))
            statements.append(Statement(f"{prefix} GRANT {_listed(privileges)} ON {kind} TO {user};"))
    return statements


def settings_changes(found: Mapping[str, str], wanted: Mapping[str, str], role: str = "CURRENT_USER") -> List[Statement]:
    """Return the statements that give a role its settings; others that it has stay.

    Args:
        found: what it has.
        wanted: what it shall have, by name.
        role: as SQL names it.
    """
    missing = sorted((name, value) for name, value in wanted.items() if found.get(name) != value)
    return [Statement(f"ALTER ROLE {role} SET {identifier(name)} = {literal(value)};") for name, value in missing]


def script(statements: Sequence[Statement]) -> str:
    """Return all statements as one transaction."""
    lines = ["BEGIN;", f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s';", *(statement.sql for statement in statements), "COMMIT;"]
    return "\n".join(lines)


def _reader_changes(found: State, migrator: Role) -> List[Statement]:
    statements = _attribute_changes(found, READER, READER_ATTRIBUTES)
    if migrator.name not in found.read:
        statements.append(Statement(f"GRANT {identifier(migrator.name)} TO {identifier(READER)};"))
    return statements


def _attribute_changes(found: State, name: str, attributes: FrozenSet[str]) -> List[Statement]:
    known = found.roles.get(name)
    if known is not None and known.attributes == attributes:
        return []
    words = _ATTRIBUTES.format("BYPASSRLS" if "BYPASSRLS" in attributes else "NOBYPASSRLS")
    return [Statement(f"{'CREATE' if known is None else 'ALTER'} ROLE {identifier(name)} {words};")]


def _role_changes(found: State, role: Role) -> List[Statement]:
    known, name = found.roles.get(role.name), identifier(role.name)
    statements = _attribute_changes(found, role.name, ATTRIBUTES)
    if known is None or not scram.matches(role.password, known.verifier):
        made = f"ALTER ROLE {name} PASSWORD {{}};"
        statements.append(Statement(made.format(literal(scram.verifier(role.password))), made.format(literal(MASK))))
    return statements


def _thing_changes(thing: Thing, wanted: Wanted) -> List[Statement]:
    user = identifier(wanted.user.name)
    statements = []
    given_away = thing.owner != wanted.migrator.name
    kind = thing.kind.replace("LINKED ", "")
    if given_away and kind == thing.kind:
        statements.append(Statement(f"ALTER {kind} {thing.name} OWNER TO {identifier(wanted.migrator.name)};"))
    privileges = wanted.privileges(thing)
    # What its owner could do is not written down as granted; so after a change of owner all is granted anew.
    if privileges is not None and (given_away or thing.user != privileges or thing.public):
        on = f"{'TABLE' if kind in _TABLES else kind} {thing.name}"
        statements.append(Statement(f"REVOKE ALL ON {on} FROM PUBLIC, {user};"))
        statements.append(Statement(f"GRANT {_listed(privileges)} ON {on} TO {user};"))
    return statements


def _assignment(text: str) -> Tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def _words(text: str) -> FrozenSet[str]:
    return frozenset(filter(None, text.split(",")))


def _listed(privileges: FrozenSet[str]) -> str:
    return ", ".join(sorted(privileges))
