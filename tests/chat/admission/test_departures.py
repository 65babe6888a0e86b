"""Nothing more arrives: after a removal, a departure, a deletion, a block, on whatever somebody has open.

Afterwards everything happens there that there is to tell; then a word is said elsewhere. Once that has arrived, whatever came before it
has arrived, too, and nothing of it may be of where he is no longer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from plaza.chat.schemas import GroupChange, NewOwner
from plaza.chat.schemas.blocks import NewBlock
from plaza.chat.schemas.presence import Status
from plaza.chat.service.blocks import BlockService
from plaza.chat.service.deliveries import DeliveryService
from plaza.chat.service.presence import PresenceService
from plaza.core.actor import Actor
from plaza.core.realtime import Hub
from plaza.domain_events.chat import ConversationId
from tests.chat.builders import Chat
from tests.chat.lines import line, settled
from tests.chat.test_stream import Stream, streaming
from tests.support.outside import Socket
from tests.support.stage import Stage

ELSEWHERE = "elsewhere"


@dataclass
class Devices:
    """Everything that somebody may have open; the last follows the log from its beginning."""

    phone: Socket
    narrow: Socket
    stream: Stream
    resuming: Socket

    async def until_elsewhere(self, conversation: ConversationId) -> list[list[dict[str, Any]]]:
        """What each of them heard of that conversation."""
        seen = []
        for each in (self.phone, self.stream, self.resuming):
            while (await each.next("message.new"))["message"]["content"] != ELSEWHERE:
                pass
            seen.append(each.seen)
        return [[each for each in frames if each.get("conversation_id") == str(conversation)] for frames in seen]


@asynccontextmanager
async def devices(chat: Chat, who: Actor, conversation: ConversationId) -> AsyncIterator[Devices]:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        phone, narrow = (
            await enter(line(chat.stage, who)),
            await enter(line(chat.stage, who, f"/ws/chat/{conversation}")),
        )
        stream = await enter(streaming(await chat.http(who)))
        resuming = await enter(line(chat.stage, who))
        ref = await resuming.send("subscribe", conversations=[{"id": str(conversation), "after_seq": 0}])
        await resuming.next("subscribed", ref=ref)
        yield Devices(phone, narrow, stream, resuming)


async def everything_happens(chat: Chat, owner: Actor, other: Actor, group: ConversationId) -> None:
    async with line(chat.stage, owner) as owners, line(chat.stage, other) as others:
        message = await chat.say(owner, group, "not for everybody")
        (await chat.edit(owner, message, "not for him")).unwrap()
        (await chat.react(other, message, "👍")).unwrap()
        (await chat.pins.pin(other, group, message.id)).unwrap()
        (await chat.pins.unpin(other, group, message.id)).unwrap()
        (await chat.conversations.change(owner, group, GroupChange(title="Anew", slow_mode_s=0))).unwrap()
        for each in (owners, others):
            await each.send("typing", conversation_id=str(group), is_typing=True)
        for each in (owners, others):
            await each.next("typing", conversation_id=str(group))
        await chat.read(other, group, 1_000)
        (await chat.delete(owner, message)).unwrap()
        (await chat.participants.transfer_ownership(owner, group, NewOwner(user_id=other.user_id))).unwrap()
        (await chat.participants.transfer_ownership(other, group, NewOwner(user_id=owner.user_id))).unwrap()
        for each in (owners, others):
            await each.next("message.deleted", conversation_id=str(group))
        await chat.stage[DeliveryService].settle_all()
        for kind in ("read.updated", "delivered.updated", "conversation.updated", "participant.changed", "typing"):
            await owners.heard(kind, conversation_id=str(group))


def is_farewell(frame: dict[str, Any], who: Actor) -> bool:
    return (frame["type"], frame.get("user_id"), frame.get("role")) == ("participant.changed", str(who.user_id), None)


@pytest.mark.parametrize("how", ["removed", "left"])
async def test_whoever_is_out_hears_nothing_more(chat: Chat, how: str) -> None:
    ada, bob, joan = await chat.people("Ada", "Bob", "Joan")
    group, talk = await chat.group(ada, bob, joan), await chat.direct(ada, bob)
    await chat.say(ada, talk, "before")
    async with devices(chat, bob, group) as open_:
        await (chat.remove(ada, group, bob) if how == "removed" else chat.leave(bob, group))
        assert (await open_.narrow.closed())[0] == 4003
        await everything_happens(chat, ada, joan, group)
        await chat.say(ada, talk, ELSEWHERE)
        for frames in await open_.until_elsewhere(group):
            assert is_farewell(frames[-1], bob), frames[-1]
            assert sum(is_farewell(each, bob) for each in frames) == 1
        assert is_farewell(open_.narrow.seen[-1], bob)


async def test_a_direct_conversation_that_is_left_without_a_word(plaza: Stage, chat: Chat) -> None:
    """Both know of it before anything is written. He hears of his leaving once, on what he had open then; she hears all of it."""
    ada, bob = await chat.people("Ada", "Bob")
    elsewhere = await chat.group(ada, bob)
    async with line(plaza, ada) as adas, line(plaza, bob) as bobs:
        talk = await chat.direct(ada, bob)
        await chat.leave(bob, talk)
        async with line(plaza, bob) as later:
            await plaza[Hub].sweep()
            await adas.next("message.new", conversation_id=str(talk), seq=1)
            await bobs.next("participant.changed", conversation_id=str(talk), user_id=str(bob.user_id), role=None)
            await plaza[Hub].sweep()
            await chat.direct(ada, bob)
            for each in (adas, bobs, later):
                await each.next("message.new", conversation_id=str(talk), seq=2)
            await chat.leave(ada, talk)
            await chat.leave(bob, talk)
            await chat.say(ada, elsewhere, ELSEWHERE)
            for each, seqs in ((adas, [1, 2, 3]), (bobs, [1, 2, 3, 4]), (later, [2, 3, 4])):
                await each.next("message.new", conversation_id=str(elsewhere))
                of_it = [frame for frame in each.seen if frame.get("conversation_id") == str(talk)]
                assert [frame["seq"] for frame in of_it if "seq" in frame] == seqs


async def test_of_a_deleted_group_nobody_hears_anything_more(chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    group, talk = await chat.group(ada, bob), await chat.direct(ada, bob)
    await chat.say(ada, talk, "before")
    async with devices(chat, bob, group) as open_, line(chat.stage, ada) as adas:
        (await chat.conversations.delete(ada, group)).unwrap()
        assert (await open_.narrow.closed())[0] == 4004
        await chat.stage[Hub].sweep()  # to which a group so young is still news
        assert group not in chat.stage[Hub].topics.by_id
        await adas.send("typing", conversation_id=str(group), is_typing=True)
        await chat.say(ada, talk, ELSEWHERE)
        for frames in await open_.until_elsewhere(group):
            assert is_farewell(frames[-1], bob), frames[-1]
        assert is_farewell(open_.narrow.seen[-1], bob)


async def test_between_two_who_are_parted_nothing_passes(plaza: Stage, chat: Chat) -> None:
    """Neither that somebody types there, nor what he has read or got, nor that he is here, though it was watched before."""
    ada, bob, joan = await chat.people("Ada", "Bob", "Joan")
    talk, theirs = await chat.direct(ada, bob), await chat.group(joan, ada, bob)
    for sender in (ada, bob):
        await chat.say(sender, talk, "before")
    async with line(plaza, ada) as adas, line(plaza, bob) as bobs, line(plaza, bob) as second:
        for own, other in ((adas, bob), (bobs, ada)):
            await own.next("ack", ref=await own.send("presence.watch", user_ids=[str(other.user_id)]))
        await plaza[PresenceService].settle()
        (await plaza[BlockService].block(ada, NewBlock(user_id=bob.user_id))).unwrap()
        await plaza[DeliveryService].settle_all()
        for each in (adas, bobs):
            await settled(each)
            each.seen.clear()
        for each in (adas, bobs):
            await each.send("typing", conversation_id=str(talk), is_typing=True)
            ref = await each.send("subscribe", conversations=[{"id": str(talk), "after_seq": 0}])
            await each.next("subscribed", ref=ref)
            await each.next("message.new", seq=2)
            await each.next("ack", ref=await each.send("read", conversation_id=str(talk), seq=2))
        await second.next("unread", conversation_id=str(talk))
        await adas.next("ack", ref=await adas.send("presence.set", status="dnd"))
        await plaza[PresenceService].settle()
        await plaza[DeliveryService].settle_all()
        await chat.say(joan, theirs, ELSEWHERE)
        for each in (adas, bobs):
            await each.next("message.new", conversation_id=str(theirs))
            passing = [frame for frame in each.seen if "seq" not in frame and "ref" not in frame]
            told = {frame["type"] for frame in passing if frame.get("conversation_id") != str(theirs)}
            assert told <= {"unread"}, passing


async def test_who_shares_nothing_any_more_is_not_watched_any_more(plaza: Stage, chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    group = await chat.group(ada, bob)
    presence = plaza[PresenceService]
    async with line(plaza, ada) as adas, line(plaza, bob) as bobs:
        await bobs.next("ack", ref=await bobs.send("presence.watch", user_ids=[str(ada.user_id)]))
        await presence.settle()
        await adas.next("ack", ref=await adas.send("presence.set", status="away"))
        await bobs.next("presence.changed", status="away")
        await chat.remove(ada, group, bob)
        await adas.next("ack", ref=await adas.send("presence.set", status="dnd"))
        await presence.settle()
        (await presence.choose(ada, Status.ONLINE)).unwrap()
        await presence.beat()
        told = [each["status"] for each in await settled(bobs) if each["type"] == "presence.changed"]
        assert told[-1] == "away"
