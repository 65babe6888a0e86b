"""The embedded servers alone: what they keep, what they leave behind, where they run."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from plaza.core.db.listener import connect_arguments
from plaza.dev.embedded import EmbeddedServers, Postgres, StartFailed, Valkey, throwaway_folder
from plaza.dev.processes import ManagedProcess
from plaza.dev.processes.table import command_lines
from tests.support.waiting import eventually

# A process of its own that starts both servers in the folder given and then waits.
OWNER = """
import signal, sys
from pathlib import Path
from plaza.dev.embedded import EmbeddedServers
EmbeddedServers(Path(sys.argv[1]), durable=False).start()
print("started", flush=True)
signal.pause()
"""


def left_of(*servers: ManagedProcess) -> list[str]:
    return [line for _, line in command_lines() if any(server.owns(line) for server in servers)]


async def one_postmaster(postgres: Postgres) -> bool:
    """To be waited for: a fork carries its parent's command line until it has a title of its own."""
    return len([line for line in left_of(postgres) if " -D " in line]) == 1


async def query(postgres: Postgres, statement: str) -> object:
    connection = await asyncpg.connect(**connect_arguments(postgres.url))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def remembered(valkey: Valkey, value: str | None = None) -> object:
    """What the key holds, after it was set to `value`."""
    async with Redis.from_url(valkey.url, decode_responses=True) as redis:
        if value is not None:
            await redis.set("key", value)
        return await redis.get("key")


@pytest.fixture
async def servers(root: Path) -> AsyncIterator[EmbeddedServers]:
    servers = EmbeddedServers(root / ".plaza")
    yield servers
    await servers.valkey.stop()
    await servers.postgres.stop()
    assert left_of(servers.postgres, servers.valkey) == []


async def test_data_outlives_a_stop(servers: EmbeddedServers) -> None:
    await servers.postgres.start()
    await servers.valkey.start()
    await query(servers.postgres, "create table kept as select 42 as answer")
    await remembered(servers.valkey, "kept")
    await servers.postgres.stop()
    await servers.valkey.stop()
    assert left_of(servers.postgres, servers.valkey) == []

    await servers.postgres.start()
    await servers.valkey.start()
    assert await query(servers.postgres, "select answer from kept") == 42
    assert await remembered(servers.valkey) == "kept"


async def test_data_outlives_a_kill(servers: EmbeddedServers) -> None:
    await servers.postgres.start()
    await servers.valkey.start()
    await query(servers.postgres, "create table kept as select 42 as answer")
    await remembered(servers.valkey, "kept")
    servers.postgres.kill()
    servers.valkey.kill()

    await servers.postgres.start()
    await servers.valkey.start()
    assert await query(servers.postgres, "select answer from kept") == 42
    assert await remembered(servers.valkey) == "kept"


async def test_a_busy_backend_does_not_keep_a_killed_server_from_starting(servers: EmbeddedServers) -> None:
    """It holds the shared memory until its query ends: the next start ends it."""
    await servers.postgres.start()
    busy = asyncio.create_task(query(servers.postgres, "select count(*) from generate_series(1, 1e12)"))
    await eventually(
        lambda: query(
            servers.postgres,
            "select count(*) > 0 from pg_stat_activity where query like '%1e12%' and pid <> pg_backend_pid()",
        )
    )
    servers.postgres.kill()

    await servers.postgres.start()
    assert await query(servers.postgres, "select 1") == 1
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await busy


async def test_the_application_is_no_superuser_and_has_the_extensions_it_needs(servers: EmbeddedServers) -> None:
    await servers.postgres.start()
    assert await query(servers.postgres, "select rolsuper from pg_roles where rolname = current_user") is False
    for extension in ("pg_trgm", "unaccent", "citext", "btree_gist"):
        await query(servers.postgres, f"create extension {extension}")
    assert await query(servers.postgres, "show fsync") == "on"
    assert await query(servers.postgres, "show listen_addresses") == ""
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await query(servers.postgres, "select pg_read_file('/etc/passwd')")


async def test_no_parent_is_opened_to_others(root: Path) -> None:
    closed = root / "closed"
    inner = closed / "clone" / ".plaza"
    inner.mkdir(parents=True)
    closed.chmod(0o700)
    parents = [closed, closed / "clone", inner]
    before = [path.stat() for path in parents]
    postgres = Postgres(inner)
    try:
        await postgres.start()
        assert await query(postgres, "select 1") == 1
        assert [(path.stat().st_mode, path.stat().st_uid) for path in parents] == [
            (each.st_mode, each.st_uid) for each in before
        ]
        for owned in (postgres.home, postgres.sockets):
            assert stat.S_IMODE(owned.stat().st_mode) == 0o700
    finally:
        await postgres.stop()


@pytest.mark.parametrize("name", ["long-" + "x" * 185, "with space, comma and 'quote'", "où-ça-日本"])
async def test_a_clone_may_lie_anywhere(root: Path, name: str) -> None:
    servers = EmbeddedServers(root / name / ".plaza", durable=False)
    try:
        await servers.postgres.start()
        await servers.valkey.start()
        assert await query(servers.postgres, "select 1") == 1
        assert await remembered(servers.valkey, "here") == "here"
        assert servers.postgres.data.is_relative_to(root / name)
    finally:
        await servers.valkey.stop()
        await servers.postgres.stop()
    assert left_of(servers.postgres, servers.valkey) == []
    assert servers.postgres.sockets.is_relative_to(root) or not servers.postgres.sockets.exists()


def test_servers_end_with_a_killed_owner_or_with_the_next_start(root: Path) -> None:
    folder = root / ".plaza"
    servers = EmbeddedServers(folder, durable=False)
    with subprocess.Popen([sys.executable, "-c", OWNER, folder], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"started\n"
        assert left_of(servers.postgres)
        assert left_of(servers.valkey)
        owner.send_signal(signal.SIGKILL)
    with servers:
        assert asyncio.run(query(servers.postgres, "select 1")) == 1
        asyncio.run(eventually(lambda: one_postmaster(servers.postgres)))
    assert left_of(servers.postgres, servers.valkey) == []


async def test_a_server_that_cannot_start_shows_its_log(root: Path) -> None:
    valkey = Valkey(root)
    log = root / "valkey" / "appendonlydir"
    log.mkdir(parents=True)
    (log / "appendonly.aof.manifest").write_text("file nonsense\n")
    with pytest.raises(StartFailed, match="AOF manifest"):
        await valkey.start()
    await valkey.stop()


async def test_data_of_another_version_is_refused_and_left_alone(servers: EmbeddedServers) -> None:
    await servers.postgres.start()
    await servers.postgres.stop()
    version = servers.postgres.data / "PG_VERSION"
    version.write_text("17\n")
    with pytest.raises(StartFailed, match="made by PostgreSQL 17"):
        await servers.postgres.start()
    version.write_text("18\n")
    await servers.postgres.start()
    assert await query(servers.postgres, "select 1") == 1


async def test_an_abandoned_throwaway_folder_is_removed_by_the_next() -> None:
    script = "import os; from plaza.dev.embedded import *\nwith throwaway_folder() as f: print(f, flush=True); os.kill(os.getpid(), 9)"
    abandoned = Path(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False).stdout.strip()
    )
    assert abandoned.is_dir()
    with throwaway_folder() as folder:
        assert folder.is_dir()
        assert not abandoned.exists()
    assert not folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to drop")
async def test_root_runs_it_as_nobody(servers: EmbeddedServers) -> None:
    await servers.postgres.start()
    assert servers.postgres.child is not None
    status = Path(f"/proc/{servers.postgres.child.pid}/status").read_text()
    assert status.partition("Uid:")[2].split()[:4] == ["65534"] * 4
    assert status.partition("NoNewPrivs:")[2].split()[0] == "1"
