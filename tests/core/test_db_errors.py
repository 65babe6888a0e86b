from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
import uvloop

from plaza.core.db import Database, DatabaseAway, is_lost_database, is_lost_server


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_socket_that_is_not_there_is_a_lost_server(
    tmp_path: Path, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def connect() -> None:
        await asyncpg.connect(host=str(tmp_path), user="plaza", database="plaza")

    with asyncio.Runner(loop_factory=new_loop) as runner, pytest.raises(OSError) as told:
        runner.run(connect())
    assert is_lost_server(told.value)


async def test_it_is_told_whose_server_is_away(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    away = (f"postgresql+asyncpg://plaza@127.0.0.1:{port}/plaza", f"postgresql+asyncpg://plaza@/plaza?host={tmp_path}")
    for database in map(Database, away):
        for connecting in (database.engine.connect(), database.engine.raw_connection()):
            with pytest.raises(DatabaseAway) as told:
                await connecting
            assert is_lost_database(told.value)
            assert is_lost_server(told.value)
    with pytest.raises(ConnectionRefusedError) as other:
        await asyncio.open_connection("127.0.0.1", port)
    assert not is_lost_database(other.value)
    assert is_lost_server(other.value), "where nobody but PostgreSQL is called"


def test_a_missing_file_is_not(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as told:
        (tmp_path / "letter.txt").read_text()
    assert not is_lost_server(told.value)
