"""The jobs of .github/workflows/service.yml, each command as the service runs it; `story` is staging, `production` another app there.

Passed over: the checkout, the installation of the controller (its programs are there), the build (its BuildKit cannot be fetched here),
approvals, and what keeps two runs of the pipeline apart.
"""

import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import inventory, packaging, paths, registry
from lab.freeze import watching
from lab.installed import TOOLS, environment_of
from lab.pipeline import Job, Pipeline
from lab.removal import remove
from lab.story import App

WORKFLOW = paths.REPOSITORY / ".github" / "workflows" / "service.yml"
COMMIT = "3f2c1ab"
# Installed already.
PASSED_OVER = ("pip", "ansible-galaxy")


@pytest.fixture(scope="module")
def production(app: App) -> Iterator[App]:
    """The other app, provisioned, with v1 live."""
    other = App("production", app.host.name)
    remove(other)
    other.play("site", image_tag="v1").succeeded()
    yield other
    remove(other)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the collection is installed, and stand-ins for the programs that are passed over."""
    folder = tmp_path_factory.mktemp("pipeline")
    packaging.install(packaging.build(folder))
    (folder / "bin").mkdir()
    for name in PASSED_OVER:
        paths.write(folder / "bin" / name, "#!/bin/sh\n", 0o755)
    return folder


class Service:
    """The service's pipeline, with inventories for the two apps.

    Args:
        folder: where it is checked out.
        place: where the collection is installed.
        apps: by environment.
    """

    def __init__(self, folder: Path, place: Path, apps: Mapping[str, App]) -> None:
        self._folder = folder
        environment = environment_of(place)
        self._environment = {**environment, "PATH": f"{place / 'bin'}:{TOOLS}:{environment['PATH']}", "GITHUB_SHA": COMMIT}
        self._known = {"github.event_name": "push", "inputs.fairlead": "1.0.0", "inputs.directory": "."}
        own = {"secrets.vault_password": paths.VAULT_PASSWORD, "secrets.ssh_key": paths.SSH_KEY}
        self._secrets = {name: {secret: file.read_text().strip() for secret, file in own.items()} for name in apps}
        for name, app in apps.items():
            self._known[f"inputs.{name}"] = f"inventories/{name}"
            write_inventory(folder / "inventories" / name, app)

    def run(self, digest: str = "", **inputs: str) -> dict[str, Job]:
        """Run the pipeline for an image that was built; `inputs` are those of the workflow."""
        known = {**self._known, "inputs.action": "release", **{f"inputs.{name}": value for name, value in inputs.items()}}
        return Pipeline(WORKFLOW, self._folder, known, self._environment, self._secrets).run({"verify": {}, "build": {"digest": digest}})


def write_inventory(folder: Path, app: App) -> None:
    """Write the lab's inventory as an operator has it for one app, without the key, which the pipeline brings."""
    shutil.copytree(inventory.folder_of(app.host.name), folder)
    hosts: dict[str, Any] = yaml.safe_load((folder / "hosts.yml").read_text())
    del hosts["all"]["vars"]["ansible_ssh_private_key_file"]
    (folder / "hosts.yml").write_text(yaml.safe_dump(hosts))
    (folder / "group_vars" / "all" / "name.yml").write_text(f"app_name: {app.name}\n")


@pytest.fixture(scope="module")
def service(app: App, production: App, place: Path, tmp_path_factory: pytest.TempPathFactory) -> Service:
    return Service(tmp_path_factory.mktemp("service"), place, {"staging": app, "production": production})


def digest(tag: str) -> str:
    """Return the digest under which the lab's registry has a release."""
    return registry.digest(registry.REGISTRY, "shop/api", tag)


def codes(done: Mapping[str, Job]) -> dict[str, int | None]:
    """Return the exit codes of the jobs that deploy."""
    return {name: done[name].code for name in ("staging", "production", "rollback")}


def test_a_good_commit_goes_to_production_by_its_digest(app: App, production: App, service: Service) -> None:
    wanted = digest("v2")
    done = service.run(wanted)
    assert codes(done) == {"staging": 0, "production": 0, "rollback": None}, done["staging"].output + done["production"].output
    for one in (app, production):
        live = one.releases[one.live]
        assert (live["tag"], live["digest"]) == (COMMIT, wanted)
        one.assert_tidy()


def test_a_broken_release_ends_in_staging(app: App, production: App, service: Service) -> None:
    before = app.live, production.live
    done = service.run(digest("crashing"))
    assert codes(done) == {"staging": 2, "production": None, "rollback": None}
    assert "APP_EXIT: " in done["staging"].output and "Serving now: " in done["staging"].output
    assert (app.live, production.live) == before


def test_a_migration_that_takes_something_away_ends_in_staging(app: App, production: App, service: Service) -> None:
    before = app.live, production.live, app.revision
    done = service.run(digest("contract"))
    assert codes(done) == {"staging": 2, "production": None, "rollback": None}
    assert "CONTRACT_BLOCKED: " in done["staging"].output and "-e allow_contract=true" in done["staging"].unfolded
    assert (app.live, production.live, app.revision) == before


def test_while_another_deploy_is_at_work_it_is_refused(app: App, service: Service) -> None:
    with ThreadPoolExecutor(1) as background, watching(app, "STARTED") as watch:
        first = background.submit(app.deploy, "v3")
        assert watch.reached()
        second = service.run(digest("v4"))
    assert codes(second) == {"staging": 2, "production": None, "rollback": None}
    assert "LOCKED: " in second["staging"].output
    first.result().succeeded()
    app.assert_tidy()


def test_production_is_rolled_back_by_hand(production: App, service: Service) -> None:
    before = production.releases[production.live]["previous"]
    done = service.run(action="rollback")
    assert codes(done) == {"staging": None, "production": None, "rollback": 0}, done["rollback"].output
    assert production.live == before
    production.assert_tidy()


def test_a_drill_proves_the_newest_backup(production: App, service: Service) -> None:
    production.play("backup").succeeded()
    done = service.run(action="drill")
    assert done["rollback"].code == 0, done["rollback"].output
    wrong = service.run(action="rolback")
    assert wrong["rollback"].code == 2 and "release, rollback or drill" in wrong["rollback"].output
