"""gunicorn's configuration; every value comes from app.settings."""

import asyncio
import logging
import logging.config
import os
import shutil
from pathlib import Path

from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker
from prometheus_client import multiprocess

# Imported here although only workers use it: they fork with the modules loaded and share their memory.
# The app itself is made in each worker (no preload_app), so no pool, file or lock crosses the fork.
import app.main
from app.logging import logging_config
from app.settings import settings_or_exit
from app.startup import DependencyUnavailableError, wait_for_dependencies
from app.workers import cpu_quota, free_slot, host_cores, worker_count

settings = settings_or_exit()

wsgi_app = f"{app.main.__name__}:create_app()"
worker_class = "app.server.Worker"
bind = settings.bind
umask = 0o007  # the socket is 0770: its group is shared with the proxy, others have no way in
workers = worker_count(settings.web_concurrency, cpu_quota(), host_cores())
worker_tmp_dir = "/dev/shm"
timeout = 60
graceful_timeout = settings.graceful_timeout_seconds
keepalive = 75
# A worker that is recycled finishes its requests before its successor starts: alone, it would leave nobody to answer.
max_requests = settings.max_requests if workers > 1 else 0
max_requests_jitter = max_requests // 10
control_socket_disable = True
logconfig_dict = logging_config(settings)
if bind.startswith("unix:"):
    forwarded_allow_ips = "*"  # only the proxy can open the socket, and it sets these headers itself


def on_starting(server: Arbiter) -> None:
    if directory := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        shutil.rmtree(directory, ignore_errors=True)
        Path(directory).mkdir(parents=True)
    try:
        asyncio.run(wait_for_dependencies(settings))
    except DependencyUnavailableError as error:
        server.log.critical("shop cannot start: %s", error)
        logging.shutdown()
        raise SystemExit(1) from None


def pre_fork(server: Arbiter, worker: Worker) -> None:
    # Metrics files are named by slot, not by pid: a recycled worker continues its predecessor's, else each
    # recycling would leave one more file in memory (/tmp is a tmpfs).
    worker.slot = free_slot({other.slot for other in server.WORKERS.values()})


def post_fork(server: Arbiter, worker: Worker) -> None:
    os.environ["WORKER_SLOT"] = str(worker.slot)


def child_exit(server: Arbiter, worker: Worker) -> None:
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.mark_process_dead(worker.slot)
