# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which statements only add, and which take something away, by what the parser made of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterator, List, Optional, Set, Tuple

from ansible_collections.fairlead.fastapi.plugins.module_utils._controller.review.statements import ast, enums, walk

# Limits that a session sets for itself.
_LIMITS = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
_VERSION = "version_num"
# The release before still works without it. What is written from now on may not suit it, should one go back.
GUARANTEE = "The release before works without it, but may not suit what is written from now on."
RESTRICTION = "The release before may write what is refused from now on."
NOT_KNOWN = "Not of a kind that is known only to add."
# Qualified name of a table: schema, empty where none is named, and name.
Table = Tuple[str, str]


@dataclass
class Fresh:
    """What this migration itself has made so far: nobody else can have used it.

    Args:
        tables: tables.
        columns: columns of any table that are empty in the rows there are, and in those that the release before writes.
    """

    tables: Set[Table] = field(default_factory=set)
    columns: Set[Tuple[Table, str]] = field(default_factory=set)

    def remember(self, node: Any) -> None:
        """Note what a statement makes."""
        if isinstance(node, ast.CreateStmt) and not node.if_not_exists:
            self.tables.add(_name(node.relation))
        elif isinstance(node, ast.AlterTableStmt):
            self.columns |= set(_empty_columns(node))


def is_bookkeeping(node: Any) -> bool:
    """Tell whether a statement is one that Alembic writes around each migration, or a limit that a session sets for itself."""
    if isinstance(node, ast.TransactionStmt):
        kinds = enums.TransactionStmtKind
        return node.kind in (kinds.TRANS_STMT_BEGIN, kinds.TRANS_STMT_START, kinds.TRANS_STMT_COMMIT)
    if isinstance(node, ast.VariableSetStmt):
        return node.name in _LIMITS
    if isinstance(node, ast.InsertStmt):
        columns = [target.name for target in node.cols or ()]
        rows: Any = (isinstance(node.selectStmt, ast.SelectStmt) and node.selectStmt.valuesLists) or ()
        return columns == [_VERSION] and len(rows) == 1 and isinstance(rows[0][0], ast.A_Const) and not node.withClause
    if isinstance(node, ast.UpdateStmt):
        (target, *others) = node.targetList
        fits = target.name == _VERSION and isinstance(target.val, ast.A_Const) and not others
        return fits and not node.fromClause and not node.withClause and _asks_for_version(node.whereClause)
    if isinstance(node, ast.DeleteStmt):
        return not node.usingClause and not node.withClause and _asks_for_version(node.whereClause)
    return False


def _asks_for_version(where: Any) -> bool:
    if not isinstance(where, ast.A_Expr) or not isinstance(where.lexpr, ast.ColumnRef) or not isinstance(where.rexpr, ast.A_Const):
        return False
    last = where.lexpr.fields[-1]
    return [operator.sval for operator in where.name] == ["="] and isinstance(last, ast.String) and last.sval == _VERSION


def losses(node: Any) -> Iterator[Tuple[str, str]]:
    """Yield rule and message for each way in which a statement takes something away.  The linter does not judge all of them."""
    if any(map(_deletes, walk(node))):
        yield "delete", "Deletes rows that the release before may still use."
    if isinstance(node, ast.TruncateStmt):
        yield "truncate", "Deletes rows that the release before may still use."
    if _drops(node):
        yield "drop", "Drops what the release before may still use."
    grant = node.action if isinstance(node, ast.AlterDefaultPrivilegesStmt) else node
    if isinstance(grant, (ast.GrantStmt, ast.GrantRoleStmt)) and not grant.is_grant:
        yield "revoke", "Takes a right away that the release before may need."


def _deletes(node: Any) -> bool:
    if isinstance(node, ast.MergeWhenClause):
        return bool(node.commandType == enums.CmdType.CMD_DELETE)
    return isinstance(node, ast.DeleteStmt)


def _drops(node: Any) -> bool:
    if isinstance(node, ast.DropStmt):
        return bool(node.removeType != enums.ObjectType.OBJECT_INDEX)
    if isinstance(node, ast.AlterTableStmt):
        return any(command.subtype == enums.AlterTableType.AT_DropColumn for command in node.cmds)
    return type(node).__name__.startswith("Drop")


def doubt(node: Any, fresh: Fresh) -> Optional[str]:
    """Say why a statement is not known only to add; None when it is."""
    if isinstance(node, ast.DropStmt):
        return GUARANTEE  # of an index: anything else is a loss
    if isinstance(node, ast.CreateStmt):
        return NOT_KNOWN if node.inhRelations or node.relation.relpersistence == "t" else None
    if isinstance(node, ast.IndexStmt):
        return RESTRICTION if node.unique and _name(node.relation) not in fresh.tables else None
    if isinstance(node, ast.InsertStmt):
        values = isinstance(node.selectStmt, ast.SelectStmt) and node.selectStmt.valuesLists and not node.withClause
        return None if values and _name(node.relation) in fresh.tables else NOT_KNOWN
    if isinstance(node, ast.AlterTableStmt):
        return _doubt_of_table(node, fresh)
    return None if _only_adds(node) else NOT_KNOWN


def _only_adds(node: Any) -> bool:
    if isinstance(node, ast.CreateSchemaStmt):
        return not node.schemaElts
    if isinstance(node, ast.ViewStmt):
        return not node.replace
    if isinstance(node, ast.DefineStmt):
        return bool(node.kind == enums.ObjectType.OBJECT_TYPE)
    if isinstance(node, ast.VacuumStmt):
        return not node.is_vacuumcmd  # ANALYZE
    if isinstance(node, ast.GrantStmt):
        return bool(node.is_grant)
    kinds = (
        ast.CreateSeqStmt,
        ast.CreateEnumStmt,
        ast.CompositeTypeStmt,
        ast.CreateRangeStmt,
        ast.CreateDomainStmt,
        ast.CreateExtensionStmt,
    )
    return isinstance(node, (*kinds, ast.CommentStmt))


def _doubt_of_table(node: Any, fresh: Fresh) -> Optional[str]:
    if node.objtype != enums.ObjectType.OBJECT_TABLE:
        return NOT_KNOWN
    if any(command.subtype in (enums.AlterTableType.AT_DropConstraint, enums.AlterTableType.AT_DropNotNull) for command in node.cmds):
        return GUARANTEE
    table, added = _name(node.relation), set(fresh.columns)
    for command in node.cmds:
        reason = _doubt_of_command(command, table, table in fresh.tables, added)
        if reason:
            return reason
        added |= {(table, column) for column in _empty_column(command)}
    return None


def _doubt_of_command(command: Any, table: Table, is_new: bool, added: Set[Tuple[Table, str]]) -> Optional[str]:
    if command.subtype == enums.AlterTableType.AT_ValidateConstraint:
        return None
    if command.subtype == enums.AlterTableType.AT_AddConstraint:
        key = command.def_ if command.def_.contype == enums.ConstrType.CONSTR_FOREIGN else None
        suits = is_new or (key and all((table, column.sval) in added for column in key.fk_attrs))
        return None if suits else RESTRICTION
    if command.subtype == enums.AlterTableType.AT_AddColumn:
        return RESTRICTION if _is_restricted(_constraints(command)) and not is_new else None
    return NOT_KNOWN


def _is_restricted(kinds: List[Any]) -> bool:
    """Tell whether a new column can make what the release before writes unfit: NULL suits every foreign key, a default may not."""
    if any(kind in kinds for kind in (enums.ConstrType.CONSTR_UNIQUE, enums.ConstrType.CONSTR_CHECK, enums.ConstrType.CONSTR_PRIMARY)):
        return True
    return enums.ConstrType.CONSTR_FOREIGN in kinds and enums.ConstrType.CONSTR_DEFAULT in kinds


def _constraints(command: Any) -> List[Any]:
    return [constraint.contype for constraint in command.def_.constraints or ()]


def _empty_columns(node: Any) -> Iterator[Tuple[Table, str]]:
    for command in node.cmds:
        for column in _empty_column(command):
            yield _name(node.relation), column


def _empty_column(command: Any) -> List[str]:
    if command.subtype != enums.AlterTableType.AT_AddColumn or enums.ConstrType.CONSTR_DEFAULT in _constraints(command):
        return []
    return [command.def_.colname]


def table_of(node: Any) -> Optional[Table]:
    """Return the table that an index is made for, or that is altered; None for any other statement."""
    return _name(node.relation) if isinstance(node, (ast.IndexStmt, ast.AlterTableStmt)) else None


def _name(relation: Any) -> Table:
    return relation.schemaname or "", relation.relname
