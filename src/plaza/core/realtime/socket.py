"""One WebSocket, over bare ASGI.

An idle socket has a reader that waits and nothing else: no queue, no writer task, no database connection. What the line takes at once is
written at once; a writer lives while something waits, and takes all of that together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping, Sequence
from contextvars import Context
from enum import IntEnum
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

import structlog

from plaza.core.ids import uuid7
from plaza.core.realtime.frames import Frame
from plaza.core.realtime.settings import RealtimeSettings
from plaza.core.realtime.transport import Write
from plaza.core.telemetry.metrics import FRAMES_SENT, SLOW_READERS

if TYPE_CHECKING:  # topics imports sockets
    from plaza.core.realtime.topics import Topic

Receive: TypeAlias = Callable[[], Awaitable[Any]]
Send: TypeAlias = Callable[[Any], Awaitable[None]]
OnWritten: TypeAlias = Callable[[UUID, UUID, int], None]
"""(user, topic, seq) of an entry that a socket has taken."""
OnFrame: TypeAlias = Callable[[str | bytes], Coroutine[Any, Any, None] | None]

log = structlog.get_logger(__name__)


# Both sides ping this often, so that proxies do not end a quiet line (many do after 60 s), and a dead one is noticed.
HEARTBEAT_S = 25


_PLENTY = 4


class Close(IntEnum):
    """Why the server ends a socket: the code, and what it tells the client."""

    meaning: str

    RESTART = 1012, "come back; the reason is `retry_ms=<n>`, after so many milliseconds"
    UNAUTHENTICATED = 4001, "the ticket or token is no good; the reason is the code of the refusal"
    FORMER_MEMBER = 4003, "no longer part of this conversation"
    NO_SUCH_TOPIC = 4004, "there is no such conversation"
    SLOW_READER = 4008, "too much was left unread: come back and resume"
    TOO_MANY_SOCKETS = 4009, "the user's oldest socket gives way to one too many"
    MALFORMED = 4010, "a frame was too large, or the third was malformed"
    FLOOD = 4029, "too many frames, or sockets opened"
    SESSION_ENDED = 4401, "the session has ended: log in again"
    NOT_ADMITTED = 4403, "known, but not let in: an API key, somebody on the waitlist"

    def __new__(cls, code: int, meaning: str) -> Close:
        made = int.__new__(cls, code)
        made._value_, made.meaning = code, meaning
        return made


class Socket:
    """`only` narrows it to one topic. It belongs to one session of one user and lives as long as that.

    Not `is_own` where somebody else acts as the user: that one has neither come nor taken what is written to it.
    """

    __slots__ = (
        "_batch_dropped",
        "_bytes",
        "_close",
        "_count",
        "_limit",
        "_queue",
        "_receive",
        "_roomy",
        "_send",
        "_stopping",
        "_tasks",
        "_write",
        "_writer",
        "binary",
        "id",
        "is_own",
        "noted",
        "on_written",
        "only",
        "reading",
        "session_id",
        "settings",
        "topics",
        "user_id",
    )

    def __init__(
        self,
        receive: Receive,
        send: Send,
        settings: RealtimeSettings,
        *,
        user_id: UUID,
        session_id: UUID | None,
        is_own: bool = True,
        only: UUID | None = None,
        binary: bool = False,
        write: Write | None = None,
    ) -> None:
        self.id = uuid7()
        self.user_id, self.session_id, self.is_own = user_id, session_id, is_own
        self.only, self.binary = only, binary
        self.settings = settings
        self.topics: set[Topic] = set()
        # While its topics are being read: what was told about its user meanwhile, as topic -> (seq, has joined).
        self.noted: MutableMapping[UUID, tuple[int, bool]] | None = {}
        self.on_written: OnWritten | None = None
        self.reading = asyncio.Lock()  # whoever reads the log for it: one page at a time
        self._receive, self._send, self._write = receive, send, write
        self._queue: list[Frame] = []
        self._count = self._bytes = 0
        self._writer: asyncio.Task[None] | None = None
        self._roomy: asyncio.Event | None = None
        self._close: tuple[int, str] | None = None
        self._batch_dropped = self._stopping = False
        self._limit: asyncio.Timeout | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_closing(self) -> bool:
        return self._close is not None

    def push(self, *frames: Frame) -> None:
        """To the line, or behind what waits for it; whoever has let the queue run full is closed. Never waits."""
        if self._close is not None:
            return
        if self._put_at_once(frames):
            return
        for frame in frames:
            self._count += 1
            self._bytes += frame.cost
            self._queue.append(frame)
        if not self._fits():
            SLOW_READERS.inc()
            self.close(Close.SLOW_READER, "resume")
        else:
            self._write_soon()

    def _put_at_once(self, frames: Sequence[Frame]) -> bool:
        """All of them in one piece, because what is dear is each piece."""
        if self._write is None or self._queue or self._writer is not None:
            return False
        pieces = [frame.wire(binary=self.binary) for frame in frames]
        if not self._write(pieces[0] if len(pieces) == 1 else b"".join(pieces)):
            return False
        FRAMES_SENT.inc(len(frames))
        for frame in frames:
            self._was_put(frame)
        return True

    def _was_put(self, frame: Frame) -> None:
        if frame.entry is not None and frame.is_whole and self.on_written is not None:
            self.on_written(self.user_id, *frame.entry)

    @property
    def has_room(self) -> bool:
        """For what can wait: the other half of the queue is for what happens now."""
        return not (self.is_closing or self._stopping) and self._is_free(2)

    def _fits(self) -> bool:
        # A single frame always fits, however large.
        return self._is_free(1) or self._count == 1

    def _is_free(self, parts: int) -> bool:
        """But for one of so many parts of the queue."""
        return parts * self._count <= self.settings.queue_frames and parts * self._bytes <= self.settings.queue_bytes

    async def room(self) -> bool:
        """Waits until there is plenty, so that reading for it is worth its while. False: nothing more may be sent."""
        while not (self.is_closing or self._stopping):
            if self._is_free(_PLENTY):
                return True
            if self._roomy is None:
                self._roomy = asyncio.Event()
            await self._roomy.wait()
        return False

    def close(self, code: int, reason: str = "", *, flush: bool = False) -> None:
        """Without `flush` at once, and what is queued is dropped."""
        if self._close is not None:
            return
        self._close = (code, reason)
        if not flush:
            self._queue.clear()
            self._batch_dropped = True
        self._let_go()
        self._write_soon()
        self._bound()

    async def serve(self, on_frame: OnFrame) -> None:
        """Reads until the peer or the server closes; lasts until all its frames are answered.

        `on_frame` is called in the order of the frames and may answer with work for a task; those are started in that order, and no
        more than `frames_in_flight` at once: the peer is not read meanwhile.
        """
        try:
            async with asyncio.timeout(None) as self._limit:
                self._bound()
                while (message := await self._receive())["type"] == "websocket.receive":
                    if self._close is not None or self._stopping:
                        continue
                    text = message.get("text")
                    work = on_frame(text if text is not None else message.get("bytes") or b"")
                    if work is not None:
                        task = asyncio.create_task(work)
                        self._tasks.add(task)
                        task.add_done_callback(self._done)
                        while len(self._tasks) >= self.settings.frames_in_flight:
                            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:  # it does not even take the close frame
            if not self.is_closing:
                raise
        finally:
            self._limit = None
            self._lost()
            if self._tasks:
                await asyncio.wait(self._tasks)

    async def finish(self, code: int, reason: str, within_s: float) -> None:
        """Takes no more frames, answers those that it took, says what is queued, closes."""
        self._stopping = True
        self._let_go()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s)
        self.close(code, reason, flush=True)
        if self._writer is not None:
            await asyncio.wait([self._writer], timeout=within_s)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("frame_failed", exc_info=error)

    def _bound(self) -> None:
        """From now on the peer has a limited time to go."""
        if self._close is not None and self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + self.settings.close_within_s)

    def _let_go(self) -> None:
        if self._roomy is not None:
            self._roomy.set()
            self._roomy = None

    def _lost(self) -> None:
        """Nobody is there to write to."""
        self._close = self._close or (0, "")
        self._queue.clear()
        self._batch_dropped = True
        self._let_go()
        if self._writer is not None:
            self._writer.cancel()

    def _write_soon(self) -> None:
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_queue(), context=Context())

    async def _write_queue(self) -> None:
        try:
            while self._queue:
                batch, self._queue = self._queue[::-1], []
                await self._write_batch(batch)
            if self._close is not None:
                code, reason = self._close
                await self._end(code, reason)
        except Exception:  # each server has its own errors for a peer that is gone; the reader learns it, too
            self._close = self._close or (0, "")
            self._queue.clear()
            self._let_go()
        finally:
            self._writer = None

    async def _write_batch(self, batch: list[Frame]) -> None:
        """The last one first; what is written is let go."""
        sent = 0
        while batch and not self._batch_dropped:
            frame = batch.pop()
            await self._put(frame)
            sent += 1
            self._count -= 1
            self._bytes -= frame.cost
            self._was_put(frame)
            if self._roomy is not None and self._is_free(_PLENTY):
                self._let_go()
        FRAMES_SENT.inc(sent)

    async def _put(self, frame: Frame) -> None:
        await self._send(frame.event(binary=self.binary))

    async def _end(self, code: int, reason: str) -> None:
        await self._send({"type": "websocket.close", "code": code, "reason": reason})
