"""`GET /api/v1/chat/stream`: what sockets get, as server-sent events, for clients that cannot keep a socket."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
import structlog
from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import HeaderParameter
from litestar.types import ASGIApp

from plaza.chat.frames import ParticipantChanged, Ready
from plaza.chat.service.presence import PresenceService
from plaza.chat.service.sockets import SocketService, Start
from plaza.core.actor import Actor
from plaza.core.errors import Waitlisted
from plaza.core.http import BY_SESSION
from plaza.core.realtime import HEARTBEAT_S, Close, EventStream, Frame, Hub
from plaza.domain_events.identity import SessionId, UserId

log = structlog.get_logger(__name__)

_HEAD = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
    ],
}

LastEventId = Annotated[str | None, HeaderParameter(name="Last-Event-ID")]


class StreamController(Controller):
    path = "/api/v1/chat"
    tags = ("chat",)
    hub: Hub
    sockets: SocketService
    presence: PresenceService

    @get("/stream", opt=BY_SESSION)
    async def stream(self, actor: NamedDependency[Actor], last_event_id: LastEventId = None) -> ASGIApp:
        """Frames of all conversations as `data`. With the last id of an earlier stream first what was missed. Before the end comes an
        event `close` with the code and reason of a socket."""
        start = (await self.sockets.starting(actor, last_event_id)).unwrap()

        async def app(_: Any, receive: Any, send: Any) -> None:
            stream = EventStream(
                receive,
                send,
                self.hub.settings,
                user_id=actor.user_id,
                session_id=actor.session_id,
                is_own=actor.impersonator_id is None,
                positions=start.positions,
            )
            await send(_HEAD)
            await self._serve(stream, actor, start)

        return app

    async def _serve(self, stream: EventStream, actor: Actor, start: Start) -> None:
        work = asyncio.create_task(self._speak(stream, actor, start))
        try:
            await stream.serve(lambda _: None)
        finally:
            work.cancel()
            self.presence.went(stream)
            self.hub.closed(stream)
            await asyncio.wait([work])

    async def _speak(self, stream: EventStream, actor: Actor, start: Start) -> None:
        try:
            await self._open(stream, actor, start)
            while not stream.is_closing:
                await asyncio.sleep(HEARTBEAT_S)
                stream.beat()
        except Exception as error:  # as with sockets: our own trouble sends the client away only for a while
            log.warning("stream_failed", error=repr(error))
            stream.close(Close.RESTART, "retry_ms=1000")

    async def _open(self, stream: EventStream, actor: Actor, start: Start) -> None:
        assert actor.session_id is not None, "admitted"
        ready = Ready(session_id=SessionId(actor.session_id), user_id=UserId(actor.user_id), heartbeat_s=HEARTBEAT_S)
        await self.hub.open(stream, msgspec.json.encode(ready))
        if await self.sockets.has_ended(actor):
            stream.close(Close.SESSION_ENDED, "session ended")
        elif await self.sockets.is_waitlisted(actor):
            stream.close(Close.NOT_ADMITTED, Waitlisted.code)
        if stream.is_closing:
            return
        self.presence.came(stream)
        for each in start.gone:
            left = ParticipantChanged(conversation_id=each, user_id=UserId(actor.user_id), role=None)
            stream.push(Frame.of(left))
        mark = b"resumed"
        stream.begin(start.wanted, mark if start.wanted else None)
        if start.wanted:
            await self.hub.resume(stream, start.wanted, mark)
