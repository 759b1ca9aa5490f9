"""An image that is asked for its migrations, and has no proper answer."""

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.base.command import TOO_LARGE, CommandTimeout, Finished
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations import alembic
from ansible_collections.fairlead.fastapi.plugins.module_utils._host.migrations.image import Image
from ansible_collections.fairlead.fastapi.plugins.module_utils._shared.errors import ReleaseError
from fakes import fails
from fakes_host import SETTINGS

IMAGE = Image("shop-r1", Path("/nowhere"), "r1 (shop:v1)", "shop@sha256:1", SETTINGS)
FLOOD = ReleaseError(TOO_LARGE, "`docker compose …` printed more than 16 MB", "find what prints so much")
SILENCE = CommandTimeout("COMMAND_TIMEOUT", "`docker compose …` did not end within 60 s", "look at the engine")


def answers(monkeypatch: pytest.MonkeyPatch, *given: Finished | ReleaseError) -> None:
    """Have the image answer so, one question after the other."""
    left = list(given)

    def ask(image: Image, command: Any, seconds: float) -> Finished:
        answer = left.pop(0)
        if isinstance(answer, ReleaseError):
            raise answer
        return answer

    monkeypatch.setattr(Image, "ask", ask)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ([FLOOD], "printed more than 16 MB"),
        ([SILENCE], "it did not answer within 60 s"),
        ([Finished(1, "", "no python"), FLOOD], "no python"),
        ([Finished(1, "", "no python"), SILENCE], "no python"),
    ],
)
def test_an_image_that_does_not_answer_is_unknown(
    monkeypatch: pytest.MonkeyPatch, given: list[Finished | ReleaseError], problem: str
) -> None:
    answers(monkeypatch, *given)
    answer = alembic.ask(IMAGE, [])
    assert answer.history is None and problem in answer.problem


def test_a_host_that_cannot_ask_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, ReleaseError("DOCKER_DOWN", "no answer", "start it"))
    with fails("DOCKER_DOWN"):
        alembic.ask(IMAGE, [])
