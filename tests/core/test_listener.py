"""LISTEN on a real connection, which is cut now and then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from plaza.core.db import Listener
from plaza.core.db.listener import connect_arguments

LIMIT_S = 60
_PIDS = "select pid from pg_stat_activity where datname = current_database() and application_name = 'plaza-listen'"


class Heard:
    """What came, in order; `connected` counts the catch-ups."""

    def __init__(self) -> None:
        self.payloads: asyncio.Queue[str] = asyncio.Queue()
        self.connected: asyncio.Queue[None] = asyncio.Queue()

    async def catch_up(self) -> None:
        self.connected.put_nowait(None)

    async def next(self) -> str:
        async with asyncio.timeout(LIMIT_S):
            return await self.payloads.get()

    async def is_connected(self) -> None:
        async with asyncio.timeout(LIMIT_S):
            await self.connected.get()


class Firewall:
    """Stands before PostgreSQL, and can forget the connections that it lets through: nobody is told."""

    def __init__(self, url: str) -> None:
        self._server_url = make_url(url)
        self._known: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        outside = self._server_url.set(host="127.0.0.1", port=port).difference_update_query(["host", "port"])
        self.url = outside.render_as_string(hide_password=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    def forget(self) -> None:
        self._known.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.current_task()
        assert link is not None
        self._known.add(link)
        server_reader, server_writer = await self._connect()

        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(65536):
                if link in self._known:
                    writer.write(data)

        forwards = [asyncio.create_task(forward(*ends)) for ends in ((reader, server_writer), (server_reader, writer))]
        await asyncio.wait(forwards, return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, server_writer):
            end.close()
        await asyncio.gather(*forwards, return_exceptions=True)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        to = connect_arguments(self._server_url.render_as_string(hide_password=False))
        host, port = to.get("host", "localhost"), to.get("port", 5432)
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)


@asynccontextmanager
async def running(listener: Listener) -> AsyncIterator[None]:
    task = asyncio.create_task(listener.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def postgres(database_url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(**connect_arguments(database_url))
    yield connection
    await connection.close()


@pytest.fixture
def heard() -> Heard:
    return Heard()


Tell = Callable[..., Awaitable[object]]


@pytest.fixture
def tell(postgres: Any) -> Tell:
    async def tell(channel: str, *payloads: str) -> None:
        for payload in payloads:
            await postgres.execute("select pg_notify($1, $2)", channel, payload)

    return tell


@pytest.mark.parametrize(
    ("address", "arguments"),
    [
        ("ada:p%40ss@db:5433/plaza", {"user": "ada", "password": "p@ss", "host": "db", "port": 5433}),
        ("ada@/plaza?host=/run/pg&port=5433", {"user": "ada", "host": "/run/pg", "port": 5433}),
        ("ada@db/plaza?ssl=verify-full", {"user": "ada", "host": "db", "ssl": "verify-full"}),
        ("ada@/plaza?host=a:1&host=b:2", {"user": "ada", "host": ["a", "b"], "port": [1, 2]}),
        ("ada@db/plaza?prepared_statement_cache_size=0", {"user": "ada", "host": "db"}),
    ],
)
def test_the_listener_connects_as_the_engines_do(address: str, arguments: dict[str, Any]) -> None:
    found = connect_arguments(f"postgresql+asyncpg://{address}")
    del found["server_settings"]
    assert found == {"database": "plaza", **arguments}


async def test_notifications_arrive_in_order_and_by_channel(database_url: str, heard: Heard, tell: Tell) -> None:
    other = Heard()
    listener = Listener(database_url)
    listener.on("test_letters", heard.payloads.put_nowait, on_connect=heard.catch_up)
    listener.on("test_parcels", other.payloads.put_nowait)
    async with running(listener):
        await heard.is_connected()
        await tell("test_letters", "a", "b")
        await tell("test_parcels", "c")
        assert [await heard.next(), await heard.next(), await other.next()] == ["a", "b", "c"]
    assert heard.payloads.empty()


async def test_whoever_is_told_to_catch_up_misses_nothing_afterwards(
    database_url: str, heard: Heard, tell: Tell
) -> None:
    """The channel is listened to before the catch-up begins: what is sent meanwhile is not lost between the two."""

    async def catch_up() -> None:
        await tell("test_letters", "meanwhile")

    listener = Listener(database_url)
    listener.on("test_letters", heard.payloads.put_nowait, on_connect=catch_up)
    async with running(listener):
        assert await heard.next() == "meanwhile"


async def test_a_lost_connection_is_made_again_and_caught_up(
    database_url: str, heard: Heard, tell: Tell, postgres: Any
) -> None:
    others = {row["pid"] for row in await postgres.fetch(_PIDS)}
    listener = Listener(database_url)
    listener.on("test_letters", heard.payloads.put_nowait, on_connect=heard.catch_up)
    async with running(listener):
        await heard.is_connected()
        (pid,) = {row["pid"] for row in await postgres.fetch(_PIDS)} - others
        await postgres.execute("select pg_terminate_backend($1, 5000)", pid)
        await tell("test_letters", "while nobody listened")
        await heard.is_connected()
        await tell("test_letters", "after")
        assert await heard.next() == "after"


async def test_a_probe_between_the_servers_farewell_and_the_end_of_the_line_is_a_lost_connection(
    database_url: str, heard: Heard, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver calls that an error of its own, once the server has said why it closes and has not closed yet."""
    execute, probed = asyncpg.Connection.execute, asyncio.Event()

    async def too_late(self: Any, query: str, *arguments: Any, **options: Any) -> Any:
        if query == "select 1" and not probed.is_set():
            probed.set()
            raise asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress")
        return await execute(self, query, *arguments, **options)

    monkeypatch.setattr(asyncpg.Connection, "execute", too_late)
    monkeypatch.setattr(Listener, "PROBE_S", 0.1)
    listener = Listener(database_url)
    listener.on("test_letters", heard.payloads.put_nowait, on_connect=heard.catch_up)
    async with running(listener):
        await heard.is_connected()
        await heard.is_connected()
        assert probed.is_set()
        await tell("test_letters", "a")
        assert await heard.next() == "a"


async def test_a_server_that_is_away_is_asked_again(
    database_url: str, heard: Heard, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = asyncio.Event()
    connect = asyncpg.connect

    async def not_yet(**arguments: Any) -> Any:
        if not refused.is_set():
            refused.set()
            raise ConnectionRefusedError
        return await connect(**arguments)

    monkeypatch.setattr("plaza.core.db.listener.asyncpg.connect", not_yet)
    listener = Listener(database_url)
    listener.on("test_letters", heard.payloads.put_nowait, on_connect=heard.catch_up)
    async with running(listener):
        await heard.is_connected()
        assert refused.is_set()
        await tell("test_letters", "a")
        assert await heard.next() == "a"


async def test_a_handler_that_breaks_harms_no_other(database_url: str, heard: Heard, tell: Tell) -> None:
    def break_down(payload: str) -> None:
        raise RuntimeError(payload)

    listener = Listener(database_url)
    listener.on("test_letters", break_down)
    listener.on("test_letters", heard.payloads.put_nowait, on_connect=heard.catch_up)
    async with running(listener):
        await heard.is_connected()
        await tell("test_letters", "a", "b")
        assert [await heard.next(), await heard.next()] == ["a", "b"]
    assert heard.connected.empty(), "nor is the connection made anew"


async def test_a_line_gone_silent_is_noticed(
    database_url: str, heard: Heard, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Listener, "PROBE_S", 0.1)
    async with Firewall(database_url) as firewall:
        listener = Listener(firewall.url)
        listener.on("test_letters", heard.payloads.put_nowait, on_connect=heard.catch_up)
        async with running(listener):
            await heard.is_connected()
            firewall.forget()
            await heard.is_connected()
            await tell("test_letters", "a")
            assert await heard.next() == "a"
