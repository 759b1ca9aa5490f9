"""Inventories of the lab, as an operator would write them: hosts, variables, and a vault for the passwords."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from lab import paths
from lab.docker import run
from lab.hosts import USER, Host
from lab.registry import MIRROR, PASSWORD_FILE, REGISTRY
from lab.registry import USER as REGISTRY_USER
from lab.secret import password
from lab.steps import step

GROUPS = ("app_hosts", "data_hosts", "edge_hosts")
VAULT = paths.STATE / "vault.yml"
# Files of the passwords, by the name that each has in the vault.
PASSWORDS = {
    "registry": PASSWORD_FILE,
    "database": "database_password",
    "migrator": "migrator_password",
    "redis": "redis_password",
}


def _hosts(names: Iterable[str]) -> dict[str, Any]:
    hosts = [Host(name) for name in names]
    members: dict[str, Any] = {host.name: {} for host in hosts}
    connection = {
        "ansible_user": USER,
        "ansible_ssh_private_key_file": str(paths.SSH_KEY),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={paths.KNOWN_HOSTS} -o IdentitiesOnly=yes",
    }
    return {
        "all": {
            "hosts": {host.name: {"ansible_host": str(host.address)} for host in hosts},
            "vars": connection,
            "children": {group: {"hosts": members} for group in GROUPS},
        }
    }


def _variables() -> dict[str, Any]:
    authority = paths.CA_CERTIFICATE.read_text()
    database_password, redis_password = "{{ vault_database_password }}", "{{ vault_redis_password }}"
    migrator_password = "{{ vault_migrator_password }}"
    return {
        "app_name": "shop",
        "app_image": f"{REGISTRY.host}/shop/api",
        "app_domain": "{{ app_name }}.lab",
        "app_registry_username": REGISTRY_USER,
        "app_registry_password": "{{ vault_registry_password }}",
        "app_env": {
            "DATABASE_HOST": "postgres",
            "DATABASE_NAME": "{{ app_name }}",
            "DATABASE_USER": "{{ app_name }}",
            "REDIS_HOST": "redis",
        },
        "app_secrets": {"database_password": database_password, "redis_password": redis_password},
        "app_release_migrate_env": {"DATABASE_USER": "{{ app_name }}_migrator"},
        "app_release_migrate_secrets": {"database_password": migrator_password},
        "data_services_postgres_password": database_password,
        "data_services_postgres_migrator_password": migrator_password,
        "data_services_redis_password": redis_password,
        "docker_engine_registry_mirrors": [f"https://{MIRROR.host}"],
        "docker_engine_registry_certificates": {REGISTRY.host: authority, MIRROR.host: authority},
        "edge_proxy_tls": "internal",
        # Long enough to see a crash; what a longer watch finds is told in the stories that are about it.
        "app_release_bake_seconds": 1,
    }


def _vault() -> str:
    """Return the passwords as an encrypted file; encrypted anew only when they change, because each encryption looks different."""
    password(paths.VAULT_PASSWORD.name)
    passwords = {f"vault_{name}_password": password(file) for name, file in PASSWORDS.items()}
    if not VAULT.exists() or yaml.safe_load(_ansible_vault("decrypt", VAULT.read_text())) != passwords:
        with step("vault"):
            paths.write(VAULT, _ansible_vault("encrypt", yaml.safe_dump(passwords)) + "\n", 0o600)
    return VAULT.read_text()


def _ansible_vault(action: str, text: str) -> str:
    program = str(Path(sys.executable).with_name("ansible-vault"))
    return run([program, action, "--vault-password-file", str(paths.VAULT_PASSWORD), "--output", "-", "-"], stdin=text)


def _write_yaml(file: Path, content: dict[str, Any]) -> None:
    paths.write(file, "---\n" + yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=120))


class _Dumper(yaml.SafeDumper):
    """Certificates as blocks, and no anchors: what a person would write."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _block)


def folder_of(host: str) -> Path:
    """Return the folder of a host's own inventory."""
    return paths.STATE / f"inventory_{host}"


def write(names: Iterable[str], folder: Path) -> None:
    """Write an inventory whose three groups hold these hosts.

    Raises:
        LabError: a name is no host's, or ansible-vault failed.
    """
    _write_yaml(folder / "hosts.yml", _hosts(names))
    _write_yaml(folder / "group_vars" / "all" / "main.yml", _variables())
    paths.write(folder / "group_vars" / "all" / "vault.yml", _vault(), 0o600)
