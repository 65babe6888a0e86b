"""Order, gaps, comings and goings, one decision at a time. What they add up to is in test_model."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from plaza.core.ids import uuid7
from plaza.core.realtime import Head
from plaza.core.realtime.topics import Follower, Topic, Topics
from tests.core.realtime.world import MemoryLog

T, ANN, BEN = uuid7(), uuid7(), uuid7()


class Ear:
    """As much of a Socket as topics look at."""

    def __init__(self, user_id: UUID, only: UUID | None = None) -> None:
        self.user_id, self.only = user_id, only
        self.topics: set[Topic] = set()
        self.noted: dict[UUID, tuple[int, bool]] | None = {}
        self.heard: list[bytes] = []
        self.closed: int | None = None

    def push(self, *frames: Any) -> None:
        self.heard += [frame.data for frame in frames]

    def close(self, code: int, reason: str = "", *, flush: bool = False) -> None:
        self.closed = code

    @property
    def has_room(self) -> bool:
        return True


class House:
    def __init__(self) -> None:
        self.log = MemoryLog()
        self.behind: list[Topic] = []
        self.trailing: list[Follower] = []
        self.topics = Topics(self.behind.append, self.trailing.append, self.log.farewell)

    def ear(self, user_id: UUID, *, only: UUID | None = None, admitted: bool = True) -> Any:
        ear: Any = Ear(user_id, only)
        self.topics.add(ear)
        if admitted:
            self.admit(ear)
        return ear

    def admit(self, ear: Any) -> None:
        members = self.log.members.items()
        self.topics.admit(ear, {topic: self.log.last(topic) for topic, users in members if ear.user_id in users})

    def entry(self, seq: int, topic: UUID = T) -> bytes:
        return self.log.entries[topic][seq - 1][1].frame

    def heads(self, *rows: tuple[int, list[UUID], list[UUID]]) -> None:
        self.topics.heard(
            [Head(topic=T, seq=seq, joined=tuple(joined), left=tuple(left)) for seq, joined, left in rows]
        )


@pytest.fixture
def house() -> House:
    house = House()
    house.log.append(T, joined=[ANN])
    return house


def test_members_of_a_topic_that_nobody_has_written_to_hear_what_passes_there(house: House) -> None:
    empty, left = uuid7(), uuid7()
    ann, ben, bens_other = house.ear(ANN), house.ear(BEN), house.ear(BEN, only=T)
    for _ in range(2):  # said twice, it is heard once
        house.topics.begin(empty, [ANN, BEN])
    assert set(house.topics.listeners(house.topics.by_id[empty])) == {ann, ben}
    first = house.log.append(empty, joined=[ANN, BEN])
    house.topics.arrived(first)
    assert ann.heard == ben.heard == [house.entry(1, empty)]
    assert bens_other.heard == []
    house.topics.arrived(house.log.append(left, joined=[ANN, BEN], left=[BEN]))
    house.topics.begin(left, [ANN, BEN])
    assert set(house.topics.listeners(house.topics.by_id[left])) == {ann}, "word that comes late brings nobody back"


def test_the_next_goes_out_an_old_one_does_not_and_one_that_skips_waits(house: House) -> None:
    ann = house.ear(ANN)
    second, third, fourth = [house.log.append(T) for _ in range(3)]
    house.topics.arrived(second)
    house.topics.arrived(second)
    house.topics.arrived(fourth)
    assert ann.heard == [house.entry(2)]
    assert house.behind[-1].known == 4
    house.topics.arrived(third)
    assert ann.heard == [house.entry(2), house.entry(3), house.entry(4)]


def test_nobody_hears_what_nobody_reads(house: House) -> None:
    house.topics.arrived(house.log.append(T))
    assert house.topics.by_id == {}


def test_a_topic_without_readers_is_forgotten(house: House) -> None:
    ann = house.ear(ANN)
    assert list(house.topics.by_id) == [T]
    house.topics.remove(ann)
    assert house.topics.by_id == {}
    assert house.topics.sockets_of == {}


def test_who_joins_hears_his_joining_first_and_who_leaves_his_farewell_last(house: House) -> None:
    ann, ben = house.ear(ANN), house.ear(BEN)
    house.topics.arrived(house.log.append(T))
    house.topics.arrived(house.log.append(T, joined=[BEN]))
    left = house.log.append(T, left=[BEN])
    house.topics.arrived(left)
    house.topics.arrived(house.log.append(T))
    assert ben.heard == [house.entry(3), house.entry(4), left.then[0]]
    assert len(ann.heard) == 5
    assert ben.topics == set()


def test_the_first_reader_of_a_topic_joins_it_by_a_wake_up(house: House) -> None:
    ben = house.ear(BEN)
    house.topics.arrived(house.log.append(T, joined=[BEN]))
    assert ben.heard == [house.entry(2)]


def test_a_late_joining_does_not_bring_back_who_has_left(house: House) -> None:
    ben = house.ear(BEN)
    joined, left = house.log.append(T, joined=[BEN]), house.log.append(T, left=[BEN])
    house.topics.arrived(joined)
    house.topics.arrived(left)
    heard = list(ben.heard)
    house.topics.arrived(joined)
    house.heads((2, [BEN], []))
    house.ear(ANN)
    house.heads((2, [BEN], []), (3, [], []))
    assert ben.heard == heard
    assert ben.topics == set()
    house.topics.arrived(house.log.append(T, joined=[BEN]))
    assert ben.heard == [*heard, house.entry(4)], "a new joining does"


def test_what_is_forgotten_of_the_gone_is_old(house: House) -> None:
    house.ear(BEN)
    house.topics.arrived(house.log.append(T, joined=[BEN]))
    house.topics.arrived(house.log.append(T, left=[BEN]))
    (at,) = [at for _, at in house.topics.gone.values()]
    house.topics.forget_gone(at)
    assert (T, BEN) in house.topics.gone
    house.topics.forget_gone(at + 0.001)
    assert house.topics.gone == {}


def test_heads_bring_in_who_joined_unnoticed_but_not_who_came_and_went(house: House) -> None:
    ben = house.ear(BEN)
    house.heads((2, [BEN], []), (3, [], [BEN]), (4, [], []))
    assert ben.topics == set()
    house.heads((2, [BEN], []), (3, [], [BEN]), (5, [BEN], []), (6, [], []))
    (topic,) = ben.topics
    assert (topic.given, topic.known) == (4, 6)
    assert house.behind == [topic]


def test_what_is_read_does_not_bring_in_who_came_and_went_with_it(house: House) -> None:
    """Neither where he left with the very entry that brought him in, nor with a later one; whoever was there hears it all."""
    ann, ben = house.ear(ANN), house.ear(BEN)
    (topic,) = ann.topics
    house.log.append(T, joined=[BEN], left=[BEN])
    house.log.append(T, joined=[BEN])
    house.log.append(T, left=[BEN])
    read = [entry for _, entry in house.log.entries[T]]
    house.topics.read(topic, read)
    assert (len(ann.heard), ben.heard) == (5, [])  # with two farewells
    house.log.append(T, joined=[BEN])
    house.log.append(T, left=[ANN])
    house.topics.read(topic, [entry for _, entry in house.log.entries[T]])
    assert (len(ann.heard), len(ben.heard)) == (8, 3)


def test_who_joined_unnoticed_where_others_are_further_reads_what_he_missed(house: House) -> None:
    ben = house.ear(BEN)
    house.log.append(T, joined=[BEN])
    house.log.append(T)
    house.ear(ANN)
    house.heads((2, [BEN], []), (3, [], []))
    (follower,) = house.trailing
    assert (follower.socket, follower.position) == (ben, 1)


def test_what_is_heard_while_the_topics_are_read_counts_by_its_seq(house: House) -> None:
    """Told of his leaving and of his joining in the wrong order: the later seq is right."""
    ben = house.ear(BEN, admitted=False)
    joined, left = house.log.append(T, joined=[BEN]), house.log.append(T, left=[BEN])
    house.topics.arrived(left)
    house.topics.arrived(joined)
    house.topics.admit(ben, {T: 2})
    assert ben.topics == set()


def test_what_was_read_is_newer_than_what_was_heard(house: House) -> None:
    ben = house.ear(BEN, admitted=False)
    house.log.append(T, joined=[BEN])
    house.topics.arrived(house.log.append(T, left=[BEN]))
    house.log.append(T, joined=[BEN])
    house.admit(ben)
    assert {topic.given for topic in ben.topics} == {4}


def test_a_socket_of_one_topic_hears_no_other_and_ends_with_it(house: House) -> None:
    other = uuid7()
    house.log.append(other, joined=[ANN])
    ann = house.ear(ANN, only=T)
    assert list(house.topics.by_id) == [T]
    house.topics.arrived(house.log.append(other))
    house.topics.arrived(house.log.append(T, left=[ANN]))
    assert ann.heard[0] == house.entry(2)
    assert ann.closed == 4003


def test_a_made_up_position_takes_nobody_past_his_leaving(house: House) -> None:
    """He left after his membership was read and before his first socket was there to hear of it."""
    house.log.append(T, joined=[BEN])
    house.ear(ANN)
    left = house.log.append(T, left=[BEN])
    house.topics.arrived(left)
    ben = house.ear(BEN)
    follower = house.topics.resume(ben, T, after=2**47, head=2)
    assert follower is not None
    follower.turn_page()
    follower.give_some([entry for _, entry in house.log.entries[T][follower.position :]])
    assert follower.reach_end()
    house.topics.followed(follower)
    house.topics.arrived(house.log.append(T))
    assert ben.heard == [house.entry(3), left.then[0]]
    assert ben.topics == set()


def test_one_who_has_read_further_hears_only_what_is_new_to_him(house: House) -> None:
    house.ear(ANN)
    house.log.append(T, joined=[BEN])
    second, third = [entry for _, entry in house.log.entries[T][1:]], house.log.append(T)
    ben = house.ear(BEN)
    (topic,) = ben.topics
    assert topic.ahead == {ben: 3}
    house.topics.read(topic, second)
    house.topics.arrived(third)
    assert ben.heard == []
    house.topics.arrived(house.log.append(T))
    assert ben.heard == [house.entry(4)]


def test_a_topic_that_was_given_up_reads_nothing_for_its_successor(house: House) -> None:
    """A page was being read for it when its last reader went and a new one came."""
    first = house.ear(ANN)
    (stale,) = first.topics
    house.topics.remove(first)
    entries = [entry for _, entry in house.log.entries[T]]
    house.log.append(T)
    ann = house.ear(ANN)
    assert house.topics.read(stale, [*entries, house.log.entries[T][1][1]]) == 0
    assert house.topics.by_id[T] is not stale
    assert ann.heard == []


def test_too_many_that_wait_for_a_gap_are_left_to_the_log(house: House) -> None:
    ann = house.ear(ANN)
    wakes = [house.log.append(T) for _ in range(700)]
    for wake in wakes[1:]:
        house.topics.arrived(wake)
    (topic,) = ann.topics
    assert len(topic.held) <= 512
    assert topic.known == 701
    house.topics.read(topic, [entry for _, entry in house.log.entries[T]])
    assert len(ann.heard) == 700
    assert topic.held == {}
