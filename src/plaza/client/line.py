"""A line: one person's conversations, live, over as many sockets as it takes.

What is promised:

- **Exactly once to the reader.** Every entry of a followed conversation's log is handed out once, in the order of its seqs, without a
  gap, whatever becomes of sockets, servers and the network: after each loss the line resumes behind what it took last. What has no seq
  (typing, presence, markers) is a hint for now, and may be lost.
- **At least once to the log, where it counts once.** What `send` was given is said again, with the same client_id, until it is
  acknowledged or refused; the server keeps one message per client_id. An answered `send` is committed.
- **Nothing grows.** At most `buffer` events wait for the reader. While they do, the socket is left unread, and the server may close it
  as a slow one; the line resumes. Only where somebody waits for an answer, which may stand behind them, entries are passed over and
  asked for again later.
- **It ends only for a reason**: `SessionOver` where there is nobody to come back as, `LineClosed` where the server does not want it
  back (the user has too many sockets, say). Until then it comes back: when it was told to, and otherwise a little later each time.

A reader that dies with events in its hands resumes with the `positions` that it kept: `plaza.line(after=positions)`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self
from uuid import UUID, uuid4

import msgspec
import websockets
from msgspec import UNSET
from websockets.asyncio.client import ClientConnection

from plaza.client import codec
from plaza.client.asking import Asked, Questions
from plaza.client.chat import Conversations
from plaza.client.codec import Unknown
from plaza.client.dialling import Dialling
from plaza.client.errors import Failed, Limited, LineClosed, Misunderstood, PlazaError, Unreachable, of_frame
from plaza.client.events import Down, Event, Up, place_of
from plaza.client.following import Following, Gap
from plaza.client.frames import (
    Ack,
    MarkRead,
    ParticipantChanged,
    Ping,
    Pong,
    Ready,
    Refused,
    ResumePoint,
    Said,
    SendMessage,
    SetPresence,
    SetTyping,
    Subscribe,
    Subscribed,
    Told,
    WatchPresence,
)
from plaza.client.ids import Id, as_uuid
from plaza.client.models import MessageView, Status
from plaza.client.transport import Transport

CHUNK = 500  # conversations in a frame, which has 128 KiB
_OVER = {"NOT_PARTICIPANT", "CONVERSATION_NOT_FOUND", "CONVERSATION_DELETED"}


class Line:
    """`after` says where to resume, by conversation; `everything` follows all others from now on, those to come included."""

    def __init__(
        self,
        transport: Transport,
        *,
        after: Mapping[Any, int] | None = None,
        everything: bool = True,
        binary: bool = False,
        buffer: int = 1000,
        heartbeat_s: float | None = None,
    ) -> None:
        self.positions: dict[UUID, int] = {as_uuid(id): seq for id, seq in (after or {}).items()}
        self.user_id: UUID | None = None
        self._transport, self._buffer, self._heartbeat_s = transport, buffer, heartbeat_s
        self._codec = codec.MSGPACK if binary else codec.JSON
        self._dialling = Dialling(transport, binary=binary)
        self._following = Following(self.positions, everything=everything)
        self._has_begun = False
        self._inbox: asyncio.Queue[Event | None] = asyncio.Queue()
        self._roomy, self._up = asyncio.Event(), asyncio.Event()
        self._questions = Questions(transport.patience_s)
        self._resuming: dict[str, Sequence[UUID]] = {}
        self._watched: list[UUID] | None = None
        self._socket: ClientConnection | None = None
        self._heard_at = 0.0
        self._beside: set[asyncio.Task[None]] = set()
        self._trouble: PlazaError | None = None
        self._task: asyncio.Task[None] | None = None
        self._error: Exception | None = None

    # the reader's side

    @property
    def is_up(self) -> bool:
        return self._up.is_set()

    async def __aenter__(self) -> Self:
        """Returns once it is up. Raises what ends a line; while the server cannot be reached it waits."""
        self._task = asyncio.create_task(self._live())
        up = asyncio.create_task(self._up.wait())
        try:
            await asyncio.wait((self._task, up), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self.close()
            raise
        finally:
            up.cancel()
        if self._error is not None:
            raise self._error
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """What waits is still handed out; whoever waits for an answer gets LineClosed."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        event = await self._inbox.get()
        if event is None:
            self._inbox.put_nowait(None)
            raise StopAsyncIteration if self._error is None else self._error
        if (place := place_of(event)) is not None:
            self.positions[place[0]] = place[1]
        if 2 * self._inbox.qsize() <= self._buffer:
            self._roomy.set()
            self._resume()
        return event

    def follow(self, conversation: Id, after_seq: int) -> None:
        """One more, or one that is followed from elsewhere."""
        self._following.follow(as_uuid(conversation), after_seq)
        self._resume()

    # what is said

    async def send(
        self, conversation: Id, content: str, *, client_id: UUID | None = None, parent: Id | None = None
    ) -> MessageView:
        """Once it is committed. Cancelled, it may be committed nonetheless: sending it again with its client_id tells."""
        frame = SendMessage(
            ref=self._questions.ref(),
            conversation_id=as_uuid(conversation),
            client_id=client_id or uuid4(),
            content=content,
            parent_id=UNSET if parent is None else as_uuid(parent),
        )
        message = (await self._ask(frame)).message
        if message is None:
            raise Misunderstood("NOT_PLAZA", "an acknowledgement without the message")
        return message

    async def mark_read(self, conversation: Id, seq: int) -> None:
        await self._ask(MarkRead(ref=self._questions.ref(), conversation_id=as_uuid(conversation), seq=seq))

    async def show_as(self, status: Status) -> None:
        await self._ask(SetPresence(ref=self._questions.ref(), status=status))

    async def watch(self, *users: Id) -> None:
        """In the place of whomever this line watched before. A new socket watches them, too."""
        self._watched = list(map(as_uuid, users))
        await self._ask(WatchPresence(ref=self._questions.ref(), user_ids=self._watched))

    async def typing(self, conversation: Id, *, is_typing: bool = True) -> None:
        """Nothing happens while the line is down."""
        if self._socket is not None:
            await self._put(self._socket, SetTyping(conversation_id=as_uuid(conversation), is_typing=is_typing))

    async def _ask(self, frame: Any) -> Ack:
        if self._task is None or self._task.done():
            raise LineClosed("CLOSED") if self._error is None else self._error
        asked = self._questions.add(frame)
        self._roomy.set()
        try:
            await self._say(asked)
            return await asked.answer
        finally:
            self._questions.remove(frame)

    async def _say(self, asked: Asked) -> None:
        if self._socket is not None:
            asked.socket = self._socket
            await self._put(self._socket, asked.frame)

    async def _put(self, socket: ClientConnection, frame: Said) -> None:
        with suppress(websockets.ConnectionClosed):  # whoever reads it learns that, and what waits is said again
            await socket.send(self._codec.write(frame))

    # one socket after another

    async def _live(self) -> None:
        try:
            while True:
                try:
                    pause = await self._once()
                except (Failed, Limited, Misunderstood, Unreachable) as error:
                    pause = self._dialling.backoff.next_s(error.retry_after or 0)
                await asyncio.sleep(pause)
        except Exception as error:  # whoever reads gets it
            self._error = error
        finally:
            self._questions.fail(LineClosed("CLOSED") if self._error is None else self._error)
            self._inbox.put_nowait(None)

    async def _once(self) -> float:
        """From the opening of a socket to its end; answers the pause until the next. Raises what ends the line."""
        socket = await self._dialling.dial()
        self._following.lost()
        self._resuming.clear()
        self._trouble = None
        try:
            await self._read(socket)
        except websockets.ConnectionClosed as error:
            end = Down(0, "") if error.rcvd is None else Down(error.rcvd.code, error.rcvd.reason)
        except (Gap, msgspec.DecodeError) as error:
            end = Down(0, repr(error))
        finally:
            self._socket = None
            was_up = self.is_up
            self._up.clear()
            for task in tuple(self._beside):
                task.cancel()
            await socket.close()
        if was_up:
            self._offer(end)
        if self._trouble is not None:
            raise self._trouble
        return await self._dialling.pause_after(end)

    async def _read(self, socket: ClientConnection) -> None:
        while True:
            frame = self._codec.read(await socket.recv())
            self._heard_at = asyncio.get_running_loop().time()
            match frame:
                case Ready():
                    await self._begin(socket, frame)
                case Ack(ref=str(ref)):
                    if (asked := self._questions.waiting(ref)) is not None:
                        asked.answer.set_result(frame)
                case Refused(ref=str(ref)):
                    self._refused(socket, ref, frame)
                case Subscribed(ref=str(ref)):
                    self._following.resumed(self._resuming.pop(ref, ()))
                    self._look_up()
                case Ack() | Pong() | Refused() | Subscribed():
                    pass
                case _:
                    await self._happened(frame)

    async def _begin(self, socket: ClientConnection, ready: Ready) -> None:
        """What waits is said again in its order, before anything new."""
        self.user_id = ready.user_id
        self._dialling.is_in()
        for asked in self._questions.unsaid(socket):
            asked.socket = socket
            await self._put(socket, asked.frame)
        self._socket = socket
        if self._watched is not None:
            await self._put(socket, WatchPresence(user_ids=self._watched))
        self._spawn(socket, self._beat(socket, self._heartbeat_s or ready.heartbeat_s))
        self._spawn(socket, self._list())

    def _spawn(self, socket: ClientConnection, work: Coroutine[Any, Any, None]) -> None:
        """As long as the socket lasts; its trouble is the socket's."""

        async def guarded() -> None:
            try:
                await work
            except PlazaError as error:
                self._trouble = error
                await socket.close()

        task = asyncio.create_task(guarded())
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    async def _beat(self, socket: ClientConnection, every_s: float) -> None:
        """Asks whether anybody is there when nothing was heard for a while; after another while nobody is."""
        while True:
            await asyncio.sleep(every_s / 2)
            silent_s = asyncio.get_running_loop().time() - self._heard_at
            if silent_s > 2 * every_s and self._inbox.qsize() < self._buffer:
                socket.transport.abort()
            elif silent_s > every_s:
                await self._put(socket, Ping())

    # the log

    async def _list(self) -> None:
        """A conversation that is new here begins now; one that was joined while the line was down with what its marker says is unread."""
        heads: dict[UUID, int] = {}
        if self._following.everything:
            async for each in Conversations(self._transport).all():
                heads[each.id] = each.my.last_read_seq if self._has_begun else each.last_seq
        self._has_begun = True
        self._following.listed(heads)
        for id, seq in self._following.at.items():
            self.positions.setdefault(id, seq)
        self._resume()
        self._look_up()

    def _resume(self) -> None:
        """Asks for all that is behind and was not asked for yet, as far as there is a socket and room."""
        socket = self._socket
        if socket is None or not self._following.behind or not self._following.is_listed:
            return
        asked_for = {id for ids in self._resuming.values() for id in ids}
        behind = [id for id in self._following.behind if id not in asked_for]
        for start in range(0, len(behind), CHUNK):
            self._subscribe(socket, behind[start : start + CHUNK])

    def _subscribe(self, socket: ClientConnection, ids: Sequence[UUID]) -> None:
        ref = self._questions.ref()
        self._resuming[ref] = ids
        points = [ResumePoint(id=id, after_seq=self._following.at[id]) for id in ids]
        self._spawn(socket, self._put(socket, Subscribe(ref=ref, conversations=points)))

    def _not_resumed(self, socket: ClientConnection, ids: Sequence[UUID], error: PlazaError) -> None:
        """One of them is none of this person's any more, and which one is not said."""
        if len(ids) > 1:
            self._subscribe(socket, ids[: len(ids) // 2])
            self._subscribe(socket, ids[len(ids) // 2 :])
        else:
            assert self.user_id is not None
            self._following.forget(ids[0])
            self._inbox.put_nowait(ParticipantChanged(conversation_id=ids[0], user_id=self.user_id, role=None))
            self._look_up()

    def _look_up(self) -> None:
        """Up is a line whose conversations are all resumed."""
        if not self.is_up and self._following.is_listed and not self._following.behind:
            self._dialling.backoff.reset()
            self._up.set()
            self._offer(Up())

    # what is heard

    def _refused(self, socket: ClientConnection, ref: str, refused: Refused) -> None:
        error = of_frame(refused.code, refused.message, refused.retry_after)
        if (ids := self._resuming.pop(ref, None)) is not None:
            if error.code in _OVER:
                self._not_resumed(socket, ids, error)
            else:
                self._spawn(socket, _raised(error))
        elif (asked := self._questions.waiting(ref)) is not None:
            if error.code in ("RATE_LIMITED", "UNAVAILABLE"):
                self._spawn(socket, self._again(asked, error))
            else:
                asked.fail(error)

    async def _again(self, asked: Asked, error: PlazaError) -> None:
        try:
            await asked.backoff.wait(error)
        except PlazaError as final:
            asked.fail(final)
        else:
            await self._say(asked)

    async def _happened(self, event: Told | Unknown) -> None:
        place = place_of(event)
        if place is None:
            self._passed(event)
        elif self._following.is_next(*place):
            if await self._has_room():
                self._following.took(*place)
                self._inbox.put_nowait(event)
            else:
                self._following.behind.add(place[0])

    def _passed(self, event: Told | Unknown) -> None:
        """What has no seq."""
        if getattr(event, "conversation_id", None) in self._following.behind:
            return
        if isinstance(event, ParticipantChanged) and event.role is None and event.user_id == self.user_id:
            self._following.forget(event.conversation_id)
            self._inbox.put_nowait(event)
        else:
            self._offer(event)

    async def _has_room(self) -> bool:
        """Waits for it, unless somebody waits for an answer that may stand behind what is read next."""
        while self._inbox.qsize() >= self._buffer and not self._questions:
            self._roomy.clear()
            await self._roomy.wait()
            self._heard_at = asyncio.get_running_loop().time()
        return self._inbox.qsize() < self._buffer

    def _offer(self, event: Event) -> None:
        if self._inbox.qsize() < self._buffer:
            self._inbox.put_nowait(event)


async def _raised(error: PlazaError) -> None:
    raise error
