"""What every benchmark stands on: durable servers on disk, the API as a process of its own, people with tokens."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from bench.usage import Usage
from plaza.app.migrations import upgrade
from plaza.dev.embedded import EmbeddedServers

# The whole chain is on: limits count and never refuse, every request is logged (to a file) and measured. Tokens outlive
# the longest run.
CHAIN = {
    "PLAZA_RATE_LIMIT_ANONYMOUS": "100000000/minute",
    "PLAZA_RATE_LIMIT_SIGNED_IN": "100000000/minute",
    "PLAZA_CHAT_FLOOD": "100000000/minute",
    "PLAZA_CHAT_FRAMES": "100000000/minute",
    "PLAZA_CHAT_OPENING": "100000000/minute",
    "PLAZA_CHAT_OPENING_BY_NETWORK": "100000000/minute",
    "PLAZA_LOG_FORMAT": "json",
    "PLAZA_IDENTITY_ACCESS_TOKEN_S": "7200",
}


@dataclass(frozen=True)
class Person:
    id: str
    email: str
    access_token: str


@dataclass(frozen=True)
class Group:
    conversation_id: str
    people: list[Person]


@dataclass
class Environment:
    folder: Path
    database_url: str
    variables: dict[str, str]
    api_port: int = 0
    floor_port: int = 0
    pids: dict[str, int] = field(default_factory=dict)  # of what `usage` tells apart

    @property
    def usage(self) -> Usage:
        return Usage({**self.pids, "load": os.getpid()})

    @contextmanager
    def api(self, **extra: str) -> Iterator[Environment]:
        """The same installation with another API process, of other settings."""
        port = free_port()
        variables = {**self.variables, "PLAZA_PORT": str(port), **extra}
        made = replace(self, variables=variables, api_port=port, pids=dict(self.pids))
        with process([plaza(), "serve"], made, "api-more") as started:
            made.pids["API"] = started.pid
            asyncio.run(reachable(port, "/health/live"))
            yield made

    def group(self, people: int, title: str) -> Group:
        command = [plaza(), "dev", "users", str(people), "--conversation", title, "--json"]
        out = subprocess.run(command, env=self.variables, check=True, stdout=subprocess.PIPE, cwd=self.folder).stdout
        made: dict[str, Any] = json.loads(out)
        return Group(made["conversation_id"], [Person(**each) for each in made["users"]])

    def pairs(self, count: int) -> list[Group]:
        """Direct conversations of two people each."""
        people = self.group(2 * count, "Everybody").people
        made = []
        with httpx.Client(base_url=f"http://127.0.0.1:{self.api_port}") as client:
            for one, other in zip(people[::2], people[1::2], strict=True):
                authorization = {"Authorization": f"Bearer {one.access_token}"}
                body = {"kind": "direct", "member_ids": [other.id]}
                answer = client.post("/api/v1/chat/conversations", json=body, headers=authorization)
                made.append(Group(answer.raise_for_status().json()["id"], [one, other]))
        return made


@contextmanager
def environment(**extra: str) -> Iterator[Environment]:
    """Everything in a temporary folder on disk, fsync on; gone at the end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="plaza-bench-")))
        servers = stack.enter_context(EmbeddedServers(folder / ".plaza"))
        database_url, redis_url = servers.urls
        upgrade(database_url)
        api_port, floor_port = free_port(), free_port()
        variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PLAZA_")},
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "PLAZA_PORT": str(api_port),
            **CHAIN,
            **extra,
        }
        made = Environment(folder, database_url, variables, api_port, floor_port)
        for name, server in (("PostgreSQL", servers.postgres), ("Redis", servers.valkey)):
            if server.child is not None:
                made.pids[name] = server.child.pid
        made.pids["API"] = stack.enter_context(process([plaza(), "serve"], made, "api")).pid
        stack.enter_context(
            process([sys.executable, "-m", "bench.floor", str(floor_port), database_url], made, "floor")
        )
        asyncio.run(reachable(api_port, "/health/live"))
        asyncio.run(reachable(floor_port, None))
        yield made


@contextmanager
def process(command: list[str], environment: Environment, name: str) -> Iterator[subprocess.Popen[bytes]]:
    with (environment.folder / f"{name}.log").open("wb") as log:
        started = subprocess.Popen(command, env=environment.variables, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            yield started
        finally:
            started.send_signal(signal.SIGTERM)
            try:
                started.wait(20)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()


def plaza() -> str:
    return str(Path(sys.executable).with_name("plaza"))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


async def reachable(port: int, path: str | None) -> None:
    """`path` None: a connection is enough."""
    async with asyncio.timeout(60), httpx.AsyncClient() as client:
        while True:
            try:
                if path is None:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    return
                if (await client.get(f"http://127.0.0.1:{port}{path}")).status_code == 200:
                    return
            except (OSError, httpx.TransportError):
                pass
            await asyncio.sleep(0.05)
