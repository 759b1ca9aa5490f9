"""Which statements make the roles in a database what they shall be."""

from dataclasses import replace

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import roles, roles_state, scram
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.roles import Role, Wanted
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.roles_state import Known, State, Thing
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import MASK

SETTINGS = {"lock_timeout": "5s", "statement_timeout": "15min"}
WANTED = Wanted(Role("shop_migrator", "m-secret"), Role("shop", "u-secret"), SETTINGS)
NOTHING: frozenset[str] = frozenset()
MIGRATOR, USER = (scram.verifier(password) for password in ("m-secret", "u-secret"))


def thing(kind: str, name: str, owner: str = "shop_migrator", user: str | None = None, public: str = "") -> Thing:
    granted = roles.GRANTS.get(kind.replace("LINKED ", ""), NOTHING) if user is None else frozenset(user.split())
    return Thing(kind, name, owner, granted, frozenset(public.split()))


DONE = State(
    roles={
        "postgres": Known(frozenset({"LOGIN", "SUPERUSER"}), ""),
        "shop_migrator": Known(roles.ATTRIBUTES, MIGRATOR),
        "shop": Known(roles.ATTRIBUTES, USER),
        "fairlead_reader": Known(roles.READER_ATTRIBUTES, ""),
    },
    read=["shop_migrator"],
    connections=97,
    user_limit=87,
    settings=SETTINGS,
    things=[thing("DATABASE", "shop"), thing("SCHEMA", "public"), thing("TABLE", "public.items"), thing("LINKED SEQUENCE", "public.ids")],
    defaults=roles.DEFAULTS,
    public_defaults=dict.fromkeys(roles.DEFAULTS, NOTHING),
)


def changed(state: State) -> list[str]:
    return [str(statement) for statement in roles.changes(state, WANTED)]


def test_what_is_so_already_is_left_alone() -> None:
    assert changed(DONE) == []


def test_at_first_all_is_made() -> None:
    first = State(
        roles={"postgres": Known(frozenset({"LOGIN", "SUPERUSER"}), scram.verifier("m-secret"))},
        connections=97,
        things=[
            thing("DATABASE", "shop", "postgres", "", "CONNECT TEMPORARY"),
            thing("SCHEMA", "public", "pg_database_owner", "", "USAGE"),
        ],
    )
    made = changed(first)
    attributes = "LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
    assert made[:10] == [
        f'CREATE ROLE "shop_migrator" {attributes};',
        f"ALTER ROLE \"shop_migrator\" PASSWORD '{MASK}';",
        f'CREATE ROLE "shop" {attributes};',
        f"ALTER ROLE \"shop\" PASSWORD '{MASK}';",
        f'CREATE ROLE "fairlead_reader" {attributes.replace("NOBYPASSRLS", "BYPASSRLS")};',
        'GRANT "shop_migrator" TO "fairlead_reader";',
        'ALTER ROLE "postgres" PASSWORD NULL;',
        'ALTER ROLE "shop" CONNECTION LIMIT 87;',
        'ALTER ROLE "shop_migrator" SET "lock_timeout" = \'5s\';',
        'ALTER ROLE "shop_migrator" SET "statement_timeout" = \'15min\';',
    ]
    assert made[10:16] == [
        'ALTER DATABASE shop OWNER TO "shop_migrator";',
        'REVOKE ALL ON DATABASE shop FROM PUBLIC, "shop";',
        'GRANT CONNECT ON DATABASE shop TO "shop";',
        'ALTER SCHEMA public OWNER TO "shop_migrator";',
        'REVOKE ALL ON SCHEMA public FROM PUBLIC, "shop";',
        'GRANT USAGE ON SCHEMA public TO "shop";',
    ]
    assert [line.split(" ON ")[1].split(" ")[0] for line in made[16:] if "GRANT" in line] == ["TABLES", "SEQUENCES", "FUNCTIONS", "SCHEMAS"]


def test_only_the_scram_verifier_reaches_the_server() -> None:
    statements = roles.changes(replace(DONE, roles={**DONE.roles, "shop": Known(roles.ATTRIBUTES, MIGRATOR)}), WANTED)
    assert [str(statement) for statement in statements] == [f"ALTER ROLE \"shop\" PASSWORD '{MASK}';"]
    script = roles.script(statements).splitlines()
    assert (script[0], script[-1]) == ("BEGIN;", "COMMIT;")
    stored = script[2].removeprefix('ALTER ROLE "shop" PASSWORD \'').removesuffix("';")
    assert scram.matches("u-secret", stored)
    assert "u-secret" not in str(script)


@pytest.mark.parametrize(
    ("state", "statements"),
    [
        (
            replace(DONE, roles={**DONE.roles, "shop": Known(roles.ATTRIBUTES | {"SUPERUSER"}, USER)}),
            ['ALTER ROLE "shop" LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;'],
        ),
        (replace(DONE, memberships=["shop_migrator"]), ['REVOKE "shop_migrator" FROM "shop";']),
        (replace(DONE, open_databases=["template1"]), ['REVOKE ALL ON DATABASE "template1" FROM PUBLIC;']),
        # Whoever writes the revision has migrations run again, or left out.
        (
            replace(DONE, things=[thing("TABLE", "public.alembic_version")]),
            ['REVOKE ALL ON TABLE public.alembic_version FROM PUBLIC, "shop";', 'GRANT SELECT ON TABLE public.alembic_version TO "shop";'],
        ),
        (replace(DONE, things=[thing("TABLE", "public.alembic_version", user="SELECT")]), []),
        (
            replace(DONE, settings={"lock_timeout": "1h", "statement_timeout": "15min", "work_mem": "8MB"}),
            ['ALTER ROLE "shop_migrator" SET "lock_timeout" = \'5s\';', 'ALTER ROLE "shop_migrator" RESET "work_mem";'],
        ),
        # A view made by hand as the superuser; what a former owner may do is not written down as granted.
        (
            replace(DONE, things=[thing("VIEW", "public.v", "shop", "SELECT INSERT UPDATE DELETE")]),
            [
                'ALTER VIEW public.v OWNER TO "shop_migrator";',
                'REVOKE ALL ON TABLE public.v FROM PUBLIC, "shop";',
                'GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE public.v TO "shop";',
            ],
        ),
        (
            replace(DONE, things=[thing("TABLE", "public.t", user="SELECT INSERT UPDATE DELETE TRUNCATE")]),
            ['REVOKE ALL ON TABLE public.t FROM PUBLIC, "shop";', 'GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE public.t TO "shop";'],
        ),
        (
            replace(DONE, things=[thing("ROUTINE", "public.f(integer)", public="EXECUTE")]),
            ['REVOKE ALL ON ROUTINE public.f(integer) FROM PUBLIC, "shop";', 'GRANT EXECUTE ON ROUTINE public.f(integer) TO "shop";'],
        ),
        # The sequence of a column follows its table; types have an owner only.
        (
            replace(
                DONE, things=[thing("LINKED SEQUENCE", "public.ids", "postgres"), thing("TYPE", "public.colour", "postgres", "", "USAGE")]
            ),
            [
                'REVOKE ALL ON SEQUENCE public.ids FROM PUBLIC, "shop";',
                'GRANT SELECT, USAGE ON SEQUENCE public.ids TO "shop";',
                'ALTER TYPE public.colour OWNER TO "shop_migrator";',
            ],
        ),
        (
            replace(DONE, public_defaults={**DONE.public_defaults, "FUNCTIONS": frozenset({"EXECUTE"})}),
            [
                'ALTER DEFAULT PRIVILEGES FOR ROLE "shop_migrator" REVOKE ALL ON FUNCTIONS FROM PUBLIC, "shop";',
                'ALTER DEFAULT PRIVILEGES FOR ROLE "shop_migrator" GRANT EXECUTE ON FUNCTIONS TO "shop";',
            ],
        ),
    ],
)
def test_only_what_differs_is_repaired(state: State, statements: list[str]) -> None:
    assert changed(state) == statements


@pytest.mark.parametrize(
    ("table", "name", "read_only"),
    [
        ("alembic_version", "public.alembic_version", True),
        ("alembic_version", "other.alembic_version", True),
        ("app.versions", "app.versions", True),
        ('app."Versions"', 'app."Versions"', True),
        ("app.versions", "public.versions", False),
        ("alembic_version", "public.alembic_versions", False),
    ],
)
def test_the_app_only_reads_the_version_table(table: str, name: str, read_only: bool) -> None:
    wanted = replace(WANTED, version_table=table)
    assert wanted.privileges(thing("TABLE", name)) == (frozenset({"SELECT"}) if read_only else roles.GRANTS["TABLE"])
    assert wanted.privileges(thing("VIEW", name)) == roles.GRANTS["VIEW"]


@pytest.mark.parametrize(
    ("connections", "found", "wanted"), [(97, 87, None), (97, -1, 87), (97, 90, 87), (197, 87, 187), (5, -1, 1), (11, 1, None)]
)
def test_the_app_leaves_some_connections_to_others(connections: int, found: int, wanted: int | None) -> None:
    statements = changed(replace(DONE, connections=connections, user_limit=found))
    assert statements == ([] if wanted is None else [f'ALTER ROLE "shop" CONNECTION LIMIT {wanted};'])


def test_elsewhere_a_role_gives_itself_what_it_lacks() -> None:
    found = {"lock_timeout": "5s", "work_mem": "8MB"}
    assert [s.sql for s in roles.settings_changes(found, SETTINGS)] == ["ALTER ROLE CURRENT_USER SET \"statement_timeout\" = '15min';"]


def test_rows_are_read() -> None:
    state = roles_state.state(
        [
            ["role", "postgres", "LOGIN INHERIT SUPERUSER", ""],
            ["setting", "search_path=a=b"],
            ["member", "shop_migrator"],
            ["object", "TABLE", 'public."T x"', "postgres", "SELECT,INSERT", ""],
            ["default", "TABLES", "SELECT", ""],
            ["open", "postgres"],
            ["reads", "shop_migrator"],
            ["limit", "97", "-1"],
        ]
    )
    assert state.roles == {"postgres": Known(frozenset({"LOGIN", "INHERIT", "SUPERUSER"}), "")}
    assert (state.settings, state.memberships) == ({"search_path": "a=b"}, ["shop_migrator"])
    assert (state.open_databases, state.read) == (["postgres"], ["shop_migrator"])
    assert (state.connections, state.user_limit) == (97, -1)
    assert state.things == [Thing("TABLE", 'public."T x"', "postgres", frozenset({"SELECT", "INSERT"}), NOTHING)]
    assert (state.defaults, state.public_defaults) == ({"TABLES": frozenset({"SELECT"})}, {"TABLES": NOTHING})
