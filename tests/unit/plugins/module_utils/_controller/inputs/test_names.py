"""A misspelt variable is refused with the right spelling; people's own variables are theirs."""

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._controller.inputs import spelling

RESTORE = ["backup", "into", "confirm"]
OTHERS = ["image_tag", "allow_contract", "release", "schema", "status_strict", "maintenance", *RESTORE]
KNOWN = [
    *OTHERS,
    "app_listen",
    "app_port",
    "app_database_url",
    "edge_proxy_tls",
    "docker_engine_hold",
    "db_backup_enabled",
    "app_release_keep",
]
PREFIXES = ("app_", "edge_proxy_", "docker_engine_", "db_backup_", "data_services_", "app_release_")


@pytest.mark.parametrize(
    ("own", "name", "meant"),
    [
        (RESTORE, "bakcup", "backup"),
        (RESTORE, "Backup", "backup"),
        (RESTORE, "backup_id", "backup"),
        (RESTORE, "bckp", "backup"),
        (RESTORE, "itno", "into"),
        (RESTORE, "confrim", "confirm"),
        (["release", "schema"], "relase", "release"),
        (["release", "schema"], "release_id", "release"),
        (["release", "schema"], "scheme", "schema"),
        (["image_tag", "allow_contract"], "alow_contract", "allow_contract"),
        (["image_tag", "allow_contract"], "allow-contract", "allow_contract"),
        (["image_tag", "allow_contract"], "imageTag", "image_tag"),
        (["status_strict"], "strict", "status_strict"),
        # A slip in the option of another playbook is one all the same.
        ([], "bakcup", "backup"),
        ([], "relase", "release"),
        ([], "alow_contract", "allow_contract"),
        # Somebody's own.
        (RESTORE, "backups", None),
        (RESTORE, "backup_bucket", None),
        (["release", "schema"], "releases", None),
        (["release", "schema"], "schemas", None),
        (["image_tag"], "tag", None),
        (["image_tag"], "image", None),
        (["image_tag"], "git_tag", None),
        ([], "info", None),
        ([], "scheme", None),
        ([], "released", None),
        ([], "stage", None),
        # Options are no slips of one another.
        (RESTORE, "release", None),
    ],
)
def test_names_given_with_e(own: list[str], name: str, meant: str | None) -> None:
    assert spelling.near(own, OTHERS, KNOWN, [name]).get(name) == meant


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("app_listn", "app_listen"),
        ("app_prot", "app_port"),
        ("app_databse_url", "app_database_url"),
        ("edge_proxy_tsl", "edge_proxy_tls"),
        ("docker_engine_hodl", "docker_engine_hold"),
        ("db_backup_enabeld", "db_backup_enabled"),
        # The slip is in the prefix.
        ("dokcer_engine_hold", "docker_engine_hold"),
        ("edge_prox_tls", "edge_proxy_tls"),
        ("db_bakcup_enabled", "db_backup_enabled"),
        ("app_zzzzzz", ""),
        ("vault_app_database_url", None),
        ("my_edge_proxy_tls", None),
        ("ansible_port", None),
        ("database_url", None),
        ("__app_release_kep", None),
        ("groups", None),
        ("apps", None),
        ("app_port", None),
    ],
)
def test_names_of_any_variable(name: str, meant: str | None) -> None:
    assert spelling.with_prefix(PREFIXES, KNOWN, [name]).get(name) == meant
