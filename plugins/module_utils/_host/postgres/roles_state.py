# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the app's database says of roles and what they may do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import FrozenSet, Mapping, Sequence, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.sql import literal
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.postgres import READER, SUPERUSER

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
class Thing:
    """Something in the database, who owns it, and what the app's role and everybody may do with it."""

    kind: str
    name: str
    owner: str
    user: FrozenSet[str]
    public: FrozenSet[str]


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
        {kind: _words(user) for kind, user, dummy in of["default"]},
        {kind: _words(public) for kind, dummy, public in of["default"]},
        [row[0] for row in of["open"]],
        [row[0] for row in of["reads"]],
        connections,
        user_limit,
    )


def _assignment(text: str) -> Tuple[str, str]:
    name, dummy, value = text.partition("=")
    return name, value


def _words(text: str) -> FrozenSet[str]:
    return frozenset(filter(None, text.split(",")))
