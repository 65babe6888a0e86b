"""A worker answers monitors, from its own loop."""

from __future__ import annotations

import socket

import httpx
import pytest

from plaza.app.probes import probes
from plaza.app.runtime import Runtime
from plaza.core.settings import Environment, PlazaSettings
from tests.support.servers import TestServers
from tests.support.stage import configuration_for, free_port
from tests.support.tls import TLS
from tests.support.waiting import PATIENCE_S, eventually


async def test_a_worker_tells_its_health_and_its_metrics(servers: TestServers) -> None:
    port = free_port()
    configuration = configuration_for(servers.database_url, servers.redis_url, PLAZA_WORKER_PORT=str(port))
    runtime = Runtime(configuration, "worker")
    async with (
        runtime.running("worker"),
        probes(runtime),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S, verify=TLS) as client,
    ):

        async def is_alive() -> bool:
            try:
                return (await client.get("/health/live")).text == '{"status":"ok"}'
            except httpx.ConnectError:
                return False

        await eventually(is_alive)
        ready = await client.get("/health/ready")
        assert (ready.status_code, ready.json()) == (200, {"status": "ok", "database": "ok", "redis": "ok"})
        assert "plaza_jobs_waiting" in (await client.get("/metrics")).text
        missing = await client.get("/api/v1/auth/user")
        assert (missing.status_code, missing.json()["code"]) == (404, "NOT_FOUND")
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5)


@pytest.mark.parametrize("port", ["8000", "-1", "65536"])
def test_a_port_that_cannot_be_is_named(port: str) -> None:
    environment = Environment({"PLAZA_WORKER_PORT": port})
    assert environment.section("", PlazaSettings) is None
    assert environment.wrong[0].startswith("PLAZA_WORKER_PORT: ")
