"""Which socket gets which entry of which topic: order, gaps, comings and goings. Synchronous; what it must read it asks of the hub.

Per topic with readers in this process it keeps `given`, the last seq that went out. The next seq goes out as it came, an old one is
dropped, one that skips waits for those between, which the hub reads from the log. A reader stands to a topic in one of three ways:

    live       gets what goes out
    ahead      has read the log further than `given`: gets what goes out above its own seq, and is live from there
    following  reads the log by itself (resuming), and then becomes one of the others

Membership changes are entries, too: they act at their place in the order. The wake-ups and heads of topics that nobody here reads are
looked at only for who joins.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import TypeAlias
from uuid import UUID

from plaza.core.realtime.frames import Frame
from plaza.core.realtime.log import Head, LogFrame, Wake
from plaza.core.realtime.socket import Close, Socket

Entry: TypeAlias = Wake | LogFrame

_FOR_EVER = 2**63 - 1  # behind the last seq of any log
_HELD = 512  # entries that a topic keeps while it waits for a gap, and a follower while it reads a page


class Topic:
    __slots__ = ("ahead", "followers", "given", "healing", "held", "id", "known", "live")

    def __init__(self, id: UUID, given: int) -> None:
        self.id, self.given = id, given
        self.known = given  # the log goes at least this far
        self.healing = False
        self.held: dict[int, Entry] = {}
        self.live: set[Socket] = set()
        self.ahead: dict[Socket, int] = {}
        self.followers: dict[Socket, Follower] = {}

    @property
    def is_behind(self) -> bool:
        return self.given < self.known

    @property
    def is_read(self) -> bool:
        return bool(self.live or self.ahead or self.followers)

    def readers(self) -> Iterable[Socket]:
        yield from self.live
        yield from self.ahead
        yield from self.followers


class Follower:
    """A socket that reads the log from `position` on, a page at a time.

    `passing` is what goes out to the others while a page is read, so that the end of the log need not be met twice;
    None once that is too much.
    """

    __slots__ = ("_given", "_since", "is_away", "passing", "position", "socket", "topic")

    def __init__(self, socket: Socket, topic: Topic, position: int, since: int) -> None:
        self.socket, self.topic, self.position = socket, topic, position
        self._since = since  # its user was a member then: what the log tells of him up to there is history
        self._given = topic.given
        self.is_away = False
        self.passing: list[Entry] | None = None

    @property
    def is_current(self) -> bool:
        return self.topic.followers.get(self.socket) is self

    def turn_page(self) -> None:
        self.passing, self._given = [], self.topic.given

    def saw(self, entry: Entry) -> None:
        if self.passing is not None:
            self.passing.append(entry)
            if len(self.passing) > _HELD:
                self.passing = None

    def give(self, entry: Entry) -> None:
        """Nothing between its user's leaving and his coming back; a leaving that is history is no farewell."""
        user_id = self.socket.user_id
        if user_id in entry.joined:
            self.is_away = False
        leaves = user_id in entry.left
        is_history = leaves and entry.seq <= self._since
        if not self.is_away:
            self.socket.push(*frames_of(self.topic.id, entry, then=() if is_history else entry.then))
        if leaves and not is_history:
            self.is_away = True
        self.position = entry.seq

    def give_some(self, entries: Sequence[Entry]) -> int:
        """As many as there is room for; answers how many."""
        for given, entry in enumerate(entries):
            if not self.socket.has_room:
                return given
            self.give(entry)
        return len(entries)

    def reach_end(self) -> bool:
        """After a page that was not full. False: more has happened than could be kept, or sent at once; read on."""
        if self.passing is None or self.position < max(self._given, self._since):
            return False
        more = [each for each in self.passing if each.seq > self.position]
        return self.give_some(more) == len(more)


class Topics:
    def __init__(
        self,
        behind: Callable[[Topic], None],
        trails: Callable[[Follower], None],
        farewell: Callable[[UUID, UUID], bytes],
    ) -> None:
        """`behind` is told of a topic whose `known` has passed its `given`, each time; `trails` of a follower that nobody has asked for.

        `farewell` gives what a user hears last of a topic that has ended.
        """
        self.behind, self.trails, self.farewell = behind, trails, farewell
        self.by_id: dict[UUID, Topic] = {}
        self.sockets_of: dict[UUID, list[Socket]] = {}  # per user, the oldest first
        # Who left what at which seq, and when that went out: an old wake-up or head must not bring him back.
        self.gone: dict[tuple[UUID, UUID], tuple[int, float]] = {}

    # sockets

    def add(self, socket: Socket) -> None:
        self.sockets_of.setdefault(socket.user_id, []).append(socket)

    def remove(self, socket: Socket) -> None:
        others = self.sockets_of.get(socket.user_id, [])
        if socket in others:
            others.remove(socket)
            if not others:
                del self.sockets_of[socket.user_id]
        for topic in tuple(socket.topics):
            self.detach(socket, topic)

    def admit(self, socket: Socket, topics: Mapping[UUID, int]) -> None:
        """Attaches a new socket to what its user is a member of, as read from the log, as heard since that reading began."""
        noted, socket.noted = socket.noted or {}, None
        for topic_id, seq in topics.items():
            changed_at, has_joined = noted.get(topic_id, (0, True))
            if has_joined or changed_at <= seq:
                self.attach(socket, topic_id, seq)
        for topic_id, (changed_at, has_joined) in noted.items():
            if has_joined and topic_id not in topics:
                self._knows(self._joined(topic_id, {socket.user_id: changed_at}), changed_at)

    def begin(self, topic_id: UUID, users: Collection[UUID]) -> None:
        """These are members from before its first entry, which would bring them in, too."""
        for user_id in users:
            for socket in self._joining(topic_id, user_id, 1):
                self.attach(socket, topic_id, 0)

    def attach(self, socket: Socket, topic_id: UUID, seq: int) -> None:
        """Everything after `seq`, which its user was a member at. What went out already, leavings among it, is read from the log."""
        if socket.only not in (None, topic_id):
            return
        topic = self.by_id.get(topic_id)
        if topic is None:
            topic = self.by_id[topic_id] = Topic(topic_id, seq)
        socket.topics.add(topic)
        if seq < topic.given:
            self.trails(self.follow(socket, topic_id, after=seq, head=seq))
        elif seq == topic.given:
            topic.live.add(socket)
        else:
            topic.ahead[socket] = seq
            self._knows(topic, seq)

    def end(self, topic_ids: Collection[UUID]) -> None:
        """There will be no more entries, and nothing else. Whoever reads one is told so, and is not brought in again."""
        for topic in filter(None, map(self.by_id.get, topic_ids)):
            listening = set(self.listeners(topic))
            for socket in tuple(topic.readers()):
                if socket in listening:
                    socket.push(Frame(self.farewell(topic.id, socket.user_id)))
                self._remember(topic.id, socket.user_id, _FOR_EVER)
                self.detach(socket, topic)
                if socket.only == topic.id:
                    socket.close(Close.NO_SUCH_TOPIC, flush=True)

    def listeners(self, topic: Topic) -> Iterable[Socket]:
        """Readers who may hear what is no entry: not those who still read up to their leaving."""
        for socket in topic.readers():
            follower = topic.followers.get(socket)
            if follower is None or not (
                follower.is_away or self._is_gone(topic.id, socket.user_id, follower.position + 1)
            ):
                yield socket

    def detach(self, socket: Socket, topic: Topic) -> None:
        self._take_out(socket, topic)
        socket.topics.discard(topic)
        self._forget_unread(topic)

    def resume(self, socket: Socket, topic_id: UUID, *, after: int, head: int) -> Follower | None:
        """A follower where the socket has missed something; else it reads on like the others. `head` as in `follow`.

        Beyond it nothing is skipped, whatever `after` says: its user may have left there.
        """
        after = min(after, head)
        topic = self.by_id.get(topic_id)
        end = head if topic is None else max(head, topic.given)
        if after < end:
            return self.follow(socket, topic_id, after=after, head=head)
        if topic is not None:
            self._take_out(socket, topic)
        self.attach(socket, topic_id, end)
        return None

    def follow(self, socket: Socket, topic_id: UUID, *, after: int, head: int) -> Follower:
        """From now on the socket gets of this topic only what its follower reads. `head` is the topic's last seq, read just now."""
        topic = self.by_id.get(topic_id)
        if topic is None:
            topic = self.by_id[topic_id] = Topic(topic_id, head)
        self._take_out(socket, topic)
        socket.topics.add(topic)
        follower = topic.followers[socket] = Follower(socket, topic, after, head)
        return follower

    def has_left(self, topic_id: UUID, user_id: UUID, since: int) -> bool:
        """Whether he has left after this seq, as far as that went out here."""
        return self._is_gone(topic_id, user_id, since + 1)

    def followed(self, follower: Follower) -> None:
        """It has reached the end of the log: from here on its socket is a reader like the others, or gone."""
        topic, socket = follower.topic, follower.socket
        if follower.is_away:
            self._remember(topic.id, socket.user_id, follower.position)
            self._bid_farewell(socket, topic)
        else:
            del topic.followers[socket]
            self.attach(socket, topic.id, follower.position)

    # what comes in

    def arrived(self, wake: Wake, *more: Wake) -> None:
        """`more` of the same topic, of which nobody came or went with any."""
        self._note(wake.topic, wake)
        topic = self.by_id.get(wake.topic) or self._joined(wake.topic, dict.fromkeys(wake.joined, wake.seq))
        if topic is None:
            return
        for each in (wake, *more):
            if each.seq > topic.given and len(topic.held) < _HELD:
                topic.held[each.seq] = each
        self._give_held(topic)
        self._knows(topic, max(wake.seq, *(each.seq for each in more)) if more else wake.seq)

    def read(self, topic: Topic, entries: Sequence[LogFrame]) -> int:
        """From the log, which is right even where it skips. Answers how many of them nobody had brought."""
        healed = 0
        if self.by_id.get(topic.id) is not topic:
            return healed
        for entry in entries:
            if entry.seq > topic.given:
                for user_id in entry.left:  # came and went, unnoticed here: he is not called back for it
                    self._remember(topic.id, user_id, entry.seq)
        for entry in entries:
            if entry.seq > topic.given:
                healed += entry.seq not in topic.held
                self._give(topic, entry)
        self._give_held(topic)
        return healed

    def heard(self, heads: Sequence[Head]) -> None:
        for topic_id, group in groupby(heads, key=attrgetter("topic")):
            rows = list(group)
            joined: dict[UUID, int] = {}
            for row in rows:
                self._note(topic_id, row)
                joined.update(dict.fromkeys(row.joined, row.seq))
                for user_id in row.left:  # came and went, unnoticed here: he is not called back for it
                    joined.pop(user_id, None)
            self._knows(self._joined(topic_id, joined), rows[-1].seq)

    def forget_gone(self, before: float) -> None:
        """`before` on the monotonic clock: no sweep will look back so far."""
        for key in [key for key, (_, at) in self.gone.items() if at < before]:
            del self.gone[key]

    # how it goes out

    def _joined(self, topic_id: UUID, joined: Mapping[UUID, int]) -> Topic | None:
        """Those who are to become readers, each from his own joining on, and so perhaps the first ones here."""
        for user_id, seq in sorted(joined.items(), key=lambda each: each[1]):
            for socket in self._joining(topic_id, user_id, seq):
                self.attach(socket, topic_id, seq - 1)
        return self.by_id.get(topic_id)

    def _joining(self, topic_id: UUID, user_id: UUID, seq: int) -> Iterable[Socket]:
        """The user's sockets that this joining makes readers: none where he has left since."""
        if not self._is_gone(topic_id, user_id, seq):
            for socket in self.sockets_of.get(user_id, ()):
                if (
                    socket.noted is None
                    and socket.only in (None, topic_id)
                    and self.by_id.get(topic_id) not in socket.topics
                ):
                    yield socket

    def _is_gone(self, topic_id: UUID, user_id: UUID, seq: int) -> bool:
        return seq <= self.gone.get((topic_id, user_id), (0, 0.0))[0]

    def _note(self, topic_id: UUID, change: Entry | Head) -> None:
        for users, has_joined in ((change.joined, True), (change.left, False)):
            for user_id in users:
                for socket in self.sockets_of.get(user_id, ()):
                    if socket.noted is not None and change.seq >= socket.noted.get(topic_id, (0, True))[0]:
                        socket.noted[topic_id] = (change.seq, has_joined)  # who joins and leaves with one entry is gone

    def _knows(self, topic: Topic | None, seq: int) -> None:
        if topic is not None:
            topic.known = max(topic.known, seq)
            if topic.is_behind:
                self.behind(topic)

    def _give_held(self, topic: Topic) -> None:
        plain: list[Entry] = []
        while (entry := topic.held.pop(topic.given + len(plain) + 1, None)) is not None:
            if entry.joined or entry.left or topic.ahead:
                self._give(topic, *plain)
                self._give(topic, entry)
                plain = []
            else:
                plain.append(entry)
        self._give(topic, *plain)
        if topic.held and min(topic.held) <= topic.given:
            topic.held = {seq: entry for seq, entry in topic.held.items() if seq > topic.given}

    def _give(self, topic: Topic, *entries: Entry) -> None:
        """Several at once only where nobody comes or goes with any of them, and nobody is ahead."""
        if not entries:
            return
        entry = entries[-1]
        topic.given = entry.seq
        self.by_id[topic.id] = topic  # with the entry before this one it may have lost its last reader
        for user_id in entry.joined:
            for socket in self._joining(topic.id, user_id, entry.seq):
                self.attach(socket, topic.id, entry.seq)
        frames = tuple(frame for each in entries for frame in frames_of(topic.id, each))
        for socket in topic.live:
            socket.push(*frames)
        if topic.ahead:
            self._give_ahead(topic, entry.seq, frames)
        for follower in topic.followers.values():
            for each in entries:
                follower.saw(each)
        for user_id in entry.left:
            self._remember(topic.id, user_id, entry.seq)
            for socket in tuple(self.sockets_of.get(user_id, ())):
                if socket in topic.live:
                    self._bid_farewell(socket, topic)
        self._forget_unread(topic)

    def _give_ahead(self, topic: Topic, seq: int, frames: tuple[Frame, ...]) -> None:
        for socket, reached in tuple(topic.ahead.items()):
            if seq > reached:
                socket.push(*frames)
            if seq >= reached:
                del topic.ahead[socket]
                topic.live.add(socket)

    def _take_out(self, socket: Socket, topic: Topic) -> None:
        """However it stands to the topic."""
        topic.live.discard(socket)
        topic.ahead.pop(socket, None)
        topic.followers.pop(socket, None)

    def _remember(self, topic_id: UUID, user_id: UUID, seq: int) -> None:
        if user_id in self.sockets_of and not self._is_gone(topic_id, user_id, seq):
            self.gone[topic_id, user_id] = (seq, time.monotonic())

    def _forget_unread(self, topic: Topic) -> None:
        if not topic.is_read and self.by_id.get(topic.id) is topic:
            del self.by_id[topic.id]

    def _bid_farewell(self, socket: Socket, topic: Topic) -> None:
        self.detach(socket, topic)
        if socket.only == topic.id:
            socket.close(Close.FORMER_MEMBER, flush=True)


def frames_of(topic_id: UUID, entry: Entry, *, then: Sequence[bytes] | None = None) -> tuple[Frame, ...]:
    """`then` takes the place of the frames that follow the entry."""
    place, spoken = (topic_id, entry.seq), (entry.frame, *(entry.then if then is None else then))
    return tuple(Frame(data, place, is_whole=n == len(spoken)) for n, data in enumerate(spoken, 1))
