"""Presence: who is there, as far as the asker may know.

Sockets tell of their coming and going without waiting; once in a while everything that gathered goes to Redis in one pipeline, and
whatever it changed for somebody who watches goes out as a delta. Who shares no conversation with the asker looks offline to him.
"""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from uuid import UUID

import structlog
from msgspec.structs import replace
from redis.asyncio import Redis

from plaza.chat.frames import PresenceChanged
from plaza.chat.repository import ParticipantRepository
from plaza.chat.repository.presence import PresenceRepository, Trace
from plaza.chat.schemas import ChatSettings
from plaza.chat.schemas.presence import PresenceView, Status
from plaza.chat.service.access import ENTRANCE, Entrance
from plaza.chat.service.announcing import PARTED
from plaza.core.actor import Actor
from plaza.core.clock import Clock, spelled_in_full
from plaza.core.db import Database
from plaza.core.errors import Unavailable
from plaza.core.realtime import Close, Frame, Hub, Socket
from plaza.core.result import ServiceResult, success
from plaza.core.service import Service, flow
from plaza.domain_events.chat import ConversationId
from plaza.domain_events.identity import UserId
from plaza.identity import ProfileService

log = structlog.get_logger(__name__)

_HIDDEN = (Status.INVISIBLE, Status.OFFLINE)
_SIGNAL = "presence"
_SOCKET = "socket:"


class PresenceService(Service):
    BEAT_S = 20.0
    GATHER_S = 0.25  # a page that reloads does not blink
    LOOK_AGAIN = 3  # heartbeats within which every socket is asked whether it may still watch whom it watches
    AT_ONCE = 100  # sockets

    def __init__(
        self, db: Database, clock: Clock, redis: Redis, hub: Hub, profiles: ProfileService, settings: ChatSettings
    ) -> None:
        super().__init__(db)
        self.clock, self.hub, self.profiles, self.is_kept = clock, hub, profiles, settings.presence
        self.presences, self.participants = PresenceRepository(db, redis), ParticipantRepository(db)
        self.entrance = Entrance(db)
        self._sockets: set[Socket] = set()
        self._came: set[Socket] = set()
        self._went: set[Socket] = set()
        self._watchers: defaultdict[UUID, set[Socket]] = defaultdict(set)
        self._watched: dict[Socket, frozenset[UUID]] = {}
        self._told: dict[UUID, Status] = {}
        self._changed: set[UUID] = set()
        self._doubted: defaultdict[Socket, set[UUID]] = defaultdict(set)  # whom it may perhaps not watch any longer
        self._due = asyncio.Event()
        hub.on_signal(_SIGNAL, self._heard)
        hub.on_signal(PARTED, self._doubt)

    @flow(Unavailable)
    async def choose(self, actor: Actor, status: Status, device: str | None = None) -> ServiceResult[PresenceView]:
        """Holds until the next choice, for 90 days at most, on all devices; it is a heartbeat as well."""
        await self.presences.choose(actor.user_id, status, self.clock.now())
        return await self.heartbeat(actor, device)

    @flow(Unavailable)
    async def forget(self, user_id: UUID) -> ServiceResult[None]:
        """Of somebody who is gone for good."""
        await self.presences.forget(user_id)
        return success(None)

    @flow(Unavailable)
    async def heartbeat(self, actor: Actor, device: str | None = None) -> ServiceResult[PresenceView]:
        """The device is here for another minute; without a name it is the session. An impersonator is not the person's."""
        if self.is_kept and actor.impersonator_id is None:
            name = device or f"session:{actor.session_id}"
            await self.presences.beat({actor.user_id: [name]}, self.clock.now())
            await self.hub.signal(_SIGNAL, [actor.user_id])
        (view,) = (await self.of(actor, [actor.user_id])).unwrap()
        return success(view)

    @flow(Unavailable)
    async def of(self, actor: Actor, user_ids: Collection[UUID]) -> ServiceResult[list[PresenceView]]:
        """In the order asked for, each once. One's own is told as it was chosen."""
        asked = list(dict.fromkeys(user_ids))
        if not self.is_kept:
            return success([self._view(each, None) for each in asked])
        known = {*await self._known(actor.user_id, asked), actor.user_id}
        traces = await self.presences.traces([each for each in asked if each in known], self.clock.now())
        views = [self._view(each, traces.get(each), own=each == actor.user_id) for each in asked]
        return success(await self._discreet(views, to=actor.user_id))

    @flow(*ENTRANCE, Unavailable)
    async def of_conversation(self, actor: Actor, conversation_id: ConversationId) -> ServiceResult[list[PresenceView]]:
        await self.entrance.check(conversation_id, actor.user_id)
        return await self.of(actor, await self.participants.live_user_ids(conversation_id))

    # sockets

    def came(self, socket: Socket) -> None:
        if not self.is_kept or not socket.is_own:
            return
        self._sockets.add(socket)
        self._came.add(socket)
        self._due.set()

    def went(self, socket: Socket) -> None:
        self._watch_only(socket, frozenset())
        if socket in self._sockets:
            self._sockets.discard(socket)
            self._came.discard(socket)
            self._went.add(socket)
            self._due.set()

    @flow(Unavailable)
    async def watch(self, actor: Actor, socket: Socket, user_ids: Collection[UUID]) -> ServiceResult[None]:
        """The socket hears of changes of these people from now on, and of nobody else's."""
        if not self.is_kept:
            return success(None)
        known = await self._known(actor.user_id, user_ids)
        fresh = [each for each in known if each not in self._told]
        traces = await self.presences.traces(fresh, self.clock.now())
        if not socket.is_closing:
            self._told.update({each: self._view(each, trace).status for each, trace in traces.items()})
            self._watch_only(socket, known)
            self._changed.update(fresh)  # and who came or went meanwhile, before anybody listened
            self._doubt([actor.user_id])  # who parted them while this was read may have said so before it counted
        return success(None)

    async def run(self) -> None:
        """Until cancelled. Without Redis nobody's presence changes."""
        loop = asyncio.get_running_loop()
        beat_at = loop.time() + self.BEAT_S
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(beat_at):
                    await self._due.wait()
                    await asyncio.sleep(self.GATHER_S)
            self._due.clear()
            try:
                if loop.time() < beat_at:
                    await self.settle()
                else:
                    beat_at = loop.time() + self.BEAT_S
                    await self.beat()
            except Unavailable:
                log.warning("presence_not_settled")

    async def beat(self) -> None:
        """Every socket is still here; and of whom they watch, some may have gone without a word. Raises Unavailable."""
        self._came |= self._sockets
        count = math.ceil(len(self._watched) / self.LOOK_AGAIN)
        for socket in islice(self._watched, count):  # in turns: of a parting, too, the word may have been lost
            self._doubted[socket] |= self._watched[socket]
        self._changed |= self._watchers.keys()
        await self.settle()

    async def settle(self) -> None:
        """Tells Redis who came and went, and the watchers what that changed. Raises Unavailable; the next heartbeat makes up for it."""
        came, self._came = self._came, set()
        went, self._went = self._went, set()
        if went:
            await self.presences.drop(_by_user(went))
        alive = await self.presences.beat(_by_user(came), self.clock.now())
        self._close_surplus(alive)
        if moved := {each.user_id for each in came | went}:
            await self.hub.signal(_SIGNAL, moved)
        await self._look_again()
        changed, self._changed = self._changed & self._watchers.keys(), set()
        traces = await self.presences.traces(list(changed), self.clock.now())
        views = [self._view(user_id, trace) for user_id, trace in traces.items()]
        news = [each for each in views if self._told.get(each.user_id) is not each.status]
        try:
            told = await self._discreet(news)
        except Exception as error:
            raise Unavailable(retry_after=1) from error
        for view in told:
            self._tell(view)

    def _close_surplus(self, alive: dict[UUID, list[str]]) -> None:
        """The hub counts the sockets of its own process; these are those of all. The oldest have the smallest ids."""
        for devices in alive.values():
            sockets = sorted(each.removeprefix(_SOCKET) for each in devices if each.startswith(_SOCKET))
            if surplus := sockets[: -self.hub.settings.sockets_per_user]:
                self.hub.close_sockets([UUID(each) for each in surplus], Close.TOO_MANY_SOCKETS)

    def _heard(self, user_ids: Collection[UUID]) -> None:
        if changed := self._watchers.keys() & set(user_ids):
            self._changed |= changed
            self._due.set()

    def _doubt(self, user_ids: Collection[UUID]) -> None:
        """These may see less than before, and be seen by fewer."""
        for user_id in user_ids:
            for socket in self._watchers.get(user_id, ()):
                self._doubted[socket].add(user_id)
            for socket in self.hub.sockets_of(user_id):
                if socket in self._watched:
                    self._doubted[socket] |= self._watched[socket]
        if self._doubted:
            self._due.set()

    async def _look_again(self) -> None:
        """Nobody is told of people whom he may no longer see. Raises Unavailable."""
        while self._doubted:
            asked = [self._doubted.popitem() for _ in range(min(self.AT_ONCE, len(self._doubted)))]
            try:
                pairs = {(socket.user_id, each) for socket, doubted in asked for each in doubted}
                known = await self.presences.acquainted(pairs)
            except Exception as error:
                for socket, doubted in asked:
                    self._doubted[socket] |= doubted
                raise Unavailable(retry_after=1) from error
            for socket, doubted in asked:
                if socket in self._watched:
                    parted = {each for each in doubted if (socket.user_id, each) not in known}
                    self._watch_only(socket, self._watched[socket] - parted)

    async def _known(self, user_id: UUID, others: Collection[UUID]) -> frozenset[UUID]:
        """Those whom this person may see."""
        pairs = await self.presences.acquainted([(user_id, each) for each in others])
        return frozenset(other for _, other in pairs)

    async def _discreet(self, views: Sequence[PresenceView], *, to: UUID | None = None) -> list[PresenceView]:
        """Without the time, but to themselves, of those who keep it to themselves."""
        timed = {each.user_id for each in views if each.last_seen_at is not None and each.user_id != to}
        hidden = (await self.profiles.hide_last_seen(timed)).unwrap() if timed else set()
        return [replace(each, last_seen_at=None) if each.user_id in hidden else each for each in views]

    def _tell(self, view: PresenceView) -> None:
        if view.user_id not in self._watchers:  # nobody looks any more
            return
        self._told[view.user_id] = view.status
        changed = PresenceChanged(user_id=view.user_id, status=view.status, last_seen_at=view.last_seen_at)
        frame = Frame.of(changed)
        for socket in self._watchers.get(view.user_id, ()):
            socket.push(frame)

    def _watch_only(self, socket: Socket, user_ids: frozenset[UUID]) -> None:
        before = self._watched.pop(socket, frozenset())
        if user_ids:
            self._watched[socket] = user_ids
        for user_id in user_ids:
            self._watchers[user_id].add(socket)
        for user_id in before - user_ids:
            self._watchers[user_id].discard(socket)
            if not self._watchers[user_id]:
                del self._watchers[user_id]
                self._told.pop(user_id, None)

    def _view(self, user_id: UUID, trace: Trace | None, *, own: bool = False) -> PresenceView:
        """A hidden one was seen for the last time when he hid."""
        if trace is None:
            return PresenceView(user_id=UserId(user_id), status=Status.OFFLINE, last_seen_at=None)
        chosen, seen_at = trace.chosen, trace.seen_at
        status = chosen.status if chosen is not None else Status.ONLINE
        if not own and chosen is not None and status in _HIDDEN:
            status, seen_at = Status.OFFLINE, None if seen_at is None else min(seen_at, chosen.at)
        if not trace.is_here:
            status = Status.OFFLINE
        seen = None if seen_at is None else spelled_in_full(datetime.fromtimestamp(seen_at, UTC))
        return PresenceView(user_id=UserId(user_id), status=status, last_seen_at=seen)


def device_of(socket: Socket) -> str:
    return f"{_SOCKET}{socket.id}"


def _by_user(sockets: Iterable[Socket]) -> dict[UUID, list[str]]:
    found: defaultdict[UUID, list[str]] = defaultdict(list)
    for socket in sockets:
        found[socket.user_id].append(device_of(socket))
    return found
