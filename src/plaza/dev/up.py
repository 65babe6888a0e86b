"""`plaza up`: servers, migrations, demo data, API and worker in one terminal, all of them ended by one Ctrl-C.

The supervisor opens no listening socket and runs no product code: it starts children, and each of them ends with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TextIO

from plaza.core.settings import SERVERS_FILE
from plaza.dev.embedded import EmbeddedServers, ServersUnavailable, ServerUrls
from plaza.dev.processes import Program, StartFailed, describe_exit, finish, spawn
from plaza.dev.supervisor import Supervisor

HEALTH_POLL_S = 0.1
HEALTH_ANSWER_S = 2.0
EVERY_INTERFACE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - compared with, not bound


class CannotStart(Exception):
    """The message tells the person what to do."""


class Command(NamedTuple):
    """`words` are the whole command line; `progress` is what a person reads before it runs."""

    name: str
    words: Sequence[str]
    progress: str = ""


@dataclass(frozen=True)
class Plan:
    """`urls` are servers of somebody else: without them the embedded ones are started.

    `preparations` run one after the other before the `programs`, which are kept running. `seeding` does, too, unless the database has
    been here before: then it waits until GET /health on `host` and `port` answers 200, so that a start is not held up by what most
    likely is there. `welcome` is shown last.
    """

    root: Path
    host: str
    port: int
    urls: ServerUrls | None
    preparations: Sequence[Command]
    seeding: Command
    programs: Sequence[Command]
    welcome: str
    drain_s: float = 10


def run(root: Path, plan_of: Callable[[Path], Plan]) -> int:
    """The exit status; blocks until a signal ends it. The plan is made once it is sure that nobody else runs here."""
    folder = root / ".plaza"
    with only_one(folder) as owner:
        if owner is not None:
            tell(f"already running in this clone: pid {owner}")
            return 1
        try:
            return asyncio.run(_Up(plan_of(root), folder).run())
        except CannotStart as error:
            tell(str(error))
            return 1


class _Up:
    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.stopping, self.hurry = asyncio.Event(), asyncio.Event()
        self.failure: Exception | None = None
        self.supervisor = Supervisor(tell, self._fail)
        self.environment = dict(os.environ)

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup means it
                loop.add_signal_handler(number, self._on_signal)
        bringing_up = asyncio.create_task(self._bring_up())
        asked_to_stop = asyncio.create_task(self.stopping.wait())
        await asyncio.wait({bringing_up, asked_to_stop}, return_when=asyncio.FIRST_COMPLETED)
        if bringing_up.done() and isinstance(error := bringing_up.exception(), Exception):
            self._fail(error)
        await asked_to_stop
        bringing_up.cancel()
        await asyncio.gather(bringing_up, return_exceptions=True)
        if self.failure is None:
            tell("stopping (Ctrl-C again: at once)")
        await self.supervisor.stop(self.hurry)
        with contextlib.suppress(FileNotFoundError):
            (self.plan.root / SERVERS_FILE).unlink()
        if self.failure is None:
            tell("stopped")
            return 0
        if isinstance(self.failure, StartFailed | ServersUnavailable):
            raise CannotStart(str(self.failure))
        raise self.failure

    def _on_signal(self) -> None:
        (self.hurry if self.stopping.is_set() else self.stopping).set()

    def _fail(self, error: Exception) -> None:
        self.failure = self.failure or error
        self.stopping.set()

    async def _bring_up(self) -> None:
        plan = self.plan
        programs = [self._program(command) for command in plan.programs]
        for program in programs:  # one that outlived its supervisor would hold the port
            await program.end_orphans()
        check_port(plan.host, plan.port)
        urls, is_new = (plan.urls, True) if plan.urls is not None else await self._start_servers()
        self.environment |= {"DATABASE_URL": urls.database_url, "REDIS_URL": urls.redis_url}
        for command in (*plan.preparations, *([plan.seeding] if is_new else [])):
            await self._prepare(command)
        tell("starting " + " and ".join(command.name for command in plan.programs))
        for program in programs:
            program.environment = self.environment
        await self.supervisor.start(*programs)
        while not await is_healthy(plan.host, plan.port):  # noqa: ASYNC110 - a child sets no event
            await asyncio.sleep(HEALTH_POLL_S)
        if not is_new:
            await self._prepare(plan.seeding)
        show(plan.welcome)

    async def _start_servers(self) -> tuple[ServerUrls, bool]:
        """With whether the database was made just now."""
        servers = EmbeddedServers(self.folder)
        tell("starting PostgreSQL and Valkey")
        for server in (servers.postgres, servers.valkey):
            await self.supervisor.start(server)
        write_private(
            self.plan.root / SERVERS_FILE,
            f"DATABASE_URL={servers.urls.database_url}\nREDIS_URL={servers.urls.redis_url}\n",
        )
        return servers.urls, servers.postgres.is_new

    async def _prepare(self, command: Command) -> None:
        tell(command.progress)
        child = spawn(
            command.words, environment=self.environment, output=sys.stderr.fileno(), working_folder=self.plan.root
        )
        if (status := await finish(child)) != 0:
            raise CannotStart(f"{command.name} failed ({describe_exit(status)})")

    def _program(self, command: Command) -> Program:
        program = Program(
            command.name,
            self.folder,
            command.words,
            environment=self.environment,
            working_folder=self.plan.root,
            output=sys.stderr.fileno(),
        )
        program.stop_steps = ((signal.SIGTERM, self.plan.drain_s + 5), (signal.SIGKILL, 30))
        return program


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[str | None]:
    """None for the one that may run, which then has what a killed predecessor left put away; for others the pid of that one."""
    folder.mkdir(exist_ok=True)
    with (folder / "up.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            yield lock.read().strip() or "unknown"
            return
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        (folder.parent / SERVERS_FILE).unlink(missing_ok=True)
        yield None


def check_port(host: str, port: int) -> None:
    """Bound for a moment, never listened on: somebody else's answer on that port must not pass for ours."""
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    ):
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                raise CannotStart(
                    f"port {port} on {host} is not free ({error.strerror}): end what uses it, or set PLAZA_PORT"
                ) from None


async def is_healthy(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(HEALTH_ANSWER_S):
            reader, writer = await asyncio.open_connection(EVERY_INTERFACE.get(host, host), port)
            try:
                writer.write(f"GET /health HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n".encode())
                return (await reader.readline()).split()[1:2] == [b"200"]
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


def write_private(path: Path, text: str) -> None:
    """Whole or not at all, and never readable by others."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)


def tell(line: str) -> None:
    _write(sys.stderr, f"plaza: {line}\n")


def show(text: str) -> None:
    _write(sys.stdout, text)


def _write(stream: TextIO, text: str) -> None:
    with contextlib.suppress(OSError):  # a closed terminal must not keep us from stopping
        stream.write(text)
        stream.flush()
