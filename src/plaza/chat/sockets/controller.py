"""The routes: who comes in, and with which code others are closed."""

from __future__ import annotations

import asyncio
import random
from typing import Any, TypeAlias
from uuid import UUID

import msgspec
import structlog
from litestar import Controller, WebSocket, websocket
from litestar.params import FromPath

from plaza.chat.errors import ConversationDeleted, ConversationNotFound, NotParticipant
from plaza.chat.frames import Authenticate, Ready
from plaza.chat.schemas import ChatSettings
from plaza.chat.service import EditingService, MessageService, ReactionService, ReadingService
from plaza.chat.service.presence import PresenceService
from plaza.chat.service.sockets import SocketService
from plaza.chat.sockets.codec import Codec
from plaza.chat.sockets.conversation import Conversation
from plaza.core.actor import Actor
from plaza.core.errors import InsufficientScope, InternalError, RateLimited, Unauthenticated, Waitlisted
from plaza.core.http import ANONYMOUS
from plaza.core.http.problems import as_domain_error
from plaza.core.http.request import client_ip
from plaza.core.origin import network_of
from plaza.core.ratelimit import RateLimits
from plaza.core.realtime import HEARTBEAT_S, MSGPACK, Close, Hub, Socket, write_of
from plaza.core.result import DomainError
from plaza.core.witness import Witness
from plaza.domain_events.chat import ConversationId
from plaza.domain_events.identity import SessionId, UserId
from plaza.identity import TokenStale

log = structlog.get_logger(__name__)

AUTH_WITHIN_S = 5

_CLOSES: dict[type[DomainError], Close] = {
    Unauthenticated: Close.UNAUTHENTICATED,
    TokenStale: Close.UNAUTHENTICATED,
    InsufficientScope: Close.NOT_ADMITTED,
    Waitlisted: Close.NOT_ADMITTED,
    NotParticipant: Close.FORMER_MEMBER,
    ConversationNotFound: Close.NO_SUCH_TOPIC,
    ConversationDeleted: Close.NO_SUCH_TOPIC,
    RateLimited: Close.FLOOD,
}
Connection: TypeAlias = WebSocket[Any, Any, Any]


class SocketController(Controller):
    hub: Hub
    sockets: SocketService
    messages: MessageService
    editing: EditingService
    reactions: ReactionService
    reading: ReadingService
    presence: PresenceService
    limits: RateLimits
    settings: ChatSettings
    witness: Witness

    @websocket("/ws", opt=ANONYMOUS)
    async def every_conversation(self, socket: Connection) -> None:
        """All conversations of its user."""
        await self.serve(socket, None)

    @websocket("/ws/chat/{conversation_id:uuid}", opt=ANONYMOUS)
    async def one_conversation(self, socket: Connection, conversation_id: FromPath[UUID]) -> None:
        """One conversation; it need not be named in frames."""
        await self.serve(socket, ConversationId(conversation_id))

    async def serve(self, connection: Connection, only: ConversationId | None) -> None:
        codec = Codec(binary=MSGPACK in connection.scope["subprotocols"])
        await connection.accept(subprotocols=MSGPACK if codec.binary else None)
        try:
            network = network_of(client_ip(connection.scope))
            self.limits.count("socket.opening.network", network, self.settings.opening_by_network)
            actor = await self._actor(connection, codec)
            self.limits.count("socket.opening", str(actor.user_id), self.settings.opening)
            (await self.sockets.admit(actor)).unwrap()
            if only is not None:
                (await self.sockets.enter(actor, only)).unwrap()
        except Exception as error:
            await self._turn_away(connection, error)
            return
        socket = Socket(
            connection.receive,
            connection.send,
            self.hub.settings,
            user_id=actor.user_id,
            session_id=actor.session_id,
            is_own=actor.impersonator_id is None,
            only=only,
            binary=codec.binary,
            write=write_of(connection.scope),
        )
        try:
            await self._open(socket, actor)
            await socket.serve(Conversation(self, socket, actor, codec).take)
        finally:
            self.presence.went(socket)
            self.hub.closed(socket)

    async def _actor(self, connection: Connection, codec: Codec) -> Actor:
        """By ticket, by header, or by the first frame. Raises DomainErrors."""
        scope: Any = connection.scope
        if (ticket := connection.query_params.get("ticket")) is not None:
            return (await self.sockets.by_ticket(ticket)).unwrap()
        if (error := scope.get("authentication_error")) is not None:
            raise error
        if (actor := scope.get("actor")) is not None:
            found: Actor = actor
            return found
        try:
            async with asyncio.timeout(AUTH_WITHIN_S):
                message: Any = await connection.receive()
            said = codec.decode(message, Authenticate)
        except (TimeoutError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unauthenticated from error
        return (await self.sockets.by_token(said.token)).unwrap()

    async def _turn_away(self, connection: Connection, error: Exception) -> None:
        """Without a frame before."""
        code, reason = self._why(error)
        if connection.connection_state != "disconnect":
            await connection.close(code, reason)

    def _why(self, error: Exception) -> tuple[Close, str]:
        """It is closed. What is our own trouble sends the client away only for a while."""
        told = as_domain_error(error)
        if isinstance(told, InternalError):
            log.error("socket_failed", exc_info=error)
        code = _CLOSES.get(type(told))
        return (Close.RESTART, self._come_back()) if code is None else (code, told.code)

    async def _open(self, socket: Socket, actor: Actor) -> None:
        assert actor.session_id is not None, "admitted"
        ready = Ready(session_id=SessionId(actor.session_id), user_id=UserId(actor.user_id), heartbeat_s=HEARTBEAT_S)
        try:
            await self.hub.open(socket, msgspec.json.encode(ready))
            if await self.sockets.has_ended(actor):
                socket.close(Close.SESSION_ENDED, "session ended")
            elif await self.sockets.is_waitlisted(actor):
                socket.close(Close.NOT_ADMITTED, Waitlisted.code)
            elif socket.only is not None and not self.hub.is_reading(socket, socket.only):
                # Gone since it was let in: the hub does not know it there, and would never end it.
                (await self.sockets.enter(actor, ConversationId(socket.only))).unwrap()
        except Exception as error:
            socket.close(*self._why(error))
        if not socket.is_closing:
            self.presence.came(socket)

    def _come_back(self) -> str:
        return f"retry_ms={random.randint(500, 500 + self.hub.settings.restart_spread_ms)}"  # noqa: S311 - jitter
