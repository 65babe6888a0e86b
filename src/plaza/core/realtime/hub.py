"""The fan-out of one process: sockets on one side, the log and the other processes on the other.

The database is the log and Redis only wakes: what a lost wake-up, a lost Redis or a process that died between COMMIT and publishing did
not say, is read from the log. Once a second each process with sockets reads the log's newest heads, and at once after Redis came back.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from contextvars import Context
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, TypeVar
from uuid import UUID

import structlog
from redis.asyncio import Redis

from plaza.core.ids import floor_of
from plaza.core.realtime.bus import Bus, CloseSockets, Item, Signal, ToTopic, ToUsers
from plaza.core.realtime.frames import Frame
from plaza.core.realtime.log import LogFrame, TopicLog, Wake
from plaza.core.realtime.settings import RealtimeSettings
from plaza.core.realtime.socket import Close, OnWritten, Socket
from plaza.core.realtime.topics import Follower, Topic, Topics
from plaza.core.telemetry.metrics import FRAMES_HEALED, SOCKETS

log = structlog.get_logger(__name__)
T = TypeVar("T")

_BEGUN, _ENDED = "realtime.begun", "realtime.ended"
_CHECKED_AT_ONCE = 1_000  # topics of one sweep


class Hub:
    """Any process may speak (`wake`, `to_topic`, `to_users`, `signal`); one with sockets also runs it.

    `log` is set by whoever puts the process together, once the context that implements it stands.
    """

    log: TopicLog

    def __init__(self, redis: Redis, settings: RealtimeSettings) -> None:
        self.settings = settings
        self.bus = Bus(redis, self._receive, self._sweep_at_once)
        self.topics = Topics(
            self._is_behind,
            lambda follower: self._spawn(self._catch_up(follower)),
            lambda topic_id, user_id: self.log.farewell(topic_id, user_id),
        )
        self._unchecked: list[UUID] = []
        self._sockets: dict[UUID, Socket] = {}
        self._of_session: dict[UUID, set[Socket]] = {}
        self._handlers: dict[str, Callable[[Collection[UUID]], None]] = {
            _BEGUN: self._begin,
            _ENDED: self.topics.end,
        }
        self._on_written: OnWritten | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._reads = asyncio.Semaphore(settings.log_reads)
        self._sweep_due = asyncio.Event()
        self._seen_until = datetime.now(UTC)
        self._is_draining = False

    # speaking; none of these waits, they are coroutines so that they fit `db.after_commit`

    async def wake(self, *wakes: Wake) -> None:
        """Entries that were just committed: out to the sockets here, and a word to the other processes."""
        self._tell(wakes)

    async def to_topic(self, topic: UUID, frame: bytes, *, but_user: UUID | None = None) -> None:
        """A frame without a seq to the readers of a topic; it may be lost."""
        self._tell((ToTopic(topic, frame, but_user),))

    async def to_users(self, users: Collection[UUID], frame: bytes, *, topic: UUID | None = None) -> None:
        """A frame without a seq to all sockets of these users, but of those that serve one topic not to others than `topic`'s, if it is
        about one; it may be lost."""
        self._tell((ToUsers(tuple(users), frame, topic),))

    async def signal(self, name: str, ids: Collection[UUID]) -> None:
        """To the handler of that name in every process, this one included; it may be lost."""
        self._tell((Signal(name, tuple(ids)),))

    async def begin_topic(self, topic: UUID, users: Collection[UUID]) -> None:
        """These have one that has no entry yet: what passes there reaches them. Where this is lost, its first entry brings them in."""
        await self.signal(_BEGUN, [topic, *users])

    async def end_topic(self, topic: UUID) -> None:
        """It has ended: its readers, in any process, hear a farewell and nothing more; those that read nothing else are closed.

        Where this is lost, a sweep finds out.
        """
        await self.signal(_ENDED, [topic])

    def on_signal(self, name: str, handler: Callable[[Collection[UUID]], None]) -> None:
        self._handlers[name] = handler

    def on_written(self, handler: OnWritten) -> None:
        """It is told of every entry that a socket of this process has taken."""
        self._on_written = handler

    def close_sockets(self, ids: Collection[UUID], code: int) -> None:
        """Wherever they are."""
        self._tell((CloseSockets(tuple(ids), code),))

    def end_session(self, session_id: UUID) -> None:
        """Its sockets in this process, at once: every process hears of it by itself."""
        for socket in tuple(self._of_session.get(session_id, ())):
            socket.close(Close.SESSION_ENDED, "session ended")

    def sessions(self) -> set[UUID]:
        """Those that have sockets in this process."""
        return set(self._of_session)

    def turn_out(self, user_id: UUID, reason: str) -> None:
        """Everything that a user has open in this process: every process hears of it by itself."""
        for socket in self.sockets_of(user_id):
            socket.close(Close.NOT_ADMITTED, reason)

    def sockets_of(self, user_id: UUID) -> tuple[Socket, ...]:
        """In this process, the oldest first."""
        return tuple(self.topics.sockets_of.get(user_id, ()))

    # sockets

    async def open(self, socket: Socket, ready: bytes) -> None:
        """`ready` is its first frame; every topic of its user is live from then on. Raises what reading the log raises."""
        if self._is_draining:
            socket.close(Close.RESTART, self._retry())
            return
        self._sockets[socket.id] = socket
        socket.on_written = self._on_written if socket.is_own else None
        if socket.session_id is not None:
            self._of_session.setdefault(socket.session_id, set()).add(socket)
        self.topics.add(socket)
        SOCKETS.inc()
        open_ones = [each for each in self.topics.sockets_of[socket.user_id] if not each.is_closing]
        for each in open_ones[: -self.settings.sockets_per_user]:
            each.close(Close.TOO_MANY_SOCKETS, "too many sockets")
        topics = await self._reading(self.log.topics_of(socket.user_id))
        socket.push(Frame(ready))
        self.topics.admit(socket, topics)

    def closed(self, socket: Socket) -> None:
        """Nothing more reaches it. May be called for one that `open` refused."""
        if self._sockets.pop(socket.id, None) is None:
            return
        SOCKETS.dec()
        self.topics.remove(socket)
        if socket.session_id is not None and (others := self._of_session.get(socket.session_id)) is not None:
            others.discard(socket)
            if not others:
                del self._of_session[socket.session_id]

    def is_reading(self, socket: Socket, topic_id: UUID) -> bool:
        """Whether its user is a member of the topic, as far as this process has heard."""
        return self.topics.by_id.get(topic_id) in socket.topics

    async def resume(self, socket: Socket, wanted: Mapping[UUID, tuple[int, int]], subscribed: bytes) -> None:
        """`wanted`: per topic its last seq, read just now for a member, and the seq after which the socket wants every entry.

        `subscribed` goes out at once; behind it come those entries in order, then live ones. Returns when all topics are live.
        """
        if socket.is_closing:
            return
        followers = [
            self.topics.resume(socket, topic_id, after=after, head=head)
            for topic_id, (head, after) in wanted.items()
            if not self.topics.has_left(topic_id, socket.user_id, since=head)  # nothing comes behind his farewell
        ]
        socket.push(Frame(subscribed))
        for follower in filter(None, followers):
            await self._catch_up(follower)

    # lasting

    async def run(self) -> None:
        """Listens and sweeps, until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.bus.run())
                group.create_task(self._sweep())
        finally:
            for task in self._tasks:
                task.cancel()

    async def drain(self, within_s: float = 5) -> None:
        """Before the server stops: frames taken are answered, then everybody is sent elsewhere, each at a moment of his own.

        Both may take `within_s`.
        """
        self._is_draining = True
        leaving = [socket.finish(Close.RESTART, self._retry(), within_s) for socket in self._sockets.values()]
        await asyncio.gather(*leaving)
        await self.bus.close()

    def _retry(self) -> str:
        return f"retry_ms={random.randint(0, self.settings.restart_spread_ms)}"  # noqa: S311 - jitter, not a secret

    def _tell(self, items: Sequence[Item]) -> None:
        self._receive(items)
        self.bus.publish(items)

    def _begin(self, ids: Collection[UUID]) -> None:
        topic, *users = ids
        self.topics.begin(topic, users)

    def _receive(self, items: Sequence[Item]) -> None:
        for _, group in groupby(items, key=_companion):
            item, *more = group
            try:
                self._take(item, more)
            except Exception:  # one item's trouble is not the next one's
                log.exception("realtime_item_failed", item=type(item).__name__)

    def _take(self, item: Item, more: Sequence[Item]) -> None:
        match item:
            case Wake():
                self.topics.arrived(item, *(each for each in more if isinstance(each, Wake)))
            case ToTopic():
                self._push(self._readers(item), item.frame)
            case ToUsers():
                self._push(self._devices(item), item.frame)
            case CloseSockets():
                for found in filter(None, map(self._sockets.get, item.sockets)):
                    found.close(item.code)
            case Signal():
                if (handler := self._handlers.get(item.name)) is not None:
                    handler(item.ids)

    def _readers(self, item: ToTopic) -> Iterable[Socket]:
        topic = self.topics.by_id.get(item.topic)
        if topic is None:
            return ()
        return (each for each in self.topics.listeners(topic) if each.user_id != item.but_user)

    def _devices(self, item: ToUsers) -> Iterable[Socket]:
        for user in item.users:
            for each in self.topics.sockets_of.get(user, ()):
                if item.topic is None or each.only in (None, item.topic):
                    yield each

    def _push(self, sockets: Iterable[Socket], data: bytes) -> None:
        frame = Frame(data)
        for socket in sockets:
            if socket.noted is None:  # its first frame is `ready`
                socket.push(frame)

    # healing

    def _sweep_at_once(self) -> None:
        self._sweep_due.set()

    async def _sweep(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self.settings.sweep_s):
                    await self._sweep_due.wait()
            except TimeoutError:
                pass
            self._sweep_due.clear()
            try:
                await self.sweep()
            except Exception as error:  # without a database nothing is new; the next sweep looks further back
                log.warning("realtime_sweep_failed", error=repr(error))

    async def sweep(self) -> None:
        """Everything made since `window_s` before the last sweep that succeeded, or since then not visible to it, as if just told."""
        seen_until = begun = datetime.now(UTC)
        if self._sockets:
            window = timedelta(seconds=self.settings.window_s)
            unseen_since = await self._reading(self.log.unseen_since()) or begun
            seen_until = min(begun, max(unseen_since, begun - timedelta(seconds=self.settings.stalled_s)))
            since = min(self._seen_until, seen_until) - window
            self.topics.heard(await self._reading(self.log.heads(floor_of(since))))
            self.topics.forget_gone(time.monotonic() - (begun - since + window).total_seconds())
            await self._end_what_has_ended()
        self._seen_until = seen_until

    async def _end_what_has_ended(self) -> None:
        """An end is no entry, and so no head tells of it: the topics that are read here are asked about in turns."""
        if not self._unchecked:
            self._unchecked = list(self.topics.by_id)
        asked, self._unchecked = self._unchecked[:_CHECKED_AT_ONCE], self._unchecked[_CHECKED_AT_ONCE:]
        if asked:
            self.topics.end(await self._reading(self.log.ended(asked)))

    def _is_behind(self, topic: Topic) -> None:
        if not topic.healing:
            topic.healing = True
            asyncio.get_running_loop().call_later(self.settings.patience_s, self._heal_soon, topic)

    def _heal_soon(self, topic: Topic) -> None:
        if topic.is_behind and topic.is_read:
            self._spawn(self._heal(topic))
        else:
            topic.healing = False

    async def _heal(self, topic: Topic) -> None:
        pause = 0.05
        try:
            while topic.is_behind and topic.is_read:
                entries = await self._page(topic.id, topic.given, self.settings.page)
                if entries:
                    FRAMES_HEALED.inc(self.topics.read(topic, entries))
                else:
                    pause = min(2 * pause, 2)
                    await asyncio.sleep(pause)
        finally:
            topic.healing = False

    async def _catch_up(self, follower: Follower) -> None:
        pause, limit = 0.05, 0
        while follower.is_current and await follower.socket.room():
            async with follower.socket.reading:
                limit = await self._read_on(follower, limit or self.settings.page)
            if limit == 0 and follower.is_current:
                pause = min(2 * pause, 2)
                await asyncio.sleep(pause)

    async def _read_on(self, follower: Follower, limit: int) -> int:
        """A page of the log, as far as there is room: nothing of it is kept for later. Answers how much to read next; 0: nothing now."""
        if not (follower.is_current and follower.socket.has_room):  # another one's page has taken it
            return limit
        follower.turn_page()
        try:
            entries = await self._page(follower.topic.id, follower.position, limit)
            if entries is None or not follower.is_current:
                return 0
            given = follower.give_some(entries)
            if given < len(entries) or given == limit:
                return min(2 * given or 1, self.settings.page)
            if follower.reach_end():
                self.topics.followed(follower)
            return 0
        finally:
            follower.passing = None

    async def _page(self, topic_id: UUID, after: int, limit: int) -> Sequence[LogFrame] | None:
        """None where the database does not answer: whoever asks comes again."""
        try:
            return await self._reading(self.log.frames(topic_id, after, limit))
        except Exception as error:
            log.warning("realtime_read_failed", error=repr(error))
            return None

    async def _reading(self, reading: Awaitable[T]) -> T:
        async with self._reads:
            return await reading

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _companion(item: Item) -> UUID | int:
    """What of one topic was committed together goes out together, unless somebody comes or goes with it."""
    return item.topic if isinstance(item, Wake) and not (item.joined or item.left) else id(item)
