from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from plaza.chat import Kind, NewConversation
from plaza.chat.schemas import (
    Direction,
    GroupChange,
    NewMessage,
    NewOwner,
    NewParticipant,
    RoleChange,
    SeqMarker,
    Span,
)
from plaza.core.actor import Actor
from plaza.core.db import Database, PageRequest
from plaza.domain_events.chat import MessageId
from plaza.domain_events.identity import UserId
from tests.chat.builders import Chat, code_of
from tests.support.clock import ManualClock
from tests.support.stage import Stage
from tests.support.statements import statements


def direct_with(*others: Actor) -> NewConversation:
    return NewConversation(kind=Kind.DIRECT, member_ids=[other.user_id for other in others])


async def test_a_direct_conversation_is_made_once_whoever_asks(chat: Chat) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    first = (await chat.conversations.create(ada, direct_with(grace))).unwrap()
    second = (await chat.conversations.create(grace, direct_with(ada))).unwrap()
    assert (first.is_new, second.is_new) == (True, False)
    assert first.conversation.id == second.conversation.id
    assert (first.conversation.kind, first.conversation.title, first.conversation.participant_count) == (
        "direct",
        None,
        2,
    )
    assert first.conversation.peer is not None
    assert second.conversation.peer is not None
    assert (first.conversation.peer.display_name, second.conversation.peer.display_name) == ("Grace", "Ada")


async def test_a_direct_conversation_that_a_side_left_is_revived_with_its_unread_messages(chat: Chat) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.direct(ada, grace)
    await chat.say(ada, id, "one")
    await chat.read(grace, id, 1)
    await chat.leave(grace, id)
    assert code_of(await chat.conversations.get(grace, id)) == "NOT_PARTICIPANT"
    await chat.say(ada, id, "two")
    again = (await chat.conversations.create(grace, direct_with(ada))).unwrap()
    assert (again.is_new, again.conversation.id, again.conversation.participant_count) == (False, id, 2)
    assert again.conversation.my.unread == 1
    assert await chat.told(grace, id) == ["participant_left", "participant_added"]


async def test_the_one_who_stayed_revives_it_as_well(chat: Chat) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.direct(ada, grace)
    await chat.leave(grace, id)
    assert (await chat.conversations.create(ada, direct_with(grace))).unwrap().conversation.id == id
    assert (await chat.view(grace, id)).participant_count == 2


async def test_once_both_left_a_direct_conversation_is_deleted_and_they_begin_anew(chat: Chat) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.direct(ada, grace)
    await chat.say(ada, id, "one")
    await chat.leave(ada, id)
    await chat.leave(grace, id)
    assert code_of(await chat.conversations.get(ada, id)) == "CONVERSATION_DELETED"
    anew = (await chat.conversations.create(ada, direct_with(grace))).unwrap()
    assert anew.is_new
    assert anew.conversation.id != id
    assert await chat.history(grace, anew.conversation.id) == []
    assert await chat.direct(grace, ada) == anew.conversation.id


async def test_what_a_direct_conversation_needs(chat: Chat) -> None:
    ada, grace, joan = await chat.people("Ada", "Grace", "Joan")
    create = chat.conversations.create
    assert code_of(await create(ada, direct_with(ada))) == "SAME_USER"
    assert code_of(await create(ada, direct_with())) == "VALIDATION_ERROR"
    assert code_of(await create(ada, direct_with(grace, joan))) == "VALIDATION_ERROR"
    titled = NewConversation(kind=Kind.DIRECT, member_ids=[grace.user_id], title="us")
    assert code_of(await create(ada, titled)) == "VALIDATION_ERROR"
    nobody = NewConversation(kind=Kind.DIRECT, member_ids=[uuid4()])
    assert code_of(await create(ada, nobody)) == "USER_NOT_FOUND"
    assert (await chat.conversations.page(ada, PageRequest())).unwrap().items == []


async def test_a_group_has_an_owner_members_and_tells_that_it_was_made(chat: Chat) -> None:
    ada, grace, joan = await chat.people("Ada", "Grace", "Joan")
    member_ids = [grace.user_id, joan.user_id, grace.user_id, ada.user_id]
    new = NewConversation(kind=Kind.GROUP, member_ids=member_ids, title="  Engines  ")
    made = (await chat.conversations.create(ada, new)).unwrap()
    assert (made.is_new, made.conversation.title, made.conversation.participant_count) == (True, "Engines", 3)
    assert made.conversation.peer is None
    assert await chat.roles(grace, made.conversation.id) == {
        ada.user_id: "owner",
        grace.user_id: "member",
        joan.user_id: "member",
    }
    (told,) = await chat.history(grace, made.conversation.id)
    assert (told.type, told.sender_id, told.content, told.seq) == ("system", None, "", 1)
    assert told.system is not None
    assert told.system.event == "group_created"
    assert told.system.data["members"] == [str(each.user_id) for each in (ada, grace, joan)]
    assert await chat.unread(grace) == {}


async def test_what_a_group_needs(chat: Chat) -> None:
    (ada,) = await chat.people("Ada")
    for title in (None, "", "   "):
        new = NewConversation(kind=Kind.GROUP, title=title)
        assert code_of(await chat.conversations.create(ada, new)) == "TITLE_REQUIRED"
    assert (await chat.conversations.create(ada, NewConversation(kind=Kind.GROUP, title="t" * 100))).unwrap().is_new
    long = NewConversation(kind=Kind.GROUP, title="t" * 101)
    assert code_of(await chat.conversations.create(ada, long)) == "VALIDATION_ERROR"
    crowd = NewConversation(kind=Kind.GROUP, title="crowd", member_ids=[uuid4() for _ in range(500)])
    assert code_of(await chat.conversations.create(ada, crowd)) == "GROUP_FULL"
    strangers = NewConversation(kind=Kind.GROUP, title="who", member_ids=[uuid4()])
    assert code_of(await chat.conversations.create(ada, strangers)) == "USER_NOT_FOUND"


async def test_the_list_is_by_last_activity_page_by_page(chat: Chat, clock: ManualClock) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    made = []
    for n in range(5):
        clock.advance(timedelta(seconds=1))
        made.append(await chat.group(ada, grace, title=f"Group {n}"))
    clock.advance(timedelta(seconds=1))
    await chat.say(grace, made[1], "newest")
    wanted = [made[1], made[4], made[3], made[2], made[0]]
    seen, cursor = [], None
    while True:
        page = (await chat.conversations.page(ada, PageRequest(limit=2, cursor=cursor))).unwrap()
        assert len(page.items) <= 2
        seen += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    assert [each.id for each in seen] == wanted
    assert seen[0].last_message is not None
    assert (seen[0].last_message.content, seen[0].my.unread) == ("newest", 1)
    first = (await chat.conversations.page(ada, PageRequest(limit=2))).unwrap()
    stolen = PageRequest(limit=2, cursor=first.next_cursor)
    assert code_of(await chat.conversations.page(grace, stolen)) == "INVALID_CURSOR"


async def test_the_list_is_two_statements_however_long(chat: Chat, plaza: Stage) -> None:
    ada, *others = await chat.people("Ada", *(f"P{n}" for n in range(6)))
    for other in others:
        await chat.say(other, await chat.direct(ada, other))
    with statements(plaza[Database]) as sent:
        page = (await chat.conversations.page(ada, PageRequest())).unwrap()
    assert len(page.items) == 6
    assert len(sent) == 2, sent


async def test_owner_and_admins_rename_a_group(chat: Chat) -> None:
    ada, grace, joan = await chat.people("Ada", "Grace", "Joan")
    id = await chat.group(ada, joan, admins=(grace,))
    rename = chat.conversations.change
    assert (await rename(grace, id, GroupChange(title=" Looms "))).unwrap().title == "Looms"
    assert (await rename(ada, id, GroupChange(title="Looms"))).unwrap().title == "Looms"
    assert await chat.told(joan, id) == ["group_created", "role_changed", "title_changed"]
    assert code_of(await rename(joan, id, GroupChange(title="Mine"))) == "PERMISSION_DENIED"
    assert code_of(await rename(ada, id, GroupChange(title=" "))) == "TITLE_REQUIRED"
    assert code_of(await rename(ada, id, GroupChange(title="t" * 101))) == "VALIDATION_ERROR"
    assert code_of(await rename(ada, await chat.direct(ada, grace), GroupChange(title="Us"))) == "NOT_GROUP"


async def test_the_owner_deletes_a_group_for_everybody(chat: Chat) -> None:
    ada, grace, joan, stranger = await chat.people("Ada", "Grace", "Joan", "Stranger")
    id = await chat.group(ada, joan, admins=(grace,))
    assert code_of(await chat.conversations.delete(grace, id)) == "NOT_OWNER"
    assert code_of(await chat.conversations.delete(ada, await chat.direct(ada, grace))) == "NOT_GROUP"
    assert code_of(await chat.conversations.delete(ada, id)) == ""
    for who in (ada, grace, joan):
        assert code_of(await chat.conversations.get(who, id)) == "CONVERSATION_DELETED"
    assert code_of(await chat.conversations.get(stranger, id)) == "CONVERSATION_NOT_FOUND"
    assert (await chat.conversations.page(joan, PageRequest())).unwrap().items == []


@pytest.mark.parametrize("wanted", ["CONVERSATION_NOT_FOUND", "NOT_PARTICIPANT", "CONVERSATION_DELETED"])
async def test_every_door_is_closed_in_the_same_way(chat: Chat, wanted: str) -> None:
    """To strangers, to former members, and for all once it is deleted."""
    ada, grace, joan = await chat.people("Ada", "Grace", "Joan")
    id = await chat.group(ada, grace)
    said = await chat.say(ada, id)
    if wanted == "NOT_PARTICIPANT":
        await chat.add(ada, id, joan)
        await chat.leave(joan, id)
    if wanted == "CONVERSATION_DELETED":
        await chat.add(ada, id, joan)
        (await chat.conversations.delete(ada, id)).unwrap()
    page, someone = PageRequest(), UserId(grace.user_id)
    answers = [
        await chat.conversations.get(joan, id),
        await chat.conversations.change(joan, id, GroupChange(title="")),
        await chat.conversations.delete(joan, id),
        await chat.participants.page(joan, id, page),
        await chat.participants.add(joan, id, NewParticipant(user_id=uuid4(), role="owner")),
        await chat.participants.change_role(joan, id, someone, RoleChange(role="king")),
        await chat.participants.remove(joan, id, someone),
        await chat.participants.leave(joan, id),
        await chat.participants.transfer_ownership(joan, id, NewOwner(user_id=joan.user_id)),
        await chat.messages.page(joan, id, Span(Direction.NEWER, 0), page),
        await chat.messages.events(joan, id, 0, page),
        await chat.messages.get(joan, id, MessageId(said.id)),
        await chat.messages.post(joan, id, NewMessage(client_id=uuid4(), content="")),
        await chat.reading.read(joan, id, SeqMarker(seq=1)),
        await chat.reading.mark_unread(joan, id, SeqMarker(seq=0)),
    ]
    assert [code_of(each) for each in answers] == [wanted] * len(answers)
