from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import msgspec
import pytest

from plaza.chat.schemas import NewOwner, NewParticipant, RoleChange
from plaza.core.actor import Actor
from plaza.core.db import PageRequest
from plaza.domain_events.identity import UserId
from tests.chat.builders import Chat, code_of
from tests.support.clock import ManualClock


async def test_a_new_participant_sees_what_was_written_and_has_it_read(chat: Chat) -> None:
    ada, grace, joan = await chat.people("Ada", "Grace", "Joan")
    id = await chat.group(ada, grace)
    await chat.say(ada, id, "before")
    view = (await chat.participants.add(ada, id, NewParticipant(user_id=joan.user_id))).unwrap()
    assert (view.display_name, view.role) == ("Joan", "member")
    await chat.say(ada, id, "after")
    assert [each.content for each in await chat.history(joan, id)] == ["", "before", "", "after"]
    assert await chat.unread(joan) == {id: (1, 0)}
    assert (await chat.view(ada, id)).participant_count == 3


async def test_who_adds_whom(chat: Chat) -> None:
    ada, grace, joan, ida = await chat.people("Ada", "Grace", "Joan", "Ida")
    id = await chat.group(ada, joan, admins=(grace,))
    add = chat.participants.add
    assert code_of(await add(joan, id, NewParticipant(user_id=ida.user_id))) == "PERMISSION_DENIED"
    assert code_of(await add(grace, id, NewParticipant(user_id=ida.user_id, role="admin"))) == "PERMISSION_DENIED"
    assert code_of(await add(ada, id, NewParticipant(user_id=ida.user_id, role="owner"))) == "CANNOT_ADD_OWNER"
    assert code_of(await add(ada, id, NewParticipant(user_id=ida.user_id, role="king"))) == "INVALID_ROLE"
    assert code_of(await add(ada, id, NewParticipant(user_id=uuid4()))) == "USER_NOT_FOUND"
    assert code_of(await add(ada, id, NewParticipant(user_id=joan.user_id))) == "ALREADY_PARTICIPANT"
    assert code_of(await add(ada, id, NewParticipant(user_id=ada.user_id))) == "ALREADY_PARTICIPANT"
    assert (await chat.view(ada, id)).last_seq == 2, "a refusal takes no seq"
    assert (await add(grace, id, NewParticipant(user_id=ida.user_id))).unwrap().role == "member"
    direct = await chat.direct(ada, grace)
    assert code_of(await add(ada, direct, NewParticipant(user_id=ida.user_id))) == "NOT_GROUP"


async def test_the_owner_adds_admins(chat: Chat) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.group(ada)
    await chat.add(ada, id, grace, "admin")
    assert await chat.roles(ada, id) == {ada.user_id: "owner", grace.user_id: "admin"}


async def test_a_full_group_takes_nobody_until_somebody_leaves(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, grace, joan = await chat.people("Ada", "Grace", "Joan")
    settings = msgspec.structs.replace(chat.participants.settings, max_participants=2)
    monkeypatch.setattr(chat.participants, "settings", settings)
    id = await chat.group(ada, grace)
    assert code_of(await chat.participants.add(ada, id, NewParticipant(user_id=joan.user_id))) == "GROUP_FULL"
    await chat.leave(grace, id)
    await chat.add(ada, id, joan)


async def test_who_removes_whom(chat: Chat) -> None:
    ada, grace, joan, ida, stranger = await chat.people("Ada", "Grace", "Joan", "Ida", "Stranger")
    id = await chat.group(ada, ida, admins=(grace, joan))

    async def removing(who: Actor, whom: Actor) -> str:
        return code_of(await chat.participants.remove(who, id, UserId(whom.user_id)))

    assert await removing(ida, grace) == "PERMISSION_DENIED"
    assert await removing(grace, joan) == "PERMISSION_DENIED"
    assert await removing(grace, ada) == "CANNOT_REMOVE_OWNER"
    assert await removing(grace, stranger) == "PARTICIPANT_NOT_FOUND"
    for self_remover in (ada, grace, ida):
        assert await removing(self_remover, self_remover) == "CANNOT_REMOVE_SELF"
    assert await removing(grace, ida) == ""
    assert await removing(ada, joan) == ""
    assert set(await chat.roles(ada, id)) == {ada.user_id, grace.user_id}
    assert await removing(ada, ida) == "PARTICIPANT_NOT_FOUND"
    assert (await chat.view(ada, id)).participant_count == 2


async def test_somebody_removed_may_be_added_again(chat: Chat) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.group(ada, grace)
    for _ in range(2):
        await chat.remove(ada, id, grace)
        await chat.add(ada, id, grace)
    assert await chat.told(grace, id) == ["group_created", *["participant_removed", "participant_added"] * 2]


async def test_only_the_owner_changes_roles(chat: Chat) -> None:
    ada, grace, joan, stranger = await chat.people("Ada", "Grace", "Joan", "Stranger")
    id = await chat.group(ada, joan, admins=(grace,))

    async def changing(who: Actor, whom: Actor, role: str | None) -> str:
        return code_of(await chat.participants.change_role(who, id, UserId(whom.user_id), RoleChange(role=role)))

    assert await changing(grace, joan, "admin") == "NOT_OWNER"
    assert await changing(ada, ada, "member") == "CANNOT_CHANGE_OWNER_ROLE"
    assert await changing(ada, stranger, "admin") == "PARTICIPANT_NOT_FOUND"
    for role in ("owner", "king", "", None):
        assert await changing(ada, joan, role) == "INVALID_ROLE"
    before = (await chat.view(ada, id)).last_seq
    assert await changing(ada, joan, "member") == ""
    assert (await chat.view(ada, id)).last_seq == before, "nothing changed, nothing is told"
    assert await changing(ada, joan, "admin") == ""
    assert (await chat.roles(ada, id))[joan.user_id] == "admin"


async def test_ownership_is_handed_on(chat: Chat) -> None:
    ada, grace, stranger = await chat.people("Ada", "Grace", "Stranger")
    id = await chat.group(ada, grace)
    transfer = chat.participants.transfer_ownership
    assert code_of(await transfer(grace, id, NewOwner(user_id=ada.user_id))) == "NOT_OWNER"
    assert code_of(await transfer(ada, id, NewOwner(user_id=ada.user_id))) == "SAME_USER"
    assert code_of(await transfer(ada, id, NewOwner(user_id=stranger.user_id))) == "PARTICIPANT_NOT_FOUND"
    direct = await chat.direct(ada, grace)
    assert code_of(await transfer(ada, direct, NewOwner(user_id=grace.user_id))) == "NOT_GROUP"
    assert (await transfer(ada, id, NewOwner(user_id=grace.user_id))).unwrap().my.role == "admin"
    assert await chat.roles(ada, id) == {ada.user_id: "admin", grace.user_id: "owner"}
    assert await chat.told(ada, id) == ["group_created", "ownership_transferred"]


async def test_an_owner_who_leaves_hands_over_to_the_oldest_admin_else_the_oldest_member(
    chat: Chat, clock: ManualClock
) -> None:
    ada, member, older, younger = await chat.people("Ada", "Member", "Older", "Younger")
    id = await chat.group(ada, member)
    for each in (older, younger):
        clock.advance(timedelta(seconds=1))
        await chat.add(ada, id, each, "admin")
    await chat.leave(ada, id)
    assert (await chat.roles(member, id))[older.user_id] == "owner"
    await chat.leave(older, id)
    assert (await chat.roles(member, id))[younger.user_id] == "owner"
    await chat.leave(younger, id)
    assert await chat.roles(member, id) == {member.user_id: "owner"}
    assert (await chat.told(member, id))[-2:] == ["ownership_transferred", "participant_left"]


async def test_the_last_one_out_deletes_the_group(chat: Chat) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.group(ada, grace)
    await chat.leave(ada, id)
    await chat.leave(grace, id)
    for who in (ada, grace):
        assert code_of(await chat.conversations.get(who, id)) == "CONVERSATION_DELETED"


async def test_participants_are_listed_in_the_order_in_which_they_joined(chat: Chat) -> None:
    ada, grace, joan = await chat.people("Ada", "Grace", "Joan")
    id = await chat.group(ada, grace)
    await chat.add(ada, id, joan)
    names, cursor = [], None
    while True:
        page = (await chat.participants.page(grace, id, PageRequest(limit=2, cursor=cursor))).unwrap()
        names += [each.display_name for each in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert names == ["Ada", "Grace", "Joan"]
    other = await chat.group(ada, grace, joan)
    page = (await chat.participants.page(ada, id, PageRequest(limit=2))).unwrap()
    elsewhere = PageRequest(limit=2, cursor=page.next_cursor)
    assert code_of(await chat.participants.page(ada, other, elsewhere)) == "INVALID_CURSOR"
