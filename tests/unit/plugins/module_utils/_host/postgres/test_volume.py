"""Which PostgreSQL an image is, and which volume it has to use."""

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import versions as _versions
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres import volume as _volume
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.postgres.versions import Image, Volume
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError

DATA = "/var/lib/postgresql/data"
OWN = "/var/lib/postgresql"
V15, V17 = Image("postgres:15", 15, DATA, DATA), Image("postgres:17", 17, DATA, DATA)
LEGACY, ON_17 = Volume("shop-data_postgres", 15), Volume("shop-data_postgres-17", 17)


def config(major: str, data: str, *volumes: str) -> dict[str, Any]:
    return {"Env": ["LANG=C.UTF-8", f"PG_MAJOR={major}", f"PGDATA={data}"], "Volumes": {volume: {} for volume in volumes}}


@pytest.mark.parametrize(
    ("told", "major", "mount", "data"),
    [
        (config("17", DATA, DATA), 17, DATA, DATA),
        (config("18", f"{OWN}/18/docker", OWN), 18, OWN, f"{OWN}/18/docker"),  # mounted below, its volume would belong to root
        (config("17", "/data", OWN), 17, "/data", "/data"),  # a volume beside the data is none for it
        (config("17", f"{OWN}/data", "/var/lib/postgres"), 17, DATA, DATA),  # a name that only begins alike
    ],
)
def test_the_image_decides_where_its_volume_is_mounted(told: dict[str, Any], major: int, mount: str, data: str) -> None:
    assert _versions.read_image("x", told) == Image("x", major, mount, data)


@pytest.mark.parametrize("told", [{"Env": None}, {"Env": ["PG_MAJOR=17"]}, {"Env": [f"PGDATA={DATA}", "PG_MAJOR="]}])
def test_an_image_that_does_not_say_it_is_refused(told: dict[str, Any]) -> None:
    with pytest.raises(ReleaseError, match="PG_MAJOR") as caught:
        _versions.read_image("mine:1", told)
    assert caught.value.code == "CONFIG"


@pytest.mark.parametrize(
    ("name", "current", "major", "data"),
    [
        ("postgres:15", None, 15, DATA),
        ("registry.lab:5000/postgres:16.4-bookworm", None, 16, DATA),
        ("postgres:18", LEGACY, 18, f"{OWN}/18/docker"),
        ("postgres@sha256:17aa", LEGACY, 15, DATA),
        ("postgres:17@sha256:15aa", LEGACY, 17, DATA),
        ("pgvector/pgvector:0.8.0-pg17", LEGACY, 17, DATA),
        ("timescale/timescaledb:latest-pg16", None, 16, DATA),
        ("postgis/postgis:17-3.5-alpine", None, 17, DATA),
        ("registry.lab:5000/postgres", ON_17, 17, DATA),
    ],
)
def test_an_image_that_is_not_here_yet_is_judged_by_its_tag(name: str, current: Volume | None, major: int, data: str) -> None:
    guessed = _versions.guessed_image(name, current)
    assert (guessed.major, guessed.data) == (major, data)


@pytest.mark.parametrize(
    ("image", "current", "volume", "words"),
    [
        (V17, None, "shop-data_postgres-17", ""),
        (V15, LEGACY, "shop-data_postgres", ""),  # what was there before volumes were named for their major
        (V17, ON_17, "shop-data_postgres-17", ""),
        (V17, LEGACY, "shop-data_postgres-17", "upgrade_postgres.yml -e data_services_postgres_image=postgres:17"),
        (V15, ON_17, "shop-data_postgres-15", "set data_services_postgres_image to an image of PostgreSQL 17"),
    ],
)
def test_each_major_has_a_volume_and_another_one_is_refused(image: Image, current: Volume | None, volume: str, words: str) -> None:
    assert _versions.chosen("shop", image, current) == volume
    if not words:
        _versions.refuse_other_major(image, current)
        return
    with pytest.raises(ReleaseError) as caught:
        _versions.refuse_other_major(image, current)
    assert caught.value.code == "PG_MAJOR_UPGRADE"
    assert words in caught.value.todo
    assert "15" in caught.value.what and "17" in caught.value.what


@pytest.mark.parametrize(
    ("files", "major"),
    [({}, None), ({"PG_VERSION": "17\n"}, 17), ({"18/docker/PG_VERSION": "18\n"}, 18), ({"PG_VERSION": ""}, None)],
)
def test_the_major_version_is_read_from_the_data(files: dict[str, str], major: int | None, tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert _volume.read_major(tmp_path) == major


def test_a_link_in_place_of_the_version_is_not_followed(tmp_path: Path) -> None:
    elsewhere, volume = tmp_path / "elsewhere", tmp_path / "volume"
    for directory in (elsewhere / "docker", volume / "18"):
        directory.mkdir(parents=True)
    (elsewhere / "docker" / "PG_VERSION").write_text("17\n")
    (volume / "PG_VERSION").symlink_to(elsewhere / "docker" / "PG_VERSION")
    (volume / "18" / "docker").symlink_to(elsewhere / "docker")
    assert _volume.read_major(volume) is None


@pytest.mark.parametrize(
    ("said", "owner"),
    [
        ("uid=999(postgres) gid=999(postgres) groups=999(postgres),101(ssl-cert)\n", "999:999"),
        ("uid=70(postgres) gid=70(postgres) groups=70(postgres),70(postgres)\n", "70:70"),  # Alpine's
        ("uid=999(redis) gid=1000(redis) groups=1000(redis)\n", "999:1000"),
    ],
)
def test_the_image_decides_which_user_its_server_runs_as(said: str, owner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], seconds: float) -> Finished:
        assert {"--network=none", "--entrypoint=id"} <= set(command), "its own entrypoint is not run, and it reaches nobody"
        return Finished(0, said, "")

    monkeypatch.setattr(_volume, "run", run)
    assert _volume.owner_of("x:1", "postgres") == owner


def test_an_image_without_that_user_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_volume, "run", lambda command, seconds: Finished(1, "", "id: 'postgres': no such user\n"))
    with pytest.raises(ReleaseError, match="does not have the user postgres") as caught:
        _volume.owner_of("x:1", "postgres")
    assert (caught.value.code, caught.value.details) == ("CONFIG", ["id: 'postgres': no such user"])


ON_ALPINE = Volume("shop-data_postgres-17", 17, "70:70")


@pytest.mark.parametrize(
    ("image", "owner", "current", "refused"),
    [
        (V17, "999:999", None, False),
        (V17, "999:999", ON_17, False),
        (V17, "70:70", ON_ALPINE, False),
        (V17, "70:70", LEGACY, False),  # moved by a dump
        (V17, "70:70", ON_17, True),
        (V17, "999:999", ON_ALPINE, True),
    ],
)
def test_data_of_another_user_is_refused(image: Image, owner: str, current: Volume | None, refused: bool) -> None:
    if not refused:
        _versions.refuse_other_owner(image, owner, current)
        return
    with pytest.raises(ReleaseError, match="nothing was changed") as caught:
        _versions.refuse_other_owner(image, owner, current)
    assert "data_services_postgres_image" in caught.value.todo


def test_the_owner_is_read_from_the_data(tmp_path: Path) -> None:
    assert _volume.read_owner(tmp_path) == "999:999"
    (tmp_path / "PG_VERSION").write_text("17\n")
    assert _volume.read_owner(tmp_path) == f"{tmp_path.stat().st_uid}:{tmp_path.stat().st_gid}"
