"""Command: exits 0 when it could measure (the report tells what), 2 on bad usage."""

import asyncio
import logging
import signal
import sys

import uvloop

from lab.probe.load import Load
from lab.probe.options import Options, parse
from lab.probe.report import Report

ANSWERING = "answering"


async def _measure(options: Options) -> Report:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return await Load(options, on_answering=lambda: print(ANSWERING, flush=True)).run(stop)


def main() -> int:
    """Run the probe as the command line says."""
    options = parse()
    # asyncio logs each broken connection by itself; they are counted and explained in the report.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    report = uvloop.run(_measure(options))
    if options.report:
        report.write(options.report)
    print(report.summary(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
