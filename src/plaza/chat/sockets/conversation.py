"""What one client says, and what is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from plaza.chat.frames import (
    Ack,
    DeleteMessage,
    EditMessage,
    MarkRead,
    Ping,
    Pong,
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
from plaza.chat.schemas import MessageView, NewContent, NewMessage, NewReaction, SeqMarker
from plaza.chat.service.presence import device_of
from plaza.chat.sockets.codec import Codec
from plaza.core.actor import Actor
from plaza.core.correlation import correlated
from plaza.core.db import under
from plaza.core.errors import InternalError, RateLimited, ValidationFailed
from plaza.core.http.problems import as_domain_error
from plaza.core.realtime import Close, Frame, Ref, Socket
from plaza.core.result import DomainError
from plaza.core.witness import Deed, Witnessed
from plaza.domain_events.chat import ConversationId, MessageId
from plaza.domain_events.identity import UserId

if TYPE_CHECKING:  # the controller begins conversations
    from plaza.chat.sockets.controller import SocketController

log = structlog.get_logger(__name__)

MALFORMED_TRIES = 3
TYPING_EVERY_S = 3


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
