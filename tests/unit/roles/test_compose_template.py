"""The Compose file of a release, for each kind of image; Docker Compose itself is the judge."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.files import AppPaths
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.bundle_write import Bundle
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.release.placeholder import placeholder
from fakes_host import settings_with
from rendering import trusted

ROLE = Path(__file__).parents[3] / "roles" / "app_release"
IMAGE = "registry.lab:5000/shop/api"
DIGEST = "sha256:" + "ab" * 32


def composed(directory: Path, **variables: Any) -> dict[str, Any]:
    """Render the template, put it into a bundle, and return what Compose makes of it."""
    values: dict[str, Any] = {
        "app_name": "shop",
        "app_domain": "shop.lab",
        "ansible_managed": "Managed",
        "groups": {"data_hosts": ["vps1"]},
    }
    for file in ("defaults/main.yml", "vars/main.yml"):
        values |= trusted(yaml.safe_load((ROLE / file).read_text(encoding="utf-8")))
    templar = Templar(loader=DataLoader(), variables=values | variables)
    text = templar.template(trust_as_template((ROLE / "templates" / "compose.yaml.j2").read_text(encoding="utf-8")))
    return read_by_compose(directory, text, variables)


def read_by_compose(directory: Path, text: str, variables: dict[str, Any]) -> dict[str, Any]:
    paths = AppPaths("shop", directory / "opt", directory / "var")
    (paths.home / "releases").mkdir(parents=True)
    secrets = variables.get("app_secrets", {})
    secrets_as = variables.get("app_release_secrets_as", "file")
    settings = settings_with(user=f"{directory.stat().st_uid}:0")
    migrates_with = (variables.get("app_release_migrate_env", {}), variables.get("app_release_migrate_secrets", {}))
    content = Bundle("shop", IMAGE, "v1", DIGEST, text, {"LOG_LEVEL": "info"}, secrets, secrets_as, settings, *migrates_with)
    content.write(paths, content.release("r7"))
    command = ["docker", "compose", "--project-name", "shop-r7", "--profile", "*", "config", "--format", "json"]
    done = subprocess.run(command, cwd=paths.bundle("r7"), capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"{done.stderr}\n{text}"
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_by_default_a_release_is_closed_in(tmp_path: Path) -> None:
    services = composed(tmp_path, app_secrets={"database_password": "s3cr3t"})["services"]
    assert set(services) == {"api", "migrate", "plan"}
    for service in services.values():
        assert service["image"] == f"{IMAGE}@{DIGEST}", "the digest, never the tag"
        assert service["labels"] == {"fairlead.app": "shop", "fairlead.release": "r7"}
        assert (service["user"], service["read_only"], service["init"]) == ("10001:20001", True, True)
        assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
        assert service["mem_limit"] == service["memswap_limit"] == str(512 * 1024**2)
        assert (service["pids_limit"], service["cpus"], service["restart"]) == (256, 1, "no")
        assert [secret["target"].rpartition("/")[2] for secret in service["secrets"]] == ["database_password"]
        assert "ports" not in service, "only the edge publishes ports"
        assert service["environment"].items() >= {"RELEASE": "r7", "LOG_LEVEL": "info"}.items()
        assert "s3cr3t" not in str(service)
    assert services["migrate"]["command"] == ["alembic", "upgrade", "head"]
    assert services["plan"]["network_mode"] == "none" and "networks" not in services["plan"]
    for name in ("migrate", "plan"):
        assert services[name]["entrypoint"] == [], "what is run is the command, as it is given"
        assert services[name]["profiles"] == [name], "started by name alone"
        assert "volumes" not in services[name]


@pytest.mark.parametrize(
    ("environment", "told"),
    [({}, "*"), ({"FORWARDED_ALLOW_IPS": "10.0.0.7"}, None)],  # its own value is in app.env, which this would override
)
def test_the_app_trusts_the_headers_of_the_proxy(tmp_path: Path, environment: dict[str, str], told: str | None) -> None:
    services = composed(tmp_path, app_env=environment)["services"]
    assert services["api"]["environment"].get("FORWARDED_ALLOW_IPS") == told
    assert "FORWARDED_ALLOW_IPS" not in services["migrate"]["environment"]


MIGRATOR = {"app_release_migrate_env": {"DATABASE_USER": "shop_migrator"}, "app_release_migrate_secrets": {"database_password": "m1grator"}}


def test_migrations_log_in_as_the_migrator(tmp_path: Path) -> None:
    secrets = {"database_password": "s3cr3t", "redis_password": "r3dis"}
    found = composed(tmp_path, app_secrets=secrets, **MIGRATOR)
    api, migrate = found["services"]["api"], found["services"]["migrate"]
    assert "DATABASE_USER" not in api["environment"]
    assert (migrate["environment"]["DATABASE_USER"], migrate["environment"]["LOG_LEVEL"]) == ("shop_migrator", "info")
    sources = {name: Path(secret["file"]) for name, secret in found["secrets"].items()}
    read = {secret["target"]: sources[secret["source"]].read_text() for secret in migrate["secrets"]}
    assert {name.rpartition("/")[2]: value for name, value in read.items()} == {**secrets, "database_password": "m1grator"}
    assert [secret["source"] for secret in api["secrets"]] == ["database_password", "redis_password"]
    planned = {
        secret["target"].rpartition("/")[2]: sources[secret["source"]].read_text() for secret in found["services"]["plan"]["secrets"]
    }
    assert planned == {name: placeholder(value) for name, value in secrets.items()}


def test_migrations_log_in_as_the_migrator_by_their_environment(tmp_path: Path) -> None:
    found = composed(tmp_path, app_release_secrets_as="environment", app_secrets={"database_password": "s3cr3t"}, **MIGRATOR)
    passwords = {name: service["environment"]["database_password"] for name, service in found["services"].items()}
    assert passwords == {"api": "s3cr3t", "migrate": "m1grator", "plan": placeholder("m1grator")}
    assert found["services"]["plan"]["environment"]["DATABASE_USER"] == "shop_migrator"
    assert "secrets" not in found


def test_migrations_alone_may_have_secrets(tmp_path: Path) -> None:
    services = composed(tmp_path, **MIGRATOR)["services"]
    assert "secrets" not in services["api"]
    assert [secret["source"] for secret in services["migrate"]["secrets"]] == ["migrate-database_password"]


def test_on_a_socket_the_app_has_one_mount_and_its_path(tmp_path: Path) -> None:
    api = composed(tmp_path)["services"]["api"]
    assert api["environment"]["BIND"] == "unix:/run/fairlead/api.sock"
    assert [(v["source"], v["target"]) for v in api["volumes"]] == [("/var/lib/fairlead/shop/r7", "/run/fairlead")]


def test_on_a_port_the_release_is_known_by_its_alias(tmp_path: Path) -> None:
    api = composed(tmp_path, app_listen="tcp", app_port=8080)["services"]["api"]
    assert api["environment"]["BIND"] == "0.0.0.0:8080"
    assert "volumes" not in api
    assert api["networks"]["shop"]["aliases"] == ["shop-r7"]
    assert not api["networks"]["shop-data"]


@pytest.mark.parametrize("value", ["plain", "a$b${c}", 'quote"s', "back\\slash"])
def test_secrets_for_images_that_know_no_files(tmp_path: Path, value: str) -> None:
    found = composed(tmp_path, app_release_secrets_as="environment", app_secrets={"DATABASE_URL": value})
    assert found["services"]["api"]["environment"]["DATABASE_URL"].replace("$$", "$") == value
    assert "secrets" not in found


def test_no_secrets_and_no_migration(tmp_path: Path) -> None:
    found = composed(tmp_path, app_release_migrate=False)
    assert set(found["services"]) == {"api"}
    assert "secrets" not in found


@pytest.mark.parametrize("words", [["sh", "-c", "echo $HOME ${X:-y}"], ["a b", "'", '"', "$$", "#x"]])
def test_a_command_reaches_the_container_as_it_was_given(tmp_path: Path, words: list[str]) -> None:
    services = composed(tmp_path, app_release_command=words, app_release_migrate_command=words)["services"]
    assert services["api"]["entrypoint"] is None, "the image's own"
    for name in ("api", "migrate"):
        assert [word.replace("$$", "$") for word in services[name]["command"]] == words


def test_volumes_outlive_releases_and_are_no_part_of_planning(tmp_path: Path) -> None:
    volumes = [{"name": "data", "path": "/data", "backup": True}, {"name": "ledger", "path": "/srv/ledger", "exclusive": True}]
    found = composed(tmp_path, app_volumes=volumes)
    assert found["volumes"] == {
        "data": {"name": "shop-data", "external": True},
        "ledger": {"name": "shop-ledger", "external": True},
    }
    mounts = {
        name: [(m["source"], m["target"], m["volume"]) for m in service.get("volumes", []) if m["type"] == "volume"]
        for name, service in found["services"].items()
    }
    data, ledger = ("data", "/data", {"nocopy": True}), ("ledger", "/srv/ledger", {"nocopy": True})
    assert mounts == {"api": [data, ledger], "migrate": [data], "plan": []}


def test_volumes_go_with_an_image_that_listens_on_tcp(tmp_path: Path) -> None:
    found = composed(tmp_path, app_volumes=[{"name": "data", "path": "/data"}], app_listen="tcp", app_release_migrate=False)
    assert [mount["target"] for mount in found["services"]["api"]["volumes"]] == ["/data"]


def test_an_entrypoint_is_replaced_for_the_app_alone(tmp_path: Path) -> None:
    services = composed(tmp_path, app_release_entrypoint=["gunicorn", "$x"], app_release_command=["app:app"])["services"]
    assert [service["entrypoint"] for service in services.values()] == [["gunicorn", "$$x"], [], []]
    assert services["api"]["command"] == ["app:app"]


def test_what_a_plan_asks_needs_no_volume_that_is_not_there_yet(tmp_path: Path) -> None:
    composed(tmp_path, app_volumes=[{"name": "data", "path": "/data"}])
    command = ["docker", "compose", "--project-name", "shop-r7", "--profile", "plan", "config", "--format", "json"]
    bundle = AppPaths("shop", tmp_path / "opt", tmp_path / "var").bundle("r7")
    done = subprocess.run(command, cwd=bundle, capture_output=True, text=True, timeout=30, check=True)
    found = json.loads(done.stdout)
    assert list(found["services"]) == ["plan"] and not found.get("volumes")
