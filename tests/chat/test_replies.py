"""Threads: one level, read from the oldest reply on; and what a conversation's row shows of its last message."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from plaza.chat.service import ThreadService
from plaza.chat.service.marks import SavedService
from plaza.core.actor import Actor
from plaza.core.db import Database, PageRequest
from plaza.domain_events.chat import ConversationId, MessageId
from tests.chat.builders import Chat, code_of
from tests.support.stage import Stage
from tests.support.statements import statements


async def replies(
    plaza: Stage, who: Actor, talk: ConversationId, root: MessageId, limit: int = 20, cursor: str | None = None
) -> tuple[list[str], str | None]:
    page = (await plaza[ThreadService].replies(who, talk, root, PageRequest(limit=limit, cursor=cursor))).unwrap()
    return [each.content for each in page.items], page.next_cursor


async def test_replies_come_the_oldest_first_a_page_at_a_time(chat: Chat, plaza: Stage) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    root = await chat.say(ada, talk, "root")
    first = await chat.say(bob, talk, "1", parent=root.id)
    await chat.say(ada, talk, "aside")
    await chat.say(ada, talk, "2", parent=first.id)  # a reply to a reply joins the root
    await chat.say(bob, talk, "3", parent=root.id)
    seen, cursor = await replies(plaza, bob, talk, root.id, limit=2)
    assert seen == ["1", "2"]
    assert cursor is not None
    assert await replies(plaza, bob, talk, root.id, cursor=cursor) == (["3"], None)
    assert await replies(plaza, bob, talk, first.id) == ([], None)
    other = PageRequest(cursor=cursor)
    assert code_of(await plaza[ThreadService].replies(bob, talk, first.id, other)) == "INVALID_CURSOR"


async def test_a_deleted_reply_stays_in_its_place_but_is_not_counted(chat: Chat, plaza: Stage) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    root = await chat.say(ada, talk, "root")
    gone = await chat.say(bob, talk, "oops", parent=root.id)
    await chat.say(bob, talk, "fine", parent=root.id)
    (await chat.delete(bob, gone)).unwrap()
    assert await replies(plaza, ada, talk, root.id) == (["", "fine"], None)
    assert (await chat.messages.get(ada, talk, root.id)).unwrap().reply_count == 1


async def test_replies_show_what_is_personal_and_equal_the_message(chat: Chat, plaza: Stage) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    root = await chat.say(ada, talk, "root")
    reply = await chat.say(bob, talk, "reply", parent=root.id)
    for sign in ("👍", "🎉"):
        (await chat.react(ada, reply, sign)).unwrap()
        plaza.clock.advance(timedelta(seconds=1))
    (await plaza[SavedService].save(ada, talk, reply.id)).unwrap()
    http = await chat.http(ada)
    path = f"/api/v1/chat/conversations/{talk}/messages"
    (shown,) = (await http.get(f"{path}/{root.id}/replies")).json()["items"]
    assert shown == (await http.get(f"{path}/{reply.id}")).json()
    assert (shown["my_reactions"], shown["saved"], shown["parent_id"]) == (["👍", "🎉"], True, str(root.id))
    page = (await plaza[ThreadService].replies(bob, talk, root.id, PageRequest())).unwrap()
    assert [(each.my_reactions, each.saved) for each in page.items] == [([], False)]


async def test_threads_are_for_those_who_take_part(chat: Chat, plaza: Stage) -> None:
    ada, bob, eve = await chat.people("Ada", "Bob", "Eve")
    talk, other = await chat.group(ada, bob), await chat.group(ada)
    root = await chat.say(ada, talk, "root")
    ask = plaza[ThreadService].replies
    assert code_of(await ask(eve, talk, root.id, PageRequest())) == "CONVERSATION_NOT_FOUND"
    assert code_of(await ask(ada, other, root.id, PageRequest())) == "MESSAGE_NOT_FOUND"
    assert code_of(await ask(ada, talk, MessageId(uuid4()), PageRequest())) == "MESSAGE_NOT_FOUND"
    await chat.leave(bob, talk)
    assert code_of(await ask(bob, talk, root.id, PageRequest())) == "NOT_PARTICIPANT"


async def test_a_conversation_shows_its_last_message_as_its_reader_sees_it(chat: Chat, plaza: Stage) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    said = await chat.say(bob, talk, "last")
    (await chat.react(ada, said, "👍")).unwrap()
    (await plaza[SavedService].save(ada, talk, said.id)).unwrap()
    for who, personal in ((ada, (["👍"], True)), (bob, ([], False))):
        last = (await chat.view(who, talk)).last_message
        assert last == (await chat.messages.get(who, talk, said.id)).unwrap()
        assert last is not None
        assert (last.my_reactions, last.saved) == personal


async def test_a_list_of_conversations_takes_as_many_statements_whatever_it_shows(chat: Chat, plaza: Stage) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    with statements(plaza[Database]) as few:
        await chat.conversations.page(ada, PageRequest())
    (await chat.react(ada, await chat.say(bob, talk), "👍")).unwrap()
    for _ in range(5):
        await chat.say(bob, await chat.group(bob, ada))
    with statements(plaza[Database]) as many:
        await chat.conversations.page(ada, PageRequest())
    assert len(few) == len(many) == 2, many
