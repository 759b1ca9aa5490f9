"""What migrations are taken for, by the linter as it is installed."""

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._controller.review import squawk
from ansible_collections.fairlead.fastapi.plugins.module_utils._controller.review.classes import judge, shown
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.migration import Migration

AROUND = """BEGIN;

-- Running upgrade 0002 -> 0003

%s

INSERT INTO own.revision (version_num) VALUES ('0003') RETURNING own.revision.version_num;

UPDATE alembic_version SET version_num='0003' WHERE alembic_version.version_num = '0002';

DELETE FROM alembic_version WHERE alembic_version.version_num = '0002';

COMMIT;
"""
CLASSES = {
    "expand": (
        "",
        "ALTER TABLE items ADD COLUMN color VARCHAR(50);\n\nCREATE INDEX ix_items_color ON items (color);",
        "ALTER TABLE items ADD a int, ADD COLUMN b numeric(10, 2) DEFAULT 0 NOT NULL;",
        "CREATE TABLE tags (id bigint PRIMARY KEY, name text NOT NULL UNIQUE CHECK (name <> ';'));\n\nCREATE UNIQUE INDEX u ON tags (name);"
        "\n\nALTER TABLE tags ADD CONSTRAINT short CHECK (length(name) < 9);",
        "ALTER TABLE items ADD COLUMN owner_id bigint;\n\nALTER TABLE items ADD FOREIGN KEY(owner_id) REFERENCES users (id);",
        "CREATE TABLE kinds (name text);\n\nINSERT INTO kinds (name) VALUES ('small'), ('large');",
        'ALTER TABLE "items" ADD COLUMN "drop column, x(" int;',
        "CREATE TYPE mood AS ENUM ('sad', 'DROP TABLE items');\n\nCOMMENT ON TABLE items IS $a$; DROP TABLE items; $a$;",
        "SET LOCAL lock_timeout = '2s';\n\nALTER TABLE items VALIDATE CONSTRAINT positive;",
        "CREATE VIEW short AS SELECT id FROM items; /* ; /* nested */ DROP TABLE items; */ GRANT SELECT ON short TO shop;",
        r"COMMENT ON TABLE items IS E'it\'s; DROP TABLE items; --';",
        "COMMENT ON TABLE items IS $q$ $$; DROP TABLE items; $$ $q$;",
        "ALTER TABLE s.items ADD a int;\n\nALTER TABLE s.items ADD FOREIGN KEY (a) REFERENCES users (id);",
        "CREATE TABLE s.kinds (id int);\n\nCREATE UNIQUE INDEX ON s.kinds (id);\n\nANALYZE s.kinds;",
    ),
    "contract": (
        "ALTER TABLE items DROP COLUMN note;",
        "-- squawk-ignore-file\nALTER TABLE items DROP COLUMN note;",
        "ALTER TABLE items ADD COLUMN a int, DROP note;",
        "ALTER TABLE items RENAME note TO remark;",
        "ALTER TABLE items RENAME TO things;",
        "ALTER TABLE items ALTER COLUMN note TYPE INTEGER;",
        "ALTER TABLE items ALTER COLUMN note SET NOT NULL;",
        "ALTER TABLE items ALTER COLUMN note DROP DEFAULT;",
        "ALTER TABLE items ADD COLUMN color text NOT NULL;",
        "DROP TABLE items;",
        "DROP TRIGGER stamp ON items;",
        "DROP SCHEMA archive CASCADE;",
        "TRUNCATE items;",
        "DELETE FROM items WHERE note IS NULL;",
        "WITH gone AS (DELETE FROM items RETURNING id) SELECT count(*) FROM gone;",
        "REVOKE SELECT ON items FROM shop;",
        "NO SUCH STATEMENT;\n\nALTER TABLE items RENAME TO things;",
        "UPDATE items SET note = '';\n\nDROP VIEW short;",
        "ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM shop;",
        "DROP OWNED BY shop;",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC DELETE FROM items; SELECT 1; END;",
        "DELETE\nFROM alembic_version WHERE version_num <> 'x';",
        "MERGE INTO items i USING gone g ON i.id = g.id WHEN MATCHED THEN DELETE;",
        "DROP/**/TABLE/**/items;",
    ),
    "unknown": (
        None,
        "UPDATE items SET note = 'x';",
        "SELECT 1 / 0;",
        "INSERT INTO items (name) VALUES ('x');",
        'ALTER TABLE items ADD COLUMN "x(" int, ALTER COLUMN name SET STATISTICS 9;',
        "DO $$ BEGIN ALTER TABLE items ADD COLUMN a int; END $$;",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $body$ SELECT 1; DROP TABLE items $body$;",
        "ALTER TABLE items ADD COLUMN a int;\n\nNO SUCH STATEMENT;",
        "ALTER TABLE items ADD COLUMN a text DEFAULT 'never closed;",
        "CREATE UNIQUE INDEX CONCURRENTLY u ON items (reference);",
        "ALTER TABLE items ADD CONSTRAINT positive CHECK (id > 0) NOT VALID;",
        "ALTER TABLE items ADD COLUMN a text UNIQUE;",
        "ALTER TABLE items DROP CONSTRAINT positive;",
        "ALTER TABLE items ALTER COLUMN name DROP NOT NULL;",
        "DROP INDEX ix_items_color;",
        "ALTER TYPE mood ADD VALUE 'happy';",
        "CREATE TABLE copies (id) AS SELECT id FROM items;",
        "CREATE OR REPLACE VIEW short AS SELECT 1;",
        "ALTER TABLE items ADD a int;\n\nALTER TABLE orders ADD FOREIGN KEY (a) REFERENCES users (id);",
        "CREATE TABLE s.kinds (id int);\n\nINSERT INTO kinds VALUES (1);",
        "COPY items FROM stdin;",
        "\\\\i more.sql",
        "CREATE TABLE part PARTITION OF items FOR VALUES IN (1);",
        "CREATE SCHEMA s CREATE TABLE t (id int);",
        "UPDATE alembic_version SET version_num = '9', other = 1 WHERE version_num = '1';",
        "SET session_replication_role = replica;",
        "ROLLBACK;",
    ),
}


def judged(sql: str | None) -> Migration:
    migration = Migration("0003", ("0002",), "Change items", None if sql is None else AROUND % sql)
    (found,) = judge([migration], squawk.lint)
    return found


@pytest.mark.parametrize("wanted", CLASSES)
def test_a_migration_is_taken_for_what_it_does_to_the_release_before(wanted: str) -> None:
    wrong = [(sql, found.findings) for sql in CLASSES[wanted] if (found := judged(sql)).impact != wanted]
    assert not wrong


def test_each_finding_has_a_place_a_statement_and_a_reason() -> None:
    long = "DROP b, " + ", ".join(f"ADD COLUMN c{number} int" for number in range(20))
    sql = f"CREATE INDEX i ON items (note);\n\nALTER TABLE items\n  DROP COLUMN note;\n\nUPDATE items\nSET x=1;\n\nALTER TABLE a {long};"
    findings = judged(sql).findings
    assert [(f.line, f.kind, f.rule, f.statement) for f in findings[:3]] == [
        (5, "lock", "require-concurrent-index-creation", "CREATE INDEX i ON items (note)"),
        (8, "destructive", "ban-drop-column", "ALTER TABLE items DROP COLUMN note"),
        (10, "unknown", "not-additive", "UPDATE items SET x=1"),
    ]
    assert len(findings[3].statement) == 120 and findings[3].statement.endswith("…")
    assert all(finding.message for finding in findings)


def test_a_lock_on_a_new_table_is_no_finding() -> None:
    assert judged("CREATE TABLE tags (id bigint);\n\nCREATE INDEX i ON tags (id);").findings == ()


def test_without_the_linter_nothing_is_known() -> None:
    (found,) = judge([Migration("1", sql="CREATE TABLE t (id int);")], None)
    assert (found.impact, found.findings[0].rule) == ("unknown", "not-linted")


def test_it_is_shown_with_class_findings_and_sql() -> None:
    text = shown([judged("ALTER TABLE items DROP COLUMN note;"), judged(None)])
    for words in (
        "-- migration 0003 (after 0002): Change items\n-- class: contract\n",
        "--   destructive: line 5: ALTER TABLE items DROP COLUMN note: Dropping a column may break existing clients. [ban-drop-column]",
        "ALTER TABLE items DROP COLUMN note;\n",
        "-- class: unknown\n--   unknown: Its SQL cannot be told without running it. [no-sql]",
    ):
        assert words in text


def test_a_linter_that_does_not_answer_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(squawk, "find", lambda: "/nowhere/squawk")
    with pytest.raises(squawk.SquawkError, match="/nowhere/squawk did not answer"):
        squawk.lint("SELECT 1;")
