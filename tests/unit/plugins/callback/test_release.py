"""What people see while they release: the words themselves."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent
from typing import Any

import pytest
from ansible import constants as C
from callback.fakes_callback import Host, Result, Run, Task

PREPARE = Task("fairlead.fastapi.release_prepare")
MIGRATE = Task("fairlead.fastapi.release_migrate")
ROLLOUT = Task("fairlead.fastapi.release_rollout")
FINISH = Task("fairlead.fastapi.release_finish")
DEBUG = Task("ansible.builtin.debug")
R12 = {"id": "r12", "tag": "v2", "image": "registry.lab/shop"}
NOT_READY = dedent("""\
    NOT_READY: r12 (v2) did not get ready within 30 s
    Serving now: r11 (registry.lab/shop:v1)
    To do: mend what /ready says, then deploy again
    Evidence:
      last answer: HTTP 503 no database""")


def steps(**seconds: float) -> list[dict[str, Any]]:
    return [{"step": step, "seconds": took, "digest": "sha256:ab"} for step, took in seconds.items()]


def golden(text: str) -> str:
    return dedent(text).strip("\n")


def test_a_deploy_prints_its_stages_and_what_is_live(run: Run) -> None:
    run.play("Prepare")
    run.task(Task("fairlead.fastapi.check_input"), "vps1", ("vps1", "ok", {"changed": False}))
    run.task(
        PREPARE,
        "vps1",
        (
            "vps1",
            "ok",
            {
                "changed": True,
                "unchanged": False,
                "release": R12,
                "steps": steps(preflight=0.31, pull=1.2, bundle=0.1),
                "warnings": ["CLOCK_OFFSET: 40 s"],
            },
        ),
    )
    run.play("Migrate")
    run.task(MIGRATE, "vps1", ("vps1", "skipped", {"changed": False}))
    run.play("Roll out")
    run.task(ROLLOUT, "vps1", ("vps1", "ok", {"changed": True, "steps": steps(start=0.9, switch=0.0)}))
    run.play("Finish")
    run.task(
        FINISH,
        "vps1",
        ("vps1", "ok", {"changed": True, "release": R12, "steps": steps(drain=1.0), "warnings": ["CLOCK_OFFSET: 40 s"]}),
    )
    run.task(DEBUG, "vps1", ("vps1", "ok", {"msg": "shop: r12 (v2) is live", "changed": False}))
    run.ends(vps1={"ok": 5, "changed": 3})
    assert run.shown.text == golden("""
        vps1  prepare   …
        vps1  warning   CLOCK_OFFSET: 40 s
        vps1  prepare   preflight 0.3 s · pull 1.2 s · bundle 0.1 s
        vps1  migrate   …
        vps1  migrate   skipped
        vps1  rollout   …
        vps1  rollout   start 0.9 s · switch 0.0 s
        vps1  finish    …
        vps1  finish    drain 1.0 s
        vps1  shop: r12 (v2) is live

        host  outcome           phases                                        total
        vps1  r12 (v2) is live  prepare 1.6 s · rollout 0.9 s · finish 1.0 s  3.5 s
    """)


def test_a_failure_is_shown_whole_and_named_in_the_end(run: Run) -> None:
    run.task(
        ROLLOUT,
        "vps1 vps2",
        ("vps1", "ok", {"changed": True, "steps": steps(start=0.9, ready=1.0)}),
        (
            "vps2",
            "failed",
            {
                "failed": True,
                "code": "NOT_READY",
                "serving": "r11 (registry.lab/shop:v1)",
                "msg": NOT_READY,
                "exception": "Traceback (most recent call last)",
                "invocation": {"module_args": {"app": "shop"}},
                "steps": [{"step": "start", "seconds": 0.9}, {"step": "ready", "seconds": 30.02, "failed": True}],
            },
        ),
    )
    run.ends(vps1={"ok": 1, "changed": 1}, vps2={"failures": 1})
    assert run.shown.text == golden("""
        vps1  rollout   …
        vps2  rollout   …
        vps1  rollout   start 0.9 s · ready 1.0 s
        vps2  rollout   start 0.9 s · ready 30.0 s failed
        vps2  FAILED    rollout
          NOT_READY: r12 (v2) did not get ready within 30 s
          Serving now: r11 (registry.lab/shop:v1)
          To do: mend what /ready says, then deploy again
          Evidence:
            last answer: HTTP 503 no database

        host  outcome                                                       phases          total
        vps1  ended after rollout; it serves, and the next run finishes it  rollout 1.9 s   1.9 s
        vps2  failed NOT_READY, serving r11                                 rollout 30.9 s  30.9 s
    """)
    assert {colour for text, colour, _ in run.shown.parts if "NOT_READY" in text} == {C.COLOR_ERROR}


def test_provisioning_names_what_changed_and_counts_the_rest(run: Run) -> None:
    run.play("Check the input")
    run.task(Task("fairlead.fastapi.check_input"), "vps1", ("vps1", "ok", {"changed": False}))
    run.play("Install the engine")
    run.task(Task("ansible.builtin.setup"), "vps1", ("vps1", "ok", {"ansible_facts": {"distribution": "Debian"}}))
    run.task(Task("ansible.builtin.apt", "Install the packages"), "vps1", ("vps1", "ok", {"changed": True, "stdout": "Reading lists"}))
    run.task(Task("ansible.builtin.service"), "vps1", ("vps1", "skipped", {"skip_reason": "Conditional result was False"}))
    run.play("Start the edge")
    run.task(Task("ansible.builtin.file"), "vps1", ("vps1", "ok", {"changed": False}))
    run.ends(vps1={"ok": 4, "changed": 1})
    assert run.shown.text == golden("""
        Install the engine
        vps1  changed   a_role : Install the packages
        vps1  done      1 ok, 1 changed
        Start the edge
        vps1  done      1 ok, 0 changed

        host  outcome
        vps1  1 changed, 3 ok
    """)


def test_a_release_that_is_live_already_announces_no_further_stage(run: Run) -> None:
    run.task(PREPARE, "vps1", ("vps1", "ok", {"changed": False, "unchanged": True, "release": R12, "steps": steps(preflight=0.3)}))
    run.task(ROLLOUT, "vps1", ("vps1", "skipped", {}))
    run.ends(vps1={"ok": 1})
    assert run.shown.text == golden("""
        vps1  prepare   …
        vps1  prepare   preflight 0.3 s

        host  outcome                      phases         total
        vps1  unchanged, r12 (v2) is live  prepare 0.3 s  0.3 s
    """)


def test_a_host_that_is_lost_comes_with_what_to_do(run: Run) -> None:
    run.task(ROLLOUT, "vps1", ("vps1", "unreachable", {"unreachable": True, "msg": "Failed to connect to the host via ssh"}))
    run.ends(vps1={"unreachable": 1})
    assert run.shown.text == golden("""
        vps1  rollout   …
        vps1  UNREACHABLE  rollout
          Failed to connect to the host via ssh
          Serving now: not known from here; what served goes on serving
          To do: look with playbooks/status.yml, then give the same command again; what was begun on the host is then finished, or cleared away, by itself

        host  outcome
        vps1  unreachable in rollout
    """)  # noqa: E501  the line as it is shown


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"msg": ["shop: r12 is live", "  image  x"], "changed": False}, "vps1  shop: r12 is live\n        image  x"),
        ({"msg": "one\ntwo", "_ansible_verbose_always": True}, "vps1  one\n      two"),
        ({"port": 8000, "changed": False, "failed": False, "_ansible_verbose_always": True}, "vps1  port: 8000"),
        ({"shop": {"port": 1}}, 'vps1  shop: {\n        "port": 1\n      }'),
        ({"censored": "hidden", "changed": False}, "vps1  hidden"),
        ({"msg": ""}, ""),
    ],
)
def test_debug_is_shown_as_the_text_that_it_is(run: Run, body: dict[str, Any], shown: str) -> None:
    run.task(DEBUG, "vps1", ("vps1", "ok", body))
    assert run.shown.text == shown


def test_of_a_loop_each_item_of_debug_is_shown(run: Run) -> None:
    for item in ("a", "b"):
        body = {"msg": f"this is {item}", "item": item, "ansible_loop_var": "item", "changed": False}
        run.callback.v2_runner_item_on_ok(Result(Host("vps1"), DEBUG, body))
    run.task(Task("ansible.builtin.debug", loop=True), "vps1", ("vps1", "ok", {"msg": "All items completed", "results": [{}, {}]}))
    assert run.shown.text == "vps1  this is a\nvps1  this is b"


@pytest.mark.parametrize("verbosity", [0, 1, 3])
def test_arguments_and_what_is_hidden_are_never_shown(begin: Callable[..., Run], verbosity: int) -> None:
    run = begin(verbosity, result_format="json")
    arguments = {"module_args": {"password": "s3cr3t"}}
    plain = Task("ansible.builtin.user")
    run.task(plain, "vps1", ("vps1", "ok", {"changed": True, "name": "shown", "invocation": arguments}))
    run.task(plain, "vps1", ("vps1", "failed", {"msg": "no such user", "invocation": arguments}))
    run.callback.v2_runner_item_on_failed(Result(Host("vps1"), plain, {"msg": "broken", "item": "x", "invocation": arguments}))
    run.callback.v2_runner_item_on_failed(Result(Host("vps1"), plain, {"censored": "the item has been hidden", "item": "s3cr3t"}))
    run.task(plain, "", ("vps1", "failed", {"msg": "One or more items failed"}))
    run.task(plain, "vps1", ("vps1", "failed", {"failed": True, "censored": "the output has been hidden"}))
    assert "s3cr3t" not in run.shown.text
    assert "module_args" not in run.shown.text
    assert "the output has been hidden" in run.shown.text
    assert "  item x:\n    broken\n  the item has been hidden\n" in run.shown.text
    assert ('"name": "shown"' in run.shown.text) == (verbosity > 0)


def test_a_warning_is_shown_once_for_each_host(run: Run) -> None:
    for host in ("vps1", "vps1", "vps2"):
        run.task(PREPARE, "", (host, "ok", {"warnings": ["DRIFT: the Caddyfile was edited"]}))
    assert run.shown.text.splitlines() == [f"{host}  warning   DRIFT: the Caddyfile was edited" for host in ("vps1", "vps2")]


def test_a_difference_is_shown_in_ansibles_own_way(run: Run) -> None:
    body = {"changed": True, "diff": [{"before": "LOG=info\n", "after": "LOG=debug\n"}]}
    run.callback.v2_on_file_diff(Result(Host("vps1"), PREPARE, body))
    looped = Task("ansible.builtin.copy", "Write the files", loop=True)
    run.callback.v2_on_file_diff(Result(Host("vps1"), looped, {"results": [{**body}, {"changed": False, "diff": body["diff"]}]}))
    difference = "--- before\n+++ after\n@@ -1 +1 @@\n-LOG=info\n+LOG=debug\n\n"
    assert run.shown.text == f"vps1  diff      prepare\n{difference}\nvps1  diff      a_role : Write the files\n{difference}"


def test_in_check_mode_a_stage_reports_that_it_would_run(run: Run) -> None:
    run.task(Task("fairlead.fastapi.release_rollout", check_mode=True), "vps1", ("vps1", "ok", {"changed": True, "steps": []}))
    assert run.shown.text == "vps1  rollout   …\nvps1  rollout   would run"


def test_what_is_to_be_ignored_does_not_look_like_a_failure(run: Run) -> None:
    run.task(Task("ansible.builtin.command", "Look", ignore_unreachable=True), "vps1", ("vps1", "unreachable", {"msg": "no route"}))
    task = Task("ansible.builtin.command", "Look")
    run.callback.v2_runner_on_failed(Result(Host("vps1"), task, {"msg": "non-zero return code", "rc": 1}), ignore_errors=True)
    run.ends(vps1={"ok": 2, "ignored": 2})
    assert run.shown.text == golden("""
        vps1  ignored   a_role : Look: unreachable
        vps1  ignored   a_role : Look: non-zero return code

        host  outcome
        vps1  unchanged
    """)


def test_failures_go_to_the_stream_that_is_configured(begin: Callable[..., Run]) -> None:
    for wanted in (False, True):
        run = begin(display_failed_stderr=wanted)
        run.task(ROLLOUT, "vps1", ("vps1", "failed", {"code": "LOCKED", "msg": "LOCKED: bob releases"}))
        assert {stderr for text, _, stderr in run.shown.parts if "LOCKED: " in text} == {wanted}


def test_the_smoke_checks_are_listed(run: Run) -> None:
    run.task(
        Task("fairlead.fastapi.release_smoke"),
        "vps1",
        ("vps1", "ok", {"changed": False, "steps": [], "checks": ["a: HTTP 200", "b: HTTP 200"]}),
    )
    run.ends(vps1={"ok": 1})
    assert "vps1  smoke     a: HTTP 200 · b: HTTP 200" in run.shown.text
    assert "vps1  answers" in run.shown.text


HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202ereversed\x9b1m" + "x" * 2_000_000


def everything(run: Run, said: str) -> None:
    """Have each event quote what an app said."""
    plain = Task("ansible.builtin.command", name="Ask")
    run.play(said)
    run.task(plain, "vps1", ("vps1", "ok", {"changed": True, "stdout": said, "warnings": [said]}))
    run.task(ROLLOUT, "vps1", ("vps1", "failed", {"code": "NOT_READY", "msg": f"NOT_READY: {said}\n{said}", "serving": "r1"}))
    run.task(plain, "vps1", ("vps1", "failed", {"msg": said, "stderr": said, "stdout": said, "rc": 1}))
    run.task(DEBUG, "vps1", ("vps1", "ok", {"msg": [said]}))
    run.task(Task("fairlead.fastapi.release_smoke"), "vps1", ("vps1", "ok", {"checks": [said], "changed": False}))
    run.task(plain, "vps1", ("vps1", "unreachable", {"msg": said, "unreachable": True}))
    run.callback.v2_on_file_diff(Result(Host("vps1"), plain, {"changed": True, "diff": {"before": "", "after": said}}))
    run.ends(vps1={"failures": 1})


@pytest.mark.parametrize("verbosity", [0, 1])
def test_output_of_an_app_reaches_the_terminal_without_control_codes(begin: Callable[..., Run], verbosity: int) -> None:
    run = begin(verbosity)
    everything(run, HOSTILE[:500])
    assert run.shown.text.count("owned") >= 6
    assert run.shown.text.replace("\n", "").replace("\t", "").isprintable()


def test_a_failure_is_cut_to_what_can_be_read(run: Run) -> None:
    run.task(ROLLOUT, "vps1", ("vps1", "failed", {"code": "NOT_READY", "msg": f"NOT_READY: {HOSTILE}\n" + f"{HOSTILE[:50]}\n" * 99_999}))
    assert len(run.shown.text) < 40_000


ONE_CALL = {
    "changed": True,
    "release": R12,
    "steps": steps(preflight=0.2, plan=1.0),
    "then": [
        {"stage": "release_rollout", "changed": True, "steps": steps(start=0.6, ready=2.0)},
        {"stage": "release_finish", "changed": True, "release": R12, "steps": steps(drain=0.3)},
    ],
}


def test_the_stages_of_one_call_are_shown_like_those_of_several(run: Run) -> None:
    run.play("Prepare")
    run.task(PREPARE, "vps1", ("vps1", "ok", ONE_CALL))
    for task in (MIGRATE, ROLLOUT, FINISH):
        run.task(task, "vps1", ("vps1", "skipped", {"changed": False}))
    run.ends(vps1={"ok": 1, "changed": 1})
    assert run.shown.text == golden("""
        vps1  prepare   …
        vps1  prepare   preflight 0.2 s · plan 1.0 s
        vps1  rollout   start 0.6 s · ready 2.0 s
        vps1  finish    drain 0.3 s

        host  outcome           phases                                        total
        vps1  r12 (v2) is live  prepare 1.2 s · rollout 2.6 s · finish 0.3 s  4.1 s
    """)


def test_the_stage_of_a_call_that_failed_is_named(run: Run) -> None:
    failed = {"stage": "release_rollout", "failed": True, "msg": NOT_READY, "code": "NOT_READY", "serving": "r11 (v1)"}
    rollout = {**failed, "steps": [*steps(start=0.6), {"step": "ready", "seconds": 30.0, "failed": True}]}
    run.task(PREPARE, "vps1", ("vps1", "failed", {**ONE_CALL, **failed, "then": [rollout]}))
    run.ends(vps1={"failures": 1})
    said = run.shown.text.splitlines()
    assert said[1:4] == [
        "vps1  prepare   preflight 0.2 s · plan 1.0 s",
        "vps1  rollout   start 0.6 s · ready 30.0 s failed",
        "vps1  FAILED    rollout",
    ]
    assert said[-1].startswith("vps1  failed NOT_READY, serving r11")
