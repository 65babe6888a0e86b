from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
import uvloop

from plaza.core.db import is_lost_server


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_socket_that_is_not_there_is_a_lost_server(
    tmp_path: Path, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def connect() -> None:
        await asyncpg.connect(host=str(tmp_path), user="plaza", database="plaza")

    with asyncio.Runner(loop_factory=new_loop) as runner, pytest.raises(OSError) as told:
        runner.run(connect())
    assert is_lost_server(told.value)


def test_a_missing_file_is_not(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as told:
        (tmp_path / "letter.txt").read_text()
    assert not is_lost_server(told.value)
