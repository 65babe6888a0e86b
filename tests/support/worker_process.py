"""A worker in a process of its own, to be killed: `python -m tests.support.worker_process` with its settings in the environment."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import uvloop

from plaza.core.clock import SystemClock
from plaza.core.db import Listener
from plaza.core.jobs import JobWorker
from plaza.core.telemetry.logging import LoggingSettings, configure_logging
from plaza.notifications import NotificationsSettings
from tests.support.jobs import compose

VARIABLE = "TEST_WORKER"


class WorkerProcess:
    """`contexts` are modules with a `context`, the lowest layer first. `haste` is how many times shorter the pauses between tries are."""

    def __init__(
        self,
        database_url: str,
        redis_url: str,
        contexts: Sequence[str],
        *,
        smtp_url: str = "",
        pause_s: float = 0,
        haste: float = 1,
    ) -> None:
        given = {
            "database_url": database_url,
            "redis_url": redis_url,
            "contexts": contexts,
            "smtp_url": smtp_url,
            "haste": haste,
        }
        self.environment = {**os.environ, VARIABLE: json.dumps(given), "PROBE_PAUSE_S": str(pause_s)}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-m", __name__], env=self.environment)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    async def terminate(self) -> int:
        """Its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self.process.wait)


async def work(given: dict[str, Any]) -> None:
    contexts = [importlib.import_module(name).context for name in given["contexts"]]
    settings = {NotificationsSettings: NotificationsSettings(smtp_url=given["smtp_url"])}
    jobs = compose(given["database_url"], given["redis_url"], SystemClock(), contexts, settings)
    worker = JobWorker(jobs, pause=lambda seconds: seconds / given["haste"])
    listening = asyncio.create_task(jobs.parts[Listener].run())
    await worker.run()
    listening.cancel()


if __name__ == "__main__":
    configure_logging(LoggingSettings(level="error", format="json"), "worker")
    uvloop.run(work(json.loads(os.environ[VARIABLE])))
