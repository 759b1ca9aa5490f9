"""A workflow's commands run in the order of their jobs, with what earlier ones told."""

from pathlib import Path

import pytest

from lab.pipeline import Pipeline

WORKFLOW = """
on: push
jobs:
  last:
    needs: [second]
    steps: [{run: 'echo "last after $WHAT"', env: {WHAT: "${{ needs.second.outputs.what }}"}}]
  second:
    needs: first
    outputs: {what: "${{ steps.tell.outputs.what }}"}
    steps:
      - uses: actions/checkout@0000
      - {run: "echo never", if: "github.event_name == 'pull_request'"}
      - {id: tell, run: 'echo "what=$NAME-${{ 1 }}" | sed "s/-.*//" >>"$GITHUB_OUTPUT"; pwd', env: {NAME: "${{ inputs.name }}"}}
  first:
    if: inputs.name != 'nobody'
    defaults: {run: {working-directory: "${{ inputs.directory }}"}}
    steps: [{run: "pwd; exit $CODE", env: {CODE: "${{ inputs.code }}"}}]
"""


def pipeline(tmp_path: Path, **inputs: str) -> Pipeline:
    """Return the workflow with these inputs."""
    file = tmp_path / "workflow.yml"
    file.write_text(WORKFLOW.replace("-${{ 1 }}", "-1"))
    (tmp_path / "app").mkdir(exist_ok=True)
    given = {"name": "shop", "code": "0", "directory": "app", **inputs}
    known = {f"inputs.{name}": value for name, value in given.items()}
    return Pipeline(file, tmp_path, {**known, "github.event_name": "push"}, {})


def test_jobs_run_in_the_order_of_their_needs(tmp_path: Path) -> None:
    done = pipeline(tmp_path).run()
    assert list(done) == ["first", "second", "last"]
    assert {name: job.code for name, job in done.items()} == {"first": 0, "second": 0, "last": 0}
    assert done["first"].output.strip() == str(tmp_path / "app")
    assert done["second"].output.strip() == str(tmp_path), "a step whose condition does not hold was run"
    assert done["second"].outputs == {"what": "shop"}
    assert done["last"].output == "last after shop\n"


def test_after_a_failed_job_none_has_a_turn(tmp_path: Path) -> None:
    done = pipeline(tmp_path, code="3").run()
    assert {name: job.code for name, job in done.items()} == {"first": 3, "second": None, "last": None}


def test_a_job_whose_condition_does_not_hold_has_no_turn(tmp_path: Path) -> None:
    done = pipeline(tmp_path, name="nobody").run()
    assert {job.code for job in done.values()} == {None}


def test_a_job_that_is_taken_for_done_is_not_run(tmp_path: Path) -> None:
    done = pipeline(tmp_path, code="3").run({"first": {}, "second": {"what": "it"}})
    assert done["last"].output == "last after it\n"
    skipped = pipeline(tmp_path, name="nobody").run({"first": {}, "second": {"what": "it"}})
    assert {job.code for job in skipped.values()} == {None}, "it was taken for done out of turn"


def test_an_expression_that_is_not_known_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        Pipeline(_file(tmp_path), tmp_path, {}, {}).run()


def test_a_secret_of_an_environment_is_known_to_its_jobs_alone(tmp_path: Path) -> None:
    step = "steps: [{run: 'echo $A', env: {A: '${{ secrets.a }}'}}]"
    file = tmp_path / "workflow.yml"
    file.write_text(f"jobs: {{one: {{environment: staging, {step}}}, two: {{{step}}}}}")
    done = Pipeline(file, tmp_path, {"secrets.a": ""}, {}, {"staging": {"secrets.a": "x"}}).run()
    assert {name: job.output.strip() for name, job in done.items()} == {"one": "x", "two": ""}


def _file(tmp_path: Path) -> Path:
    file = tmp_path / "workflow.yml"
    file.write_text("jobs: {one: {steps: [{run: 'true', env: {A: '${{ inputs.a }}'}}]}}")
    return file
