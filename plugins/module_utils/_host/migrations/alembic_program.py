# Copyright (c) Fairlead contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lists an image's migrations and their SQL without a database.

This file is not imported on the host: its text is handed to the image's own Python, whatever its version, where Alembic is installed.
The answers are lines of JSON. Everything else that the image prints goes to standard error.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

Tell = Callable[..., None]


def migrations_of(script: Any) -> List[Dict[str, Any]]:
    """Return the migrations in a script directory, oldest first. This reads the scripts and never runs env.py."""
    return [
        {
            "revision": one.revision,
            # Dependencies may be given as labels; these are the revisions they stand for.
            "down": _names(one.down_revision) + [found.revision for found in script.get_revisions(_names(one.dependencies))],
            "title": (one.doc or "").split("\n")[0],
        }
        for one in reversed(list(script.walk_revisions()))
    ]


def _names(value: Any) -> List[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def tell_sql(config: Any, script: Any, start: Optional[str], target: str, tell: Tell) -> None:
    """Print the SQL that leads from one revision to the target. What follows a migration that needs a database is asked for anew."""
    while start is not None:
        config.output_buffer = io.StringIO()
        reached: List[str] = []
        table: Dict[str, Any] = {}
        try:
            _run_offline(config, script, start, target, reached, table)
        except (Exception, SystemExit) as error:  # whatever env.py or a migration raises
            failed = f"{type(error).__name__}: {error}"
        else:
            failed = ""
        tell(sql=config.output_buffer.getvalue(), failed=failed, **table)
        start = reached[-1] if failed and reached and reached[-1] != start else None


def _run_offline(config: Any, script: Any, start: str, target: str, reached: List[str], table: Dict[str, Any]) -> None:
    from alembic.runtime.environment import EnvironmentContext  # type: ignore[import-not-found,unused-ignore]

    def steps(revision: Any, context: Any) -> Any:
        table.update(version_table=context.version_table, version_schema=context.version_table_schema)
        for step in script._upgrade_revs(target, revision):
            reached.append(step.revision.revision)
            yield step

    with EnvironmentContext(config, script, fn=steps, as_sql=True, starting_rev=start or None, destination_rev=target):
        script.run_env()


def answer(question: Dict[str, Any], tell: Tell) -> None:
    """Answer a question: ``options`` of the alembic command, its ``target``, and ``current``, the database's revisions."""
    here = sys.path[:]
    # `python -c` looks in the working directory first, where the migrations often lie in a directory named alembic.
    sys.path[:] = [path for path in here if path]
    from alembic.config import CommandLine  # type: ignore[import-not-found,unused-ignore]
    from alembic.script import ScriptDirectory  # type: ignore[import-not-found,unused-ignore]

    sys.path[:] = here

    class Question(CommandLine):  # type: ignore[misc,unused-ignore]
        def run_cmd(self, config: Any, options: Any) -> None:
            script = ScriptDirectory.from_config(config)
            history = migrations_of(script)
            tell(history=history)
            current, known = question["current"], {one["revision"] for one in history}
            # Alembic prints SQL from one revision only. From one that the image does not have, only the name of the table is of interest.
            if len(current) < 2 and set(current) != set(script.get_heads()):
                tell_sql(config, script, current[0] if current and current[0] in known else "", question["target"], tell)

    Question().main([*question["options"], "upgrade", question["target"], "--sql"])


def become_the_tools_python(tool: str) -> None:
    """Go on as the Python that the alembic command names in its first line, which need not be the first one in PATH."""
    found = shutil.which(tool) if tool else None
    if found is None:
        return
    with Path(found).open("rb") as file:
        first = file.readline(1024).decode("utf-8", "replace").strip()
    python = first[2:].strip()
    if not first.startswith("#!/") or " " in python or "python" not in python.rpartition("/")[2]:
        return
    if Path(python).parent != Path(sys.executable).parent:
        words = Path("/proc/self/cmdline").read_bytes().split(b"\0")[1:-1]
        os.execv(python, [os.fsencode(python), *words])


def main(text: str) -> None:
    """Answer the question in ``text``, which is JSON, on standard output."""
    question = json.loads(text)
    become_the_tools_python(question["tool"])
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Loggers and prints of the image must not be taken for an answer.

    def tell(**line: Any) -> None:
        out.write(json.dumps(line) + "\n")
        out.flush()

    answer(question, tell)


if __name__ == "__main__":
    main(sys.argv[1])
