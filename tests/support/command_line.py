"""The console script in processes of its own."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.waiting import eventually

# By way of the interpreter: its path may be too long for a first line.
PLAZA = os.fspath(Path(sys.executable).with_name("plaza"))


@dataclass(frozen=True)
class Ended:
    status: int
    out: str
    err: str


@dataclass
class Serving:
    """`plaza serve` until SIGTERM. `client` is closed with it."""

    process: Process
    client: httpx.AsyncClient
    err: str = ""


class CommandLine:
    """`variables` are all settings there are: this process's own and those of the clone stay out."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self.variables = variables
        (folder / ".env").touch()  # the mark of a deployment's folder

    async def __call__(self, *words: str, **variables: str) -> Ended:
        """`plaza` with these words."""
        return await self.python(PLAZA, *words, **variables)

    async def python(self, *words: str, **variables: str) -> Ended:
        process = await self._start(words, variables)
        out, err = await process.communicate()
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), err.decode())

    @asynccontextmanager
    async def serving(self, **variables: str) -> AsyncIterator[Serving]:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        process = await self._start((PLAZA, "serve"), {"PLAZA_PORT": str(port), **variables})
        draining = asyncio.create_task(process.communicate())
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:

                async def answers() -> bool:
                    assert process.returncode is None, (await draining)[1].decode()
                    try:
                        return (await client.get("/health/live")).status_code == 200
                    except httpx.TransportError:
                        return False

                await eventually(answers)
                serving = Serving(process, client)
                yield serving
        finally:
            if process.returncode is None:
                process.terminate()
            _, err = await draining
        serving.err = err.decode()

    async def _start(self, words: tuple[str, ...], variables: dict[str, str]) -> Process:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("PLAZA_") and name not in ("DATABASE_URL", "REDIS_URL")
        }
        environment = {**inherited, **self.variables, **variables}
        return await asyncio.create_subprocess_exec(
            sys.executable, *words, cwd=self.folder, env=environment, stdout=PIPE, stderr=PIPE
        )
