"""People who want to be asked before they are part of a group."""

from __future__ import annotations

import msgspec
import pytest

from plaza.chat import Kind, NewConversation, NewParticipant
from plaza.chat.schemas import NewOwner, RoleChange
from plaza.chat.schemas.blocks import NewBlock
from plaza.chat.schemas.invites import NewInviteLink
from plaza.chat.service.blocks import BlockService
from plaza.chat.service.invite_links import InviteLinkService
from plaza.chat.service.invites import InviteService
from plaza.core.actor import Actor
from plaza.core.db import PageRequest
from plaza.domain_events.chat import ConversationId
from plaza.domain_events.identity import UserId
from plaza.identity import ProfileService
from plaza.identity.schemas import ProfilePatch
from tests.chat.builders import Chat, code_of
from tests.chat.lines import line, settled
from tests.support.stage import Stage


async def shy(chat: Chat, *people: Actor, wish: str = "ask") -> None:
    for each in people:
        patch = msgspec.convert({"preferences": {"group_invites": wish}}, ProfilePatch)
        (await chat.stage[ProfileService].change_profile(each, patch)).unwrap()


async def invites(chat: Chat, who: Actor) -> list[tuple[ConversationId, str, str]]:
    page = (await chat.stage[InviteService].page(who, PageRequest())).unwrap()
    return [(each.conversation_id, each.title, each.role) for each in page.items]


async def test_whoever_wants_to_be_asked_is_not_simply_added(plaza: Stage, chat: Chat) -> None:
    ada, bob, joan = await chat.people("Ada", "Bob", "Joan")
    await shy(chat, bob)
    team = await chat.group(ada, joan)
    async with line(plaza, bob) as bobs:
        asked = (await chat.participants.add(ada, team, NewParticipant(user_id=bob.user_id, role="admin"))).unwrap()
        await bobs.next("sync", what="invites")
        await chat.say(ada, team, "not for Bob yet")
        assert "message.new" not in [each["type"] for each in await settled(bobs)]
    assert (asked.user_id, asked.joined_at) == (bob.user_id, None)
    assert await invites(chat, bob) == [(team, "Team", "admin")]
    assert set(await chat.roles(ada, team)) == {ada.user_id, joan.user_id}
    assert code_of(await chat.conversations.get(bob, team)) == "CONVERSATION_NOT_FOUND"
    assert (await chat.view(ada, team)).last_seq == 2
    async with line(plaza, bob) as bobs:
        view = (await plaza[InviteService].accept(bob, team)).unwrap()
        await bobs.next("sync", what="invites")
        told = (await bobs.next("message.new"))["message"]["system"]["data"]
        assert told == {"actor_id": str(ada.user_id), "user_id": str(bob.user_id), "role": "admin"}
    assert (view.my.role, view.my.unread, view.participant_count) == ("admin", 0, 3)
    assert await invites(chat, bob) == []
    assert code_of(await plaza[InviteService].accept(bob, team)) == "INVITE_NOT_FOUND"


async def test_a_new_group_asks_as_well(chat: Chat) -> None:
    ada, bob, joan = await chat.people("Ada", "Bob", "Joan")
    await shy(chat, bob)
    new = NewConversation(kind=Kind.GROUP, member_ids=[bob.user_id, joan.user_id], title="Team")
    team = (await chat.conversations.create(ada, new)).unwrap().conversation
    assert team.participant_count == 2
    (first,) = await chat.history(ada, team.id)
    assert first.system is not None
    assert first.system.data["members"] == [str(ada.user_id), str(joan.user_id)]
    assert await invites(chat, bob) == [(team.id, "Team", "member")]
    direct = (
        await chat.conversations.create(ada, NewConversation(kind=Kind.DIRECT, member_ids=[bob.user_id]))
    ).unwrap()
    assert direct.conversation.participant_count == 2, "it is about groups"


async def test_declining_is_not_told(plaza: Stage, chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    await shy(chat, bob)
    team = await chat.group(ada, bob)
    async with line(plaza, ada) as adas:
        (await plaza[InviteService].decline(bob, team)).unwrap()
        assert [each["type"] for each in await settled(adas)] == ["ready", "pong"]
    assert await invites(chat, bob) == []
    for answer in (plaza[InviteService].decline, plaza[InviteService].accept):
        assert code_of(await answer(bob, team)) == "INVITE_NOT_FOUND"
    await chat.add(ada, team, bob)
    assert await invites(chat, bob) == [(team, "Team", "member")], "one may ask again"


async def test_what_makes_a_question_void(chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    await shy(chat, bob)
    by_link, withdrawn, deleted, blocked, added = [await chat.group(ada, bob, title=f"{n}") for n in range(5)]
    assert len(await invites(chat, bob)) == 5
    links = chat.stage[InviteLinkService]
    link = (await links.create(ada, by_link, NewInviteLink())).unwrap()
    (await links.join(bob, link.code)).unwrap()
    (await chat.participants.remove(ada, withdrawn, UserId(bob.user_id))).unwrap()
    assert code_of(await chat.participants.remove(ada, withdrawn, UserId(bob.user_id))) == "PARTICIPANT_NOT_FOUND"
    (await chat.conversations.delete(ada, deleted)).unwrap()
    await shy(chat, bob, wish="everybody")
    await chat.add(ada, added, bob)
    assert [id for id, *_ in await invites(chat, bob)] == [blocked]
    (await chat.stage[BlockService].block(bob, NewBlock(user_id=ada.user_id))).unwrap()
    assert await invites(chat, bob) == []
    for each in (by_link, withdrawn, deleted, blocked, added):
        assert code_of(await chat.stage[InviteService].accept(bob, each)) == "INVITE_NOT_FOUND"


async def test_nobody_comes_in_by_the_word_of_somebody_who_may_not_invite_any_more(plaza: Stage, chat: Chat) -> None:
    ada, grace, ida, bob = await chat.people("Ada", "Grace", "Ida", "Bob")
    await shy(chat, bob)
    removed, demoted, left, handed_over, kept = [
        await chat.group(ada, admins=(grace, ida), title=f"{n}") for n in range(5)
    ]
    for team in (removed, demoted, left):
        (await chat.participants.add(grace, team, NewParticipant(user_id=bob.user_id))).unwrap()
    for team, role in ((handed_over, "admin"), (kept, "member")):
        (await chat.participants.add(ada, team, NewParticipant(user_id=bob.user_id, role=role))).unwrap()
    async with line(plaza, bob) as bobs:
        await chat.remove(ada, removed, grace)
        await bobs.next("sync", what="invites")
    (await chat.participants.change_role(ada, demoted, UserId(grace.user_id), RoleChange(role="member"))).unwrap()
    await chat.leave(grace, left)
    for team in (handed_over, kept):
        (await chat.participants.transfer_ownership(ada, team, NewOwner(user_id=ida.user_id))).unwrap()
    assert await invites(chat, bob) == [(kept, "4", "member")]
    for team in (removed, demoted, left, handed_over):
        assert code_of(await plaza[InviteService].accept(bob, team)) == "INVITE_NOT_FOUND"
    assert (await plaza[InviteService].accept(bob, kept)).unwrap().my.role == "member"


async def test_what_may_keep_one_from_accepting(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = chat.stage[InviteService]
    ada, bob, grace, joan = await chat.people("Ada", "Bob", "Grace", "Joan")
    await shy(chat, bob)
    team = await chat.group(ada, bob, grace)
    assert code_of(await asked.accept(joan, team)) == "INVITE_NOT_FOUND"
    with monkeypatch.context() as patch:
        patch.setattr(asked, "settings", msgspec.structs.replace(asked.settings, max_participants=2))
        assert code_of(await asked.accept(bob, team)) == "GROUP_FULL"
    (await chat.stage[BlockService].block(ada, NewBlock(user_id=bob.user_id))).unwrap()
    assert code_of(await asked.accept(bob, team)) == "BLOCKED"
    assert (await chat.view(ada, team)).participant_count == 2
    assert len(await invites(chat, bob)) == 1, "a refusal changes nothing"


async def test_over_http(chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    one, other = await chat.group(ada, title="One"), await chat.group(ada, title="Other")
    async with await chat.http(ada) as adas, await chat.http(bob) as bobs:
        changed = await bobs.patch("/api/v1/auth/profile", json={"preferences": {"group_invites": "ask"}})
        assert changed.json()["preferences"]["group_invites"] == "ask"
        for team in (one, other):
            body = {"user_id": str(bob.user_id)}
            added = await adas.post(f"/api/v1/chat/conversations/{team}/participants", json=body)
            assert (added.status_code, added.json()["joined_at"]) == (202, None)
        page = (await bobs.get("/api/v1/chat/invites?limit=1")).json()
        rest = (await bobs.get(f"/api/v1/chat/invites?limit=1&cursor={page['next_cursor']}")).json()
        (first,) = page["items"]
        assert {each["title"] for each in page["items"] + rest["items"]} == {"One", "Other"}
        assert (first["invited_by"], first["invited_by_name"]) == (str(ada.user_id), "Ada")
        accepted = await bobs.post(f"/api/v1/chat/invites/{one}/accept")
        assert (accepted.status_code, accepted.json()["id"]) == (200, str(one))
        assert (await bobs.post(f"/api/v1/chat/invites/{other}/decline")).status_code == 204
        again = await bobs.post(f"/api/v1/chat/invites/{other}/accept")
        assert (again.status_code, again.json()["code"]) == (404, "INVITE_NOT_FOUND")
