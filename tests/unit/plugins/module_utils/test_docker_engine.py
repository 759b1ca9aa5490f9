"""Containers, networks, versions: what the engine tells, read as JSON."""

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils import _docker
from ansible_collections.fairlead.fastapi.plugins.module_utils._command import Finished
from fakes import fails
from test_docker import Says, says

__all__ = ["says"]  # the fixture


def test_versions(says: Says) -> None:
    says(Finished(0, '"26.1.5"\n', ""), Finished(0, "2.26.1-4\n", ""), Finished(1, "", "'compose' is not a command"))
    assert (_docker.server_version(), _docker.compose_version(), _docker.compose_version()) == ("26.1.5", "2.26.1-4", None)


def test_an_engine_that_is_down(says: Says) -> None:
    says(Finished(1, "", "Cannot connect to the Docker daemon"))
    with fails("DOCKER_DOWN") as caught:
        _docker.server_version()
    assert caught.value.details == ["Cannot connect to the Docker daemon"]


@pytest.mark.parametrize(
    ("present", "missing"),
    [('"bridge"\n"shop"\n"shop-data"\n', []), ('"bridge"\n"shopping"\n', ["shop", "shop-data"]), ("", ["shop", "shop-data"])],
)
def test_networks(says: Says, present: str, missing: list[str]) -> None:
    says(Finished(0, present, ""))
    assert _docker.missing_networks(["shop", "shop-data"]) == missing


def test_containers_of_one_release(says: Says) -> None:
    given = says(Finished(0, "c1\nc2\n", ""), Finished(1, "[]", "No such object: c1"), Finished(0, '[{"Id": "c2"}]', ""))
    assert _docker.containers("shop", "r2") == [{"Id": "c2"}]  # c1 was removed meanwhile
    assert given[0][-4:] == ["--filter", "label=fairlead.app=shop", "--filter", "label=fairlead.release=r2"]


def test_an_image_that_is_gone_is_not_removed(says: Says) -> None:
    given = says(Finished(1, "", "No such image"))
    _docker.remove_image("x@sha256:1")
    assert len(given) == 1


def test_a_refusal_is_told_with_its_last_lines(says: Says) -> None:
    says(Finished(1, "", "\n".join(f"line {n}" for n in range(50))))
    with fails("DOCKER_FAILED") as caught:
        _docker.stop("c1", 40)
    assert caught.value.what == "stopping the old release failed (exit code 1)"
    assert (len(caught.value.details), caught.value.details[-1]) == (20, "line 49")
