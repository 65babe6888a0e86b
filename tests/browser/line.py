"""A line between a browser and the program that breaks in the ways of real networks, of which no event tells the page."""

from __future__ import annotations

import asyncio
from typing import Self

CHUNK = 65536


class Line:
    """Forwards `base_url` to a port of this machine."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._is_up = True
        self._carries_answers = asyncio.Event()
        self._carries_answers.set()
        self._links: dict[asyncio.Task[None], tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = {}
        self.base_url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.break_down()
        await asyncio.gather(*self._links, return_exceptions=True)

    def break_down(self) -> None:
        """Resets every connection, and each one that is tried until `repair`."""
        self._is_up = False
        for writers in self._links.values():
            for writer in writers:
                writer.transport.abort()
        self._carries_answers.set()

    def swallow_answers(self) -> None:
        """The program hears the browser, the browser nothing of the program."""
        self._carries_answers.clear()

    def repair(self) -> None:
        self._is_up = True
        self._carries_answers.set()

    async def _accept(self, from_browser: asyncio.StreamReader, to_browser: asyncio.StreamWriter) -> None:
        from_program, to_program = await asyncio.open_connection("127.0.0.1", self._port)
        if not self._is_up:
            to_browser.transport.abort()
            to_program.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._links[task] = to_browser, to_program
        try:
            async with asyncio.TaskGroup() as directions:
                directions.create_task(self._forward(from_browser, to_program))
                directions.create_task(self._forward(from_program, to_browser, answers=True))
        except* OSError:
            pass  # broken, by the test or by either end
        finally:
            del self._links[task]
            to_browser.transport.abort()
            to_program.transport.abort()

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool = False
    ) -> None:
        while data := await reader.read(CHUNK):
            if answers:
                await self._carries_answers.wait()
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError  # one end is gone, so the other goes too
