"""LISTEN on a connection of its own.

A notification only wakes or hastens: whoever depends on one also says, with `on_connect`, how to catch up on what was sent while
nobody listened.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import structlog
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from plaza.core.db.errors import is_lost_server, is_overload

log = structlog.get_logger(__name__)
# The last is what the driver says between the server's farewell and the end of the line.
_LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
Handler = Callable[[str], None]
CatchUp = Callable[[], Awaitable[object]]


class Listener:
    RETRY_S = 0.25
    PROBE_S = 5.0  # a half-open connection is noticed by then

    def __init__(self, url: str) -> None:
        self._url = url
        self._handlers: defaultdict[str, list[Handler]] = defaultdict(list)
        self._catch_ups: list[CatchUp] = []

    def on(self, channel: str, handler: Handler, *, on_connect: CatchUp | None = None) -> None:
        """Before `run` only. `handler` gets the payload and must not block."""
        self._handlers[channel].append(handler)
        if on_connect is not None:
            self._catch_ups.append(on_connect)

    async def run(self) -> None:
        """Until cancelled; a lost connection is made again."""
        while True:
            try:
                await self._listen()
            except (OSError, *_LOST, SQLAlchemyError) as error:
                if isinstance(error, SQLAlchemyError) and not (is_lost_server(error) or is_overload(error)):
                    raise  # a catch-up's own mistake, and not what became of its connection
                log.warning("listener_disconnected", error=repr(error))
            await asyncio.sleep(self.RETRY_S)

    async def _listen(self) -> None:
        connection = await asyncpg.connect(timeout=5, **connect_arguments(self._url))
        try:
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _: lost.set())
            for channel in self._handlers:
                await connection.add_listener(channel, self._dispatch)
            for catch_up in self._catch_ups:
                await catch_up()
            while not lost.is_set():
                try:
                    async with asyncio.timeout(self.PROBE_S):
                        await lost.wait()
                except TimeoutError:
                    await connection.execute("select 1", timeout=self.PROBE_S)
        finally:
            connection.terminate()

    def _dispatch(self, _: Any, __: int, channel: str, payload: Any) -> None:
        for handler in self._handlers[channel]:
            try:
                handler(str(payload))
            except Exception:  # one listener's bug is not another's
                log.exception("listener_handler_failed", channel=channel)


def connect_arguments(url: str) -> dict[str, Any]:
    """An SQLAlchemy URL as asyncpg takes it: by the same rules as the engines, less what only SQLAlchemy's pool of statements reads."""
    parsed = make_url(url)
    _, given = parsed.get_dialect()().create_connect_args(parsed)
    foreign = ("prepared_statement_cache_size", "prepared_statement_name_func")
    arguments = {name: value for name, value in given.items() if name not in foreign}
    return {**arguments, "server_settings": {"application_name": "plaza-listen"}}
