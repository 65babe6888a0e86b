"""`plaza up` over small stand-in children: it keeps them, ends them, and never stands in its own way."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from plaza.dev.embedded import EmbeddedServers, ServerUrls
from plaza.dev.processes import ManagedProcess, Program
from plaza.dev.processes.table import command_lines
from tests.support.waiting import eventually

STAND_IN = Path(__file__).with_name("stand_in.py")


class Clone:
    """A folder with a `plaza up` in it, and what can be seen of it from outside."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.servers_file = root / ".plaza" / "servers.env"
        self.servers = EmbeddedServers(root / ".plaza")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.api = self._stand_in("serve", str(self.port))
        self.worker = self._stand_in("work", str(root))
        self.children: list[ManagedProcess] = [self.servers.postgres, self.servers.valkey, self.api, self.worker]
        self.ups: list[subprocess.Popen[str]] = []

    def up(self, *, status: int = 0, given: ServerUrls | None = None, **more: str) -> subprocess.Popen[str]:
        environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
        if given is not None:
            environment |= {"DATABASE_URL": given.database_url, "REDIS_URL": given.redis_url}
        environment |= more
        up = subprocess.Popen(
            [sys.executable, STAND_IN, "up", self.root, str(self.port), str(status)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.ups.append(up)
        return up

    def pids(self, child: ManagedProcess) -> set[int]:
        return {pid for pid, line in command_lines() if child.owns(line)}

    def leaders(self) -> dict[str, int]:
        """The pid of each child that runs, by its name."""
        found = {child.name: self.pids(child) for child in self.children}
        try:  # a fork of PostgreSQL looks like it until it has changed its title
            found["postgres"] &= {int((self.servers.postgres.data / "postmaster.pid").read_text().split()[0])}
        except (FileNotFoundError, IndexError):
            found["postgres"] = set()
        return {name: min(pids) for name, pids in found.items() if pids}

    @property
    def is_empty(self) -> bool:
        return not any(self.pids(child) for child in self.children)

    async def is_healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _stand_in(self, *words: str) -> Program:
        command = [sys.executable, str(STAND_IN), *words]
        return Program(words[0], self.root, command, environment={}, working_folder=self.root, output=2)


@pytest.fixture
def clone(root: Path) -> Iterator[Clone]:
    clone = Clone(root)
    yield clone
    for up in clone.ups:
        if up.poll() is None:
            up.kill()
        up.communicate()
    clone.servers.stop()


def welcomed(up: subprocess.Popen[str]) -> None:
    assert up.stdout is not None
    assert up.stdout.readline() == "welcome\n"


def ended(up: subprocess.Popen[str], number: signal.Signals = signal.SIGINT) -> tuple[int, str]:
    up.send_signal(number)
    _, told = up.communicate(timeout=60)
    return up.returncode, told


async def test_whatever_is_killed_comes_back_while_the_rest_goes_on(clone: Clone) -> None:
    up = clone.up()
    welcomed(up)
    assert await clone.is_healthy()
    for child in clone.children:
        before = clone.leaders()
        os.kill(before[child.name], signal.SIGKILL)

        async def is_back(name: str = child.name, killed: int = before[child.name]) -> bool:
            return clone.leaders().get(name, killed) != killed

        await eventually(is_back)
        await eventually(clone.is_healthy)
        assert clone.leaders() == before | {child.name: clone.leaders()[child.name]}
    status, told = ended(up)
    assert status == 0
    assert "worker ended (SIGKILL): starting it again" in told


async def test_a_new_database_is_seeded_before_anything_answers_a_known_one_afterwards(clone: Clone) -> None:
    for seeded in ("before\n", "before\nafter\n"):
        up = clone.up()
        welcomed(up)
        assert (clone.root / "seeded").read_text() == seeded
        assert ended(up)[0] == 0


async def test_one_interrupt_ends_everything(clone: Clone) -> None:
    up = clone.up()
    welcomed(up)
    assert stat.S_IMODE(clone.servers_file.stat().st_mode) == 0o600
    assert clone.servers_file.read_text() == (
        f"DATABASE_URL={clone.servers.urls.database_url}\nREDIS_URL={clone.servers.urls.redis_url}\n"
    )
    assert ended(up)[0] == 0
    assert clone.is_empty
    assert not clone.servers_file.exists()


async def test_a_second_interrupt_waits_for_nobody(clone: Clone) -> None:
    up = clone.up(STUBBORN="1")
    welcomed(up)

    async def is_deaf() -> bool:  # its handler stands when it has written this
        return (clone.root / "urls").exists()

    await eventually(is_deaf)
    up.send_signal(signal.SIGINT)
    assert up.stderr is not None
    while "stopping" not in up.stderr.readline():
        pass
    status, told = ended(up)
    assert status == 0
    assert "worker had to be killed" in told
    assert clone.is_empty


async def test_an_interrupt_while_it_starts_ends_everything(clone: Clone) -> None:
    up = clone.up()
    assert up.stderr is not None
    assert "starting PostgreSQL" in up.stderr.readline()
    assert ended(up)[0] == 0
    assert clone.is_empty


async def test_nothing_stays_after_a_kill_once_the_next_one_runs(clone: Clone) -> None:
    killed = clone.up()
    welcomed(killed)
    orphans = {pid for child in clone.children for pid in clone.pids(child)}
    killed.kill()
    killed.communicate()

    up = clone.up()
    welcomed(up)
    assert await clone.is_healthy()
    assert not orphans & {pid for child in clone.children for pid in clone.pids(child)}
    assert ended(up)[0] == 0
    assert clone.is_empty


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
async def test_nothing_stays_after_a_kill(clone: Clone) -> None:
    up = clone.up()
    welcomed(up)
    up.kill()
    up.communicate()

    async def is_empty() -> bool:
        return clone.is_empty

    await eventually(is_empty)


async def test_a_second_one_says_so_and_ends(clone: Clone) -> None:
    first = clone.up()
    welcomed(first)
    second = clone.up()
    _, told = second.communicate(timeout=60)
    assert second.returncode == 1
    assert f"already running in this clone: pid {first.pid}" in told
    assert await clone.is_healthy()
    assert clone.servers_file.exists()
    assert ended(first)[0] == 0


async def test_given_servers_are_used_and_none_is_started(clone: Clone) -> None:
    given = ServerUrls("postgresql+asyncpg://somebody@elsewhere/plaza", "redis://elsewhere/0")
    up = clone.up(given=given)
    welcomed(up)
    seen = clone.root / "urls"

    async def is_seen() -> bool:
        return seen.exists() and seen.read_text() == "\n".join((*given, ""))

    await eventually(is_seen)
    assert clone.pids(clone.servers.postgres) == clone.pids(clone.servers.valkey) == set()
    assert not clone.servers_file.exists()
    assert ended(up, signal.SIGTERM)[0] == 0
    assert clone.is_empty


async def test_a_failed_preparation_ends_it(clone: Clone) -> None:
    up = clone.up(status=3)
    shown, told = up.communicate(timeout=60)
    assert up.returncode == 1
    assert "preparation failed (exit status 3)" in told
    assert shown == ""
    assert clone.is_empty


async def test_a_port_in_use_is_named_before_anything_starts(clone: Clone) -> None:
    with socket.create_server(("127.0.0.1", clone.port)):
        up = clone.up()
        _, told = up.communicate(timeout=60)
    assert up.returncode == 1
    assert f"port {clone.port} on 127.0.0.1 is not free" in told
    assert not (clone.root / ".plaza" / "pg").exists()


async def test_a_server_that_cannot_start_is_given_up_with_the_end_of_its_log(clone: Clone) -> None:
    first = clone.up()
    welcomed(first)
    assert ended(first)[0] == 0
    [manifest] = (clone.root / ".plaza" / "valkey").glob("*/*.manifest")
    manifest.write_text("file nonsense\n")

    up = clone.up()
    _, told = up.communicate(timeout=60)
    assert up.returncode == 1
    assert "AOF manifest" in told
    assert clone.is_empty
