"""What monitors ask of a worker: the API's health and metrics routes on PLAZA_WORKER_PORT.

They are answered from the loop that runs the jobs, so that a loop that hangs does not look alive.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from litestar import Litestar

from plaza.app.runtime import Runtime
from plaza.core.http import bind
from plaza.core.http.edge import Edge
from plaza.core.http.health import HealthController
from plaza.core.http.problems import answer_problem


class _Server(uvicorn.Server):
    """Leaves the signals to the worker."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def probes(runtime: Runtime) -> AsyncIterator[None]:
    """Nothing where no port is set. One that is taken ends the process."""
    plaza = runtime.configuration.plaza
    if not plaza.worker_port:
        yield
        return
    app = Litestar(
        route_handlers=[bind(HealthController, runtime.parts, "app")],
        exception_handlers={Exception: answer_problem},
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    server = _Server(
        uvicorn.Config(
            Edge(app, plaza),
            host=plaza.host,
            port=plaza.worker_port,
            http="httptools",
            ws="none",
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            log_config=None,
        )
    )
    task = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.should_exit = True
        await task
