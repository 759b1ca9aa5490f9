"""bin/release makes a release of a clean tree, or says all that is in the way and changes nothing."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PERSON = {f"GIT_{role}_{what}": "someone@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}

Release = Callable[..., "subprocess.CompletedProcess[str]"]


def git(tree: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=tree, env={**os.environ, **PERSON}, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A checkout with the files as they are here, on the branch main, with the tools of this one."""
    tree = tmp_path / "fairlead"
    for name in git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes((ROOT / name).read_bytes())
            (tree / name).chmod((ROOT / name).stat().st_mode)
    (tree / ".venv").symlink_to(ROOT / ".venv")
    git(tree, "init", "--quiet", "--initial-branch=main")
    (tree / ".git" / "info" / "exclude").write_text("/.venv\n")
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "--message", "All")
    return tree


@pytest.fixture
def release(tree: Path) -> Release:
    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(["bin/release", *words], cwd=tree, env={**os.environ, **PERSON}, capture_output=True, text=True, check=False)

    return run


def test_everything_in_the_way_is_reported_at_once(tree: Path, release: Release) -> None:
    git(tree, "switch", "--quiet", "--create", "other")
    (tree / "junk").touch()
    before = git(tree, "rev-parse", "HEAD")
    done = release("0.9")
    assert done.returncode == 1
    for words in (
        "'0.9' is not a version",
        "0.9 is older than",
        "not the branch main",
        "the work tree has changes",
        "usage: bin/release VERSION",
    ):
        assert words in done.stderr
    assert (git(tree, "rev-parse", "HEAD"), git(tree, "status", "--porcelain"), git(tree, "tag")) == (before, "?? junk", "")


def test_a_release_is_one_commit_with_a_tag(tree: Path, release: Release) -> None:
    done = release("7.1.0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (git(tree, "tag"), git(tree, "log", "--format=%s", "-1"), git(tree, "status", "--porcelain")) == ("7.1.0", "Release 7.1.0", "")
    assert "\nversion: 7.1.0\n" in (tree / "galaxy.yml").read_text() and '\nversion = "7.1.0"\n' in (tree / "pyproject.toml").read_text()
    assert "v7\\.1\\.0" in (tree / "CHANGELOG.md").read_text()
    assert not list((tree / "changelogs" / "fragments").glob("*.yml"))
    assert (tree / ".cache" / "release" / "fairlead-fastapi-7.1.0.tar.gz").is_file()
    again = release("7.1.0")
    assert "the tag 7.1.0 exists already" in again.stderr and "changelogs/fragments is empty" in again.stderr


def test_a_release_that_fails_leaves_the_tree_as_it_was(tree: Path, release: Release) -> None:
    (tree / "changelogs" / "fragments" / "broken.yml").write_text("no_such_section: [text]\n")
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "--message", "Break")
    before = git(tree, "rev-parse", "HEAD")
    assert release("7.1.0").returncode != 0
    assert (git(tree, "rev-parse", "HEAD"), git(tree, "status", "--porcelain"), git(tree, "tag")) == (before, "", "")
