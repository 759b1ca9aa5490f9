# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may do what in the app's database, and which statements make it so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, FrozenSet, List, Mapping, Optional, Sequence

from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import scram
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import version_table as _version_table
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.roles_state import State, Thing
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


@dataclass(frozen=True)
class Role:
    """A role that logs in with a password."""

    name: str
    password: str


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
class Statement:
    """One statement, and how it is shown: without what was made of a password."""

    sql: str
    shown: str = ""

    def __str__(self) -> str:
        return self.shown or self.sql


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


def _listed(privileges: FrozenSet[str]) -> str:
    return ", ".join(sorted(privileges))
