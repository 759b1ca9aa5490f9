"""Users notice nothing of a deploy or a rollback."""

import threading

from lab.story import App, mixed_load_was_served

SWITCHES = 20
# Requests per second in total. Tells of a drop lasting 5 ms or more.
RATE = 200


def test_switches_under_load_fail_no_request(app: App) -> None:
    tags = ["v2", "v3", "v4", "v5"]
    with app.load(RATE) as load:
        for number in range(SWITCHES // 2):
            app.deploy(tags[number % len(tags)]).succeeded()
            if number % 2:
                app.rollback().succeeded()
                app.deploy(tags[(number + 1) % len(tags)]).succeeded()
            else:
                app.deploy(tags[(number + 2) % len(tags)]).succeeded()
    mixed_load_was_served(load)
    served = [release for release, seen in load.report.releases.items() if seen.count]
    assert load.report.requests >= RATE * load.report.seconds * 0.95
    assert len(served) > SWITCHES // 2, served
    app.assert_tidy()


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
    switching.set()
    for asker in askers:
        asker.join()
    assert {status for status, _ in answers} == {204}
    assert {live, app.live} <= {release for _, release in answers}
