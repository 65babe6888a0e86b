"""`plaza serve` and `plaza worker` as operators run them: processes of their own, to be killed, drained and started again."""

from __future__ import annotations

import json
import signal
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

import httpx

from tests.support.command_line import CommandLine, environment
from tests.support.forked import ForkedPlaza
from tests.support.outside import Person
from tests.support.tls import TLS
from tests.support.waiting import PATIENCE_S, eventually

P = TypeVar("P", bound="PlazaProcess")


class PlazaProcess:
    """It ends with the test run, whatever becomes of that. What it says goes to `log`."""

    def __init__(self, folder: Path, command: str, **variables: str) -> None:
        self.folder, self.command, self.variables = folder, command, variables
        self.log = folder / f"{command}-{uuid4().hex[:8]}.log"
        self.child: ForkedPlaza | None = None

    @property
    def is_running(self) -> bool:
        return self.child is not None and self.child.poll() is None

    async def start(self) -> None:
        given = environment(self.variables)
        self.child = ForkedPlaza([self.command], folder=self.folder, environment=given, out=self.log)

    def kill(self) -> None:
        if self.child is not None:
            self.child.kill()
            self.child.wait()

    def terminate(self) -> None:
        """SIGTERM: it drains."""
        assert self.child is not None
        self.child.send_signal(signal.SIGTERM)

    async def ended(self) -> int:
        """Its exit status, once it has one."""
        child = self.child
        assert child is not None
        await eventually(child.has_ended)
        return child.wait()

    async def stop(self) -> int:
        self.terminate()
        return await self.ended()


class ApiProcess(PlazaProcess):
    def __init__(self, folder: Path, **variables: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        super().__init__(folder, "serve", PLAZA_PORT=str(port), **variables)
        self.port: int = port
        self.base_url = f"http://127.0.0.1:{port}"

    async def start(self) -> None:
        """Until it answers, whether its servers do or not."""
        await super().start()
        await eventually(self._answers)

    async def health(self) -> tuple[int, str]:
        """Status and what it says."""
        async with httpx.AsyncClient(base_url=self.base_url, timeout=PATIENCE_S, verify=TLS) as http:
            answer = await http.get("/health")
            return answer.status_code, answer.json()["status"]

    async def is_well(self) -> bool:
        return await self.health() == (200, "ok")

    async def _answers(self) -> bool:
        assert self.is_running, self.log.read_text()[-4000:]
        async with httpx.AsyncClient(base_url=self.base_url, timeout=PATIENCE_S, verify=TLS) as http:
            try:
                return (await http.get("/health/live")).status_code == 200
            except httpx.TransportError:
                return False


class Installation:
    """As many processes as a test likes over one PostgreSQL and one Redis; `variables` are for all of them."""

    def __init__(self, folder: Path, database_url: str, redis_url: str, **variables: str) -> None:
        self.folder = folder
        self.variables = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, **variables}
        self._stack = AsyncExitStack()
        self._processes: list[PlazaProcess] = []
        (folder / ".env").touch()  # the mark of a deployment's folder

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def api(self, **variables: str) -> ApiProcess:
        return await self._started(ApiProcess(self.folder, **{**self.variables, **variables}))

    async def worker(self, **variables: str) -> PlazaProcess:
        return await self._started(PlazaProcess(self.folder, "worker", **{**self.variables, **variables}))

    async def client(self, api: ApiProcess) -> httpx.AsyncClient:
        return await self._stack.enter_async_context(
            httpx.AsyncClient(base_url=api.base_url, timeout=PATIENCE_S, verify=TLS)
        )

    async def people(self, count: int, api: ApiProcess) -> tuple[list[Person], str]:
        """Verified, and together in one group: the people, whose clients speak to `api`, and the group."""
        ended = await CommandLine(self.folder, **self.variables)("dev", "users", str(count), "--json")
        assert ended.status == 0, ended.err
        made: dict[str, Any] = json.loads(ended.out)
        people = []
        for user in made["users"]:
            http = await self.client(api)
            http.headers["Authorization"] = f"Bearer {user['access_token']}"
            people.append(Person(user["id"], user["email"], api.base_url, http))
        return people, made["conversation_id"]

    def logs(self) -> list[str]:
        """Of each process that was started here."""
        return [process.log.read_text() for process in self._processes]

    async def _started(self, process: P) -> P:
        self._stack.callback(process.kill)
        self._processes.append(process)
        await process.start()
        return process
