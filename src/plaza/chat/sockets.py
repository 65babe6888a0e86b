"""`/ws` and `/ws/chat/{conversation_id}`: frames to service calls.

A frame is a command of its own: under its own correlation id, in a task of its own, and the socket itself holds no database connection.
Tasks are started in the order of the frames, and a message is in its lane before its task first waits, so that order is kept.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeAlias
from uuid import UUID

import msgspec
import structlog
from litestar import Controller, WebSocket, websocket
from litestar.params import FromPath

from plaza.chat.errors import ConversationDeleted, ConversationNotFound, NotParticipant
from plaza.chat.frames import (
    Ack,
    Authenticate,
    DeleteMessage,
    EditMessage,
    MarkRead,
    Ping,
    Pong,
    Ready,
    Refused,
    Saying,
    SendMessage,
    SetPresence,
    SetTyping,
    Subscribe,
    Subscribed,
    SubscribedTo,
    ToggleReaction,
    TypingChanged,
    WatchPresence,
)
from plaza.chat.schemas import ChatSettings, MessageView, NewContent, NewMessage, NewReaction, SeqMarker
from plaza.chat.service import EditingService, MessageService, ReactionService, ReadingService
from plaza.chat.service.presence import PresenceService, device_of
from plaza.chat.service.sockets import SocketService
from plaza.core.actor import Actor
from plaza.core.correlation import correlated
from plaza.core.db import under
from plaza.core.errors import (
    InsufficientScope,
    InternalError,
    RateLimited,
    Unauthenticated,
    ValidationFailed,
    Waitlisted,
)
from plaza.core.http import ANONYMOUS
from plaza.core.http.problems import as_domain_error
from plaza.core.http.request import client_ip
from plaza.core.origin import network_of
from plaza.core.ratelimit import RateLimits
from plaza.core.realtime import HEARTBEAT_S, MSGPACK, Close, Frame, Hub, Ref, Socket, write_of
from plaza.core.result import DomainError
from plaza.core.witness import Deed, Witness, Witnessed
from plaza.domain_events.chat import ConversationId, MessageId
from plaza.domain_events.identity import SessionId, UserId
from plaza.identity import TokenStale

log = structlog.get_logger(__name__)

AUTH_WITHIN_S = 5
MALFORMED_TRIES = 3
TYPING_EVERY_S = 3

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


class Codec:
    """JSON in text messages, or msgpack in binary ones."""

    def __init__(self, *, binary: bool) -> None:
        self.binary = binary
        self._decode: Any = msgspec.msgpack.decode if binary else msgspec.json.decode

    def decode(self, message: Any, kind: Any) -> Any:
        """Of an ASGI message. Raises msgspec.ValidationError for another shape, msgspec.DecodeError for what is no frame at all."""
        raw = message.get("bytes" if self.binary else "text")
        if raw is None:
            raise msgspec.DecodeError("a message of the other kind, or none")
        return self.parse(raw, kind)

    def parse(self, raw: str | bytes, kind: Any) -> Any:
        if isinstance(raw, bytes) is not self.binary:
            raise msgspec.DecodeError("a message of the other kind")
        try:
            found = self._decode(raw, type=kind)
        except RecursionError as error:
            raise msgspec.DecodeError("nested too deeply") from error
        if (b"\0" in raw if isinstance(raw, bytes) else "\\u0000" in raw) and holds_nul(msgspec.to_builtins(found)):
            raise msgspec.ValidationError("U+0000 is not accepted")
        return found

    def ref_of(self, raw: str | bytes) -> Ref:
        """Of a frame that has another shape than it should. Raises msgspec.DecodeError where it is none."""
        try:
            found = self._decode(raw)
        except RecursionError as error:
            raise msgspec.DecodeError("nested too deeply") from error
        if not isinstance(found, dict) or not isinstance(found.get("type"), str):
            raise msgspec.DecodeError("not an object with a type")
        ref = found.get("ref")
        return ref if isinstance(ref, str | int) and not isinstance(ref, bool) else None


class Conversation:
    """What one client says, in order. `_acting` is taken by each frame of an impersonator; nobody else has it."""

    __slots__ = ("_acting", "_actor", "_codec", "_home", "_malformed", "_socket", "_telling", "_typed_at")

    def __init__(self, home: SocketController, socket: Socket, actor: Actor, codec: Codec) -> None:
        self._home, self._socket, self._actor, self._codec = home, socket, actor, codec
        self._malformed = 0
        self._acting = None if actor.impersonator_id is None else asyncio.Lock()
        self._telling = asyncio.Lock()
        self._typed_at: dict[ConversationId, tuple[float, bool]] = {}

    def take(self, raw: str | bytes) -> Coroutine[Any, Any, None] | None:
        try:
            self._home.limits.count("socket.frames", str(self._actor.user_id), self._home.settings.frames)
        except RateLimited:
            self._socket.close(Close.FLOOD, "too many frames")
            return None
        if self._is_too_large(raw):
            self._socket.close(Close.MALFORMED, "frame too large")
            return None
        try:
            said: Saying = self._codec.parse(raw, Saying)
        except msgspec.ValidationError as error:
            self._misshapen(raw, str(error))
            return None
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._garbled()
            return None
        match said:
            case Ping():
                self._say(Pong(ref=said.ref))
            case SetTyping():
                return self._typing(said)
            case _:
                return self._answer(said)
        return None

    def _is_too_large(self, raw: str | bytes) -> bool:
        limit = self._socket.settings.frame_bytes
        return len(raw) > limit or (isinstance(raw, str) and 4 * len(raw) > limit and len(raw.encode()) > limit)

    def _misshapen(self, raw: str | bytes, why: str) -> None:
        try:
            ref = self._codec.ref_of(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._garbled()
        else:
            self._refuse(ref, ValidationFailed(why))

    def _garbled(self) -> None:
        self._malformed += 1
        if self._malformed >= MALFORMED_TRIES:
            self._socket.close(Close.MALFORMED, "malformed frames", flush=True)
        else:
            self._refuse(None, ValidationFailed("This is not a frame."))

    async def _answer(self, said: Saying) -> None:
        with correlated():
            try:
                ack = await (self._doing(said) if self._acting is None else self._witnessed(said, self._acting))
            except Exception as error:
                told = as_domain_error(error)
                if isinstance(told, InternalError):
                    log.exception("frame_failed", frame=type(said).__name__)
                self._refuse(said.ref, told)
            else:
                if ack is not None:
                    self._say(ack)

    async def _witnessed(self, said: Saying, one_at_a_time: asyncio.Lock) -> Ack | None:
        """In order all the same: a message under a scope waits in no lane."""
        async with one_at_a_time:
            if isinstance(said, Subscribe | WatchPresence):
                return await self._doing(said)
            call = Witnessed(self._home.witness, self._actor, await self._deed(said))
            with under(call):
                ack = await self._doing(said)
                await call.finish()
            return ack

    async def _deed(self, said: Saying) -> Deed:
        """Raises what refuses the frame."""
        deed = {"frame": said.__struct_config__.tag}
        match said:
            case SendMessage() | MarkRead():
                return {**deed, "conversation_id": self._named(said.conversation_id)}
            case EditMessage() | DeleteMessage() | ToggleReaction():
                conversation_id = await self._place_of(said.message_id)
                return {**deed, "conversation_id": conversation_id, "message_id": said.message_id}
            case _:
                return deed

    def _doing(self, said: Saying) -> Awaitable[Ack | None]:
        match said:
            case SendMessage():
                return self._send(said)
            case EditMessage():
                return self._edit(said)
            case DeleteMessage():
                return self._delete(said)
            case ToggleReaction():
                return self._toggle(said)
            case MarkRead():
                return self._read(said)
            case Subscribe():
                return self._subscribe(said)
            case SetPresence():
                return self._set_presence(said)
            case WatchPresence():
                return self._watch_presence(said)
            case _:
                raise TypeError(f"{type(said).__name__} is answered elsewhere")

    async def _send(self, said: SendMessage) -> Ack:
        new = NewMessage(
            client_id=said.client_id, content=said.content, parent_id=said.parent_id, attachments=said.attachments
        )
        sent = (await self._home.messages.post(self._actor, self._named(said.conversation_id), new)).unwrap()
        message: MessageView = sent.message
        return Ack(ref=said.ref, message=message)

    async def _edit(self, said: EditMessage) -> Ack:
        conversation_id = await self._place_of(said.message_id)
        new = NewContent(content=said.content)
        edited = await self._home.editing.edit(self._actor, conversation_id, said.message_id, new)
        return Ack(ref=said.ref, message=edited.unwrap())

    async def _delete(self, said: DeleteMessage) -> Ack:
        conversation_id = await self._place_of(said.message_id)
        (await self._home.editing.delete(self._actor, conversation_id, said.message_id)).unwrap()
        return Ack(ref=said.ref)

    async def _toggle(self, said: ToggleReaction) -> Ack:
        conversation_id = await self._place_of(said.message_id)
        given = NewReaction(emoji=said.emoji)
        toggled = await self._home.reactions.toggle(self._actor, conversation_id, said.message_id, given)
        return Ack(ref=said.ref, added=toggled.unwrap().added)

    async def _place_of(self, message_id: MessageId) -> ConversationId:
        """These frames name the message only. Raises what keeps the actor from it."""
        place = (await self._home.sockets.place_of(self._actor, message_id)).unwrap()
        return self._named(place)

    async def _read(self, said: MarkRead) -> Ack:
        marker = SeqMarker(seq=said.seq)
        (await self._home.reading.read(self._actor, self._named(said.conversation_id), marker)).unwrap()
        return Ack(ref=said.ref)

    async def _subscribe(self, said: Subscribe) -> None:
        points = {self._named(each.id): each.after_seq for each in said.conversations}
        wanted = (await self._home.sockets.positions(self._actor, points)).unwrap()
        answer = [SubscribedTo(id=ConversationId(id), last_seq=head) for id, (head, _) in wanted.items()]
        subscribed = msgspec.json.encode(Subscribed(ref=said.ref, conversations=answer))
        await self._home.hub.resume(self._socket, wanted, subscribed)

    async def _set_presence(self, said: SetPresence) -> Ack:
        (await self._home.presence.choose(self._actor, said.status, device_of(self._socket))).unwrap()
        return Ack(ref=said.ref)

    async def _watch_presence(self, said: WatchPresence) -> Ack:
        (await self._home.presence.watch(self._actor, self._socket, said.user_ids)).unwrap()
        return Ack(ref=said.ref)

    def _typing(self, said: SetTyping) -> Coroutine[Any, Any, None] | None:
        """Never stored; once in a while, and the end of what was told."""
        try:
            conversation_id = self._named(said.conversation_id)
        except ValidationFailed as error:
            self._refuse(said.ref, error)
            return None
        if not self._home.hub.is_reading(self._socket, conversation_id):
            return None
        now = asyncio.get_running_loop().time()
        at, is_typing = self._typed_at.get(conversation_id, (-TYPING_EVERY_S, False))
        is_due = now - at >= TYPING_EVERY_S if said.is_typing else is_typing
        if not is_due:
            return None
        self._typed_at[conversation_id] = (now if said.is_typing else at, said.is_typing)
        changed = TypingChanged(
            conversation_id=conversation_id, user_id=UserId(self._actor.user_id), is_typing=said.is_typing
        )
        return self._tell(changed)

    async def _tell(self, typing: TypingChanged) -> None:
        """One at a time, so that an end is not told before its beginning."""
        async with self._telling:
            try:
                is_heard = (await self._home.sockets.is_heard(self._actor, typing.conversation_id)).unwrap()
            except Exception as error:  # nothing of it lasts, and nobody waits for an answer
                log.warning("typing_not_told", error=repr(error))
                return
            if is_heard:
                frame = msgspec.json.encode(typing)
                await self._home.hub.to_topic(typing.conversation_id, frame, but_user=self._actor.user_id)

    def _named(self, conversation_id: ConversationId | None) -> ConversationId:
        """Raises ValidationFailed."""
        only = self._socket.only
        if only is None:
            if conversation_id is None:
                raise ValidationFailed("conversation_id is missing")
            return conversation_id
        if conversation_id not in (None, only):
            raise ValidationFailed("This socket serves another conversation.")
        return ConversationId(only)

    def _refuse(self, ref: Ref, error: DomainError) -> None:
        after = msgspec.UNSET if error.retry_after is None else round(error.retry_after, 3)
        self._say(Refused(ref=ref, code=error.code, message=error.detail, retry_after=after))

    def _say(self, frame: msgspec.Struct) -> None:
        self._socket.push(Frame.of(frame))


def holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(map(holds_nul, value.values()))
    return isinstance(value, list) and any(map(holds_nul, value))
