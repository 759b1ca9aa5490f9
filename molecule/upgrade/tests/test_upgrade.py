"""Users notice nothing of a deploy or a rollback."""

import threading
from itertools import cycle
from pathlib import Path

import pytest
import yaml

from lab.proxy import eventually
from lab.story import THOROUGH, App, mixed_load_was_served

SWITCHES = 20 if THOROUGH else 8
# Requests per second in total. Tells of a drop lasting 5 ms or more.
RATE = 200
VARIABLES = yaml.safe_load((Path(__file__).parents[1] / "vars" / "main.yml").read_text())


@pytest.fixture(scope="session")
def app() -> App:
    """The app with the scenario's variables."""
    return App("upgrade", variables=VARIABLES)


def test_switches_under_load_fail_no_request(app: App) -> None:
    tags = cycle(["v2", "v3", "v4", "v5"])
    with app.load(RATE) as load:
        for number in range(1, SWITCHES + 1):
            play = app.rollback() if number % 4 == 0 else app.deploy(next(tags))
            play.succeeded()
            # Cores that are shared with the load and the controller need a moment; a real host has its own.
            app.settle()
    mixed_load_was_served(load)
    served = [release for release, seen in load.report.releases.items() if seen.count]
    assert load.report.requests >= RATE * load.report.seconds * 0.95
    assert len(served) > SWITCHES // 2, served
    app.assert_tidy()


@pytest.mark.fault(row=55, fault="requests of 5 s in flight at the switch", code="", serves="the old release, to their end", says="")
def test_a_long_request_in_flight_at_the_switch_completes(app: App) -> None:
    live = app.live
    answers: list[tuple[int, str]] = []

    def ask() -> None:
        status, headers, _ = app.get("/items/wait?reference=nobody&seconds=5")
        answers.append((status, headers["x-release"]))

    switching = threading.Event()

    def keep_asking() -> None:
        while not switching.is_set():
            ask()

    askers = [threading.Thread(target=keep_asking) for _ in range(4)]
    for asker in askers:
        asker.start()
    app.deploy("v2" if app.releases[live]["tag"] != "v2" else "v3").succeeded()
    new = app.live
    # The deploy does not wait for the old release's last requests; only after them the askers meet the new one.
    eventually(lambda: new in {release for _, release in answers})
    switching.set()
    for asker in askers:
        asker.join()
    assert {status for status, _ in answers} == {204}
    assert {live, new} == {release for _, release in answers}
