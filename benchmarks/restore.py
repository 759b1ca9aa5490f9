"""How long a backup, its proof and its restore take, of a database of a given size: `python -m benchmarks.restore`."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.contenders import BenchError
from lab import hosts, removal
from lab.__main__ import up
from lab.docker import LabError
from lab.play import Play
from lab.steps import note, step
from lab.story import App

TAG = "v2"
GIGABYTE = 1024**3
MEGABYTE = 1024**2
FILL_SECONDS = 1800
# Text that a compressor finds nothing in, but for its letters being those of hexadecimal numbers.
ROWS = """
INSERT INTO items (name, reference, note)
SELECT md5(random()::text), md5(random()::text), (SELECT string_agg(md5(random()::text || n || m), '') FROM generate_series(1, 15) AS m)
FROM generate_series(1, {rows}) AS n
"""
ROWS_AT_ONCE = 200_000
DIGEST = "SELECT count(*), sum(('x' || substr(md5(i::text), 1, 8))::bit(32)::bigint) FROM items AS i"


class Bench:
    """One benchmark on one lab host."""

    def __init__(self, host: str) -> None:
        self.app = App("bench-restore", host, variables={"app_release_bake_seconds": 0})

    def run(self, gigabytes: float) -> dict[str, Any]:
        """Measure, and return what is printed as JSON. Raises BenchError when what was restored is not what there was."""
        self._prepare(gigabytes)
        size, before = self._size(), self.app.sql(DIGEST)
        backup = self._timed("backup")
        newest = json.loads(self.app.on_host("sh", "-c", f"cat $(ls -t /opt/fairlead/{self.app.name}/backups/2*.json | head -n 1)"))
        drill = self._timed("restore_drill")
        self.app.sql("DELETE FROM items WHERE id % 2 = 0")
        restore = self._timed("restore", confirm=self.app.name)
        after = self.app.sql(DIGEST)
        if after != before:
            raise BenchError(f"rows and checksum were {before} and are {after}")
        status, _, body = self.app.get("/ready")
        if status != 200:
            raise BenchError(f"the app is not ready after the restore: HTTP {status} {body}")
        return {
            "database_bytes": size,
            "dump_bytes": newest["bytes"],
            "rows": int(before.partition("|")[0]),
            "backup_s": round(backup, 2),
            "drill_s": round(drill, 2),
            "restore_s": round(restore, 2),
            "backup_mb_s": round(size / MEGABYTE / backup, 1),
            "restore_mb_s": round(size / MEGABYTE / restore, 1),
        }

    def remove(self) -> None:
        """Take the app and its data off the host."""
        removal.remove(self.app)

    def _prepare(self, gigabytes: float) -> None:
        removal.remove(self.app)
        with step(f"provision for {self.app.name}, deploy {TAG}"):
            _required(self.app.play("provision"), "provisioning")
            _required(self.app.deploy(TAG), "the deploy")
        with step(f"{gigabytes:g} GiB of rows"):
            deadline = time.monotonic() + FILL_SECONDS
            while self._size() < gigabytes * GIGABYTE:
                if time.monotonic() > deadline:
                    raise BenchError(f"the database is not filled after {FILL_SECONDS} s")
                self.app.sql(ROWS.format(rows=ROWS_AT_ONCE))
        self.app.sql("CHECKPOINT")

    def _size(self) -> int:
        return int(self.app.sql("SELECT pg_database_size(current_database())"))

    def _timed(self, playbook: str, **variables: str) -> float:
        begin = time.monotonic()
        play = self.app.play(playbook, **variables)
        seconds = time.monotonic() - begin
        _required(play, f"{playbook}.yml")
        note(f"{playbook}.yml{'':<{16 - len(playbook)}} {seconds:7.2f} s")
        return seconds


def _required(play: Play, what: str) -> None:
    if play.code:
        raise BenchError(f"{what} failed:\n{play.output[-3000:]}")


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    top = argparse.ArgumentParser(prog="bin/bench restore", description="Times backup, drill and restore of a filled database.")
    top.add_argument("--gigabytes", type=float, default=1, metavar="N", help="size of the database, at least (%(default)s)")
    top.add_argument("--host", default=hosts.DEFAULT, help="the lab host to use (%(default)s)")
    return top


def told(figures: dict[str, Any]) -> str:
    """Return the figures for people."""
    database, dump = figures["database_bytes"] / MEGABYTE, figures["dump_bytes"] / MEGABYTE
    return "\n".join(
        [
            f"database {database:.0f} MB, {figures['rows']} rows; its dump {dump:.0f} MB",
            f"backup.yml         {figures['backup_s']:7.2f} s  {figures['backup_mb_s']:6.1f} MB/s",
            f"restore_drill.yml  {figures['drill_s']:7.2f} s",
            f"restore.yml        {figures['restore_s']:7.2f} s  {figures['restore_mb_s']:6.1f} MB/s, with the backup of what it replaces",
            "rows and checksums after the restore are those from before the backup; the app is ready",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print figures and JSON, and return the exit code."""
    options = parser().parse_args(arguments)
    try:
        up([options.host])
        bench = Bench(options.host)
        try:
            figures = bench.run(options.gigabytes)
        finally:
            bench.remove()
    except (BenchError, LabError, AssertionError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(f"\n{told(figures)}\n\n{json.dumps(figures)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
