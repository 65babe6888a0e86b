"""What is done to messages after they were sent: who may, what it leaves behind, and that nobody misses it."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from plaza.chat.schemas import NewContent, NewReaction
from plaza.core.db import PageRequest
from plaza.domain_events.chat import MessageId
from tests.chat.builders import Chat, code_of
from tests.chat.lines import line, say, settled
from tests.support.stage import Stage

LOGGED = ("message.new", "message.updated", "message.deleted", "reaction.changed", "pin.changed")


# Edits


async def test_an_edit_takes_the_next_seq_and_keeps_the_earlier_wording(chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.group(ada, bob)
    said = await chat.say(ada, talk, "helo")
    edited = (await chat.edit(ada, said, f"hello <@{bob.user_id}>")).unwrap()
    assert (edited.content, edited.edit_count, edited.seq) == (f"hello <@{bob.user_id}>", 1, said.seq)
    assert edited.edited_at is not None
    assert edited.mentions == [bob.user_id]
    assert await chat.unread(bob) == {talk: (1, 1)}
    (earlier,) = (await chat.editing.history(bob, talk, said.id, PageRequest(limit=10))).unwrap().items
    assert (earlier.number, earlier.content) == (1, "helo")
    last = (await chat.events(bob, talk))[-1]
    assert (last["type"], last["seq"], last["message"]["content"]) == ("message.updated", said.seq + 1, edited.content)
    assert (await chat.say(bob, talk, "next")).seq == said.seq + 2


async def test_saying_the_same_again_is_no_edit(chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    said = await chat.say(ada, talk, "hello")
    assert (await chat.edit(ada, said, "hello")).unwrap() == said
    assert [each["seq"] for each in await chat.events(bob, talk)] == [1]


async def test_a_message_is_edited_by_its_author_for_a_while_and_a_few_times(chat: Chat, plaza: Stage) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.group(ada, bob)
    said = await chat.say(bob, talk, "first")
    assert code_of(await chat.edit(ada, said, "not mine")) == "NOT_AUTHOR"
    assert code_of(await chat.edit(bob, said, "  ")) == "EMPTY_CONTENT"
    assert code_of(await chat.edit(bob, said, "x" * 10_001)) == "CONTENT_TOO_LONG"
    for n in range(10):
        (await chat.edit(bob, said, f"wording {n}")).unwrap()
    assert code_of(await chat.edit(bob, said, "once more")) == "MAX_EDITS_REACHED"
    late = await chat.say(bob, talk, "late")
    plaza.clock.advance(timedelta(seconds=901))
    assert code_of(await chat.edit(bob, late, "too late")) == "EDIT_TIME_EXPIRED"
    (told, *_) = await chat.history(ada, talk)
    assert code_of(await chat.edit(ada, told, "rewritten")) == "SYSTEM_MESSAGE"
    assert (await chat.history(ada, talk))[-1].content == "late"


# Deletions


async def test_a_deleted_message_leaves_a_tombstone_and_nothing_that_it_said(chat: Chat, plaza: Stage) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.group(ada, bob)
    said = await chat.say(bob, talk, f"secret <@{ada.user_id}>")
    (await chat.edit(bob, said, f"another secret <@{ada.user_id}>")).unwrap()
    (await chat.react(ada, said, "👍")).unwrap()
    (await chat.pins.pin(ada, talk, said.id)).unwrap()
    (await chat.delete(bob, said)).unwrap()

    stone = (await chat.history(ada, talk))[-1]
    assert (stone.id, stone.content, stone.mentions, stone.reactions, stone.pinned) == (said.id, "", [], {}, False)
    assert stone.deleted_at is not None
    assert await chat.unread(ada) == {}
    assert (await chat.pins.page(ada, talk, PageRequest())).unwrap().items == []
    assert (await chat.editing.history(ada, talk, said.id, PageRequest())).unwrap().items == []
    feed = await chat.events(ada, talk)
    assert feed[-1] == {
        "type": "message.deleted",
        "conversation_id": str(talk),
        "seq": said.seq + 4,
        "message_id": str(said.id),
    }
    assert "secret" not in str(feed)
    async with plaza.runtime.db.reader.connect() as connection:
        kept = await connection.execute(text("select count(*) from chat_message_edit where content like '%secret%'"))
        assert kept.scalar_one() == 0
    assert code_of(await chat.delete(bob, said)) == "ALREADY_DELETED"
    assert code_of(await chat.edit(bob, said, "back")) == "ALREADY_DELETED"
    assert code_of(await chat.react(ada, said, "👍")) == "ALREADY_DELETED"


async def test_who_may_delete(chat: Chat) -> None:
    ada, bob, joan, grace = await chat.people("Ada", "Bob", "Joan", "Grace")
    team = await chat.group(ada, bob, joan, admins=(grace,))
    assert code_of(await chat.delete(joan, await chat.say(bob, team))) == "PERMISSION_DENIED"
    for who in (ada, grace, bob):
        (await chat.delete(who, await chat.say(bob, team))).unwrap()
    talk = await chat.direct(ada, bob)
    assert code_of(await chat.delete(bob, await chat.say(ada, talk))) == "PERMISSION_DENIED"
    (created, *_) = await chat.history(ada, team)
    assert code_of(await chat.delete(ada, created)) == "SYSTEM_MESSAGE"


async def test_a_deleted_reply_is_not_counted(chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    root = await chat.say(ada, talk, "root")
    reply = await chat.say(bob, talk, "reply", parent=root.id)
    assert (await chat.messages.get(ada, talk, root.id)).unwrap().reply_count == 1
    (await chat.delete(bob, reply)).unwrap()
    assert (await chat.messages.get(ada, talk, root.id)).unwrap().reply_count == 0


async def test_the_same_client_id_gives_the_message_back_as_it_is_now(chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    client_id = uuid4()
    said = await chat.say(ada, talk, "hello", client_id=client_id)
    edited = (await chat.edit(ada, said, "hello again")).unwrap()
    (await chat.react(ada, said, "👍")).unwrap()
    again = await chat.say(ada, talk, "hello", client_id=client_id)
    assert (again.id, again.content, again.my_reactions) == (said.id, edited.content, ["👍"])


# Reactions


async def test_a_reaction_is_counted_once_a_person_and_seen_by_each_as_theirs(chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    said = await chat.say(ada, talk)
    assert [(await chat.react(bob, said, "👍")).unwrap()[1] for _ in range(2)] == [True, False]
    reacted, is_new = (await chat.react(ada, said, "👍")).unwrap()
    assert (reacted.count, is_new) == (2, True)
    (await chat.react(ada, said, "❤")).unwrap()
    (seen,) = await chat.history(ada, talk)
    assert (seen.reactions, sorted(seen.my_reactions)) == ({"👍": 2, "❤️": 1}, ["❤️", "👍"])
    (seen,) = await chat.history(bob, talk)
    assert seen.my_reactions == ["👍"]
    who = (await chat.reactions.page(ada, talk, said.id, PageRequest(limit=2))).unwrap()
    rest = (await chat.reactions.page(ada, talk, said.id, PageRequest(limit=2, cursor=who.next_cursor))).unwrap()
    assert {(each.emoji, each.user_id) for each in (*who.items, *rest.items)} == {
        ("👍", bob.user_id),
        ("👍", ada.user_id),
        ("❤️", ada.user_id),
    }
    assert (len(who.items), len(rest.items), rest.next_cursor) == (2, 1, None)

    (await chat.reactions.remove(bob, talk, said.id, NewReaction(emoji="👍"))).unwrap()
    gone = await chat.reactions.remove(bob, talk, said.id, NewReaction(emoji="👍"))
    assert code_of(gone) == "REACTION_NOT_FOUND"
    toggled = [
        (await chat.reactions.toggle(bob, talk, said.id, NewReaction(emoji="👍"))).unwrap().added for _ in range(2)
    ]
    assert toggled == [True, False]
    feed = [each for each in await chat.events(bob, talk) if each["type"] == "reaction.changed"]
    assert [(each["emoji"], each["added"], each["count"]) for each in feed] == [
        ("👍", True, 1),
        ("👍", True, 2),
        ("❤️", True, 1),
        ("👍", False, 1),
        ("👍", True, 2),
        ("👍", False, 1),
    ]


async def test_a_message_takes_so_many_emoji_and_no_more(chat: Chat) -> None:
    people = await chat.people("Ada", "Bob", "Cy", "Di", "Eve")
    ada = people[0]
    talk = await chat.group(*people)
    said = await chat.say(ada, talk)
    signs = [chr(0x1F600 + n) for n in range(21)]
    for n, sign in enumerate(signs[:20]):
        (await chat.react(people[n // 5], said, sign)).unwrap()
    assert code_of(await chat.react(ada, said, signs[5])) == "MAX_REACTIONS_EXCEEDED", "five of hers stand"
    assert code_of(await chat.react(people[4], said, signs[20])) == "MAX_REACTIONS_EXCEEDED", "twenty stand"
    (await chat.react(people[4], said, signs[0])).unwrap()


@pytest.mark.parametrize("sign", ["", "a", "👍👍", "👍 ", ":thumbsup:", "1", "<b>", "\u200d", "\U0001f1e9"])
async def test_a_reaction_is_one_real_emoji(chat: Chat, sign: str) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    said = await chat.say(ada, await chat.direct(ada, bob))
    assert code_of(await chat.react(bob, said, sign)) == "INVALID_EMOJI"


@pytest.mark.parametrize("sign", ["a", "👍" * 65])
async def test_both_protocols_say_what_is_no_emoji(plaza: Stage, chat: Chat, sign: str) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    said = await chat.say(ada, await chat.direct(ada, bob))
    path = f"/api/v1/chat/conversations/{said.conversation_id}/messages/{said.id}/reactions"
    async with await chat.http(bob) as http:
        answers = [await http.post(place, json={"emoji": sign}) for place in (path, f"{path}/toggle")]
        answers.append(await http.delete(f"{path}/{sign}"))
    assert [(each.status_code, each.json()["code"]) for each in answers] == [(422, "INVALID_EMOJI")] * 3
    async with line(plaza, bob) as bobs:
        ref = await bobs.send("reaction.toggle", message_id=str(said.id), emoji=sign)
        assert (await bobs.next("error", ref=ref))["code"] == "INVALID_EMOJI"


# Pins


async def test_pins_are_listed_latest_first_and_told_once(chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    first, second = [await chat.say(ada, talk, content) for content in ("first", "second")]
    for each in (first, second, first):
        (await chat.pins.pin(bob, talk, each.id)).unwrap()
    page = (await chat.pins.page(ada, talk, PageRequest(limit=1))).unwrap()
    rest = (await chat.pins.page(ada, talk, PageRequest(limit=1, cursor=page.next_cursor))).unwrap()
    assert [each.id for each in (*page.items, *rest.items)] == [second.id, first.id]
    assert all(each.pinned for each in page.items)
    for _ in range(2):
        (await chat.pins.unpin(ada, talk, first.id)).unwrap()
    told = [each for each in await chat.events(ada, talk) if each["type"] == "pin.changed"]
    assert [(each["message_id"], each["pinned"], each["user_id"]) for each in told] == [
        (str(first.id), True, str(bob.user_id)),
        (str(second.id), True, str(bob.user_id)),
        (str(first.id), False, str(ada.user_id)),
    ]


# Who is kept out, and who hears


async def test_strangers_and_former_members_change_nothing(chat: Chat) -> None:
    ada, bob, stranger = await chat.people("Ada", "Bob", "Stranger")
    talk = await chat.group(ada, bob)
    said = await chat.say(bob, talk)
    await chat.remove(ada, talk, bob)
    before = await chat.events(ada, talk)
    for who, code in ((stranger, "CONVERSATION_NOT_FOUND"), (bob, "NOT_PARTICIPANT")):
        refused = [
            await chat.edit(who, said, "changed"),
            await chat.delete(who, said),
            await chat.react(who, said, "👍"),
            await chat.reactions.page(who, talk, said.id, PageRequest()),
            await chat.pins.pin(who, talk, said.id),
            await chat.pins.page(who, talk, PageRequest()),
            await chat.editing.history(who, talk, said.id, PageRequest()),
        ]
        assert [code_of(each) for each in refused] == [code] * len(refused)
    assert await chat.events(ada, talk) == before


async def test_a_message_of_another_conversation_is_not_found_here(chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk, other = await chat.direct(ada, bob), await chat.group(ada, bob)
    said = await chat.say(ada, other)
    elsewhere = await chat.editing.edit(ada, talk, said.id, NewContent(content="moved"))
    assert code_of(elsewhere) == "MESSAGE_NOT_FOUND"
    assert code_of(await chat.pins.pin(ada, talk, MessageId(uuid4()))) == "MESSAGE_NOT_FOUND"


async def test_sockets_hear_every_change_in_order_and_make_them(plaza: Stage, chat: Chat) -> None:
    ada, bob, stranger = await chat.people("Ada", "Bob", "Stranger")
    talk = await chat.direct(ada, bob)
    async with line(plaza, ada) as adas, line(plaza, bob) as bobs, line(plaza, stranger) as others:
        ack = await adas.next("ack", ref=await say(adas, talk, "helo"))
        message_id = ack["message"]["id"]
        edited = await adas.next("ack", ref=await adas.send("message.edit", message_id=message_id, content="hello"))
        assert edited["message"]["content"] == "hello"
        toggled = await bobs.next("ack", ref=await bobs.send("reaction.toggle", message_id=message_id, emoji="👍"))
        assert toggled["added"] is True
        http = await chat.http(bob)
        pinned = await http.post(f"/api/v1/chat/conversations/{talk}/messages/{message_id}/pin")
        assert pinned.status_code == 204
        refused = await others.next("error", ref=await others.send("message.delete", message_id=message_id))
        assert refused["code"] == "MESSAGE_NOT_FOUND"
        refused = await bobs.next("error", ref=await bobs.send("message.delete", message_id=message_id))
        assert refused["code"] == "PERMISSION_DENIED"
        await adas.next("ack", ref=await adas.send("message.delete", message_id=message_id))
        await bobs.next("message.deleted")
        heard = [frame for frame in await settled(bobs) if frame["type"] in LOGGED]
        assert [frame["type"] for frame in heard] == [
            "message.new",
            "message.updated",
            "reaction.changed",
            "pin.changed",
            "message.deleted",
        ]
        assert [frame["seq"] for frame in heard] == [1, 2, 3, 4, 5]
        assert [frame["type"] for frame in await settled(others)] == ["ready", "error", "pong"]


async def test_who_was_away_resumes_through_changes(plaza: Stage, chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    said = await chat.say(ada, talk, "one")
    for n in range(3):
        (await chat.edit(ada, said, f"wording {n}")).unwrap()
        (await chat.react(bob, said, chr(0x1F600 + n))).unwrap()
    async with line(plaza, bob) as bobs:
        await bobs.send("subscribe", conversations=[{"id": str(talk), "after_seq": 2}])
        await bobs.next("subscribed")
        await bobs.next("reaction.changed", seq=7)
        heard = [frame for frame in bobs.seen if frame["type"] in LOGGED]
    feed = await chat.events(bob, talk, after=2)
    assert [each["seq"] for each in feed] == [3, 4, 5, 6, 7]
    assert heard == feed


async def test_over_http(chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    said = await chat.say(ada, talk)
    http = await chat.http(ada)
    path = f"/api/v1/chat/conversations/{talk}/messages/{said.id}"
    assert (await http.patch(path, json={"content": "hi"})).json()["content"] == "hi"
    assert [(await http.post(f"{path}/reactions", json={"emoji": "👍"})).status_code for _ in range(2)] == [201, 200]
    assert (await http.delete(f"{path}/reactions/👍")).status_code == 204
    assert (await http.post(f"{path}/reactions/toggle", json={"emoji": "👍"})).json() == {"added": True}
    assert [each["number"] for each in (await http.get(f"{path}/history")).json()["items"]] == [1]
    assert (await http.post(f"{path}/pin")).status_code == 204
    pinned = (await http.get(f"/api/v1/chat/conversations/{talk}/pins")).json()["items"]
    listed = (await http.get(f"/api/v1/chat/conversations/{talk}/messages")).json()["items"]
    assert pinned == listed, "one message, told the same in every list"
    assert pinned[0]["my_reactions"] == ["👍"]
    assert (await http.delete(path)).status_code == 204
