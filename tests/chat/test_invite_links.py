"""Invite links: who makes them, whom they let in, and until when."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from plaza.chat.schemas import NewOwner, RoleChange
from plaza.chat.schemas.invites import InviteLinkView, NewInviteLink
from plaza.chat.service.invite_links import InviteLinkService
from plaza.core.actor import Actor
from plaza.core.db import PageRequest
from plaza.core.ratelimit import RateLimits
from plaza.domain_events.chat import ConversationId
from plaza.domain_events.identity import UserId
from tests.chat.builders import Chat, code_of
from tests.chat.lines import line
from tests.support.clock import ManualClock
from tests.support.stage import Stage


async def a_link(chat: Chat, maker: Actor, group: ConversationId, new: NewInviteLink | None = None) -> InviteLinkView:
    return (await chat.stage[InviteLinkService].create(maker, group, new or NewInviteLink())).unwrap()


async def join(chat: Chat, who: Actor, code: str) -> str:
    return code_of(await chat.stage[InviteLinkService].join(who, code))


async def test_whoever_has_the_code_joins(plaza: Stage, chat: Chat) -> None:
    ada, bob, joan = await chat.people("Ada", "Bob", "Joan")
    team = await chat.group(ada, joan)
    await chat.say(ada, team, "before")
    link = await a_link(chat, ada, team)
    assert len(link.code) == 22, "128 bits"
    async with line(plaza, joan) as joans, line(plaza, bob) as bobs:
        view = (await plaza[InviteLinkService].join(bob, link.code)).unwrap()
        for socket in (joans, bobs):
            told = (await socket.next("message.new"))["message"]["system"]
            assert told["event"] == "participant_added"
            assert told["data"] == {"actor_id": str(bob.user_id), "user_id": str(bob.user_id), "role": "member"}
    assert (view.id, view.my.role, view.my.unread, view.participant_count) == (team, "member", 0, 3)
    assert [each.content for each in await chat.history(bob, team)] == ["", "before", ""]
    (listed,) = (await plaza[InviteLinkService].page(ada, team, PageRequest())).unwrap().items
    assert (listed.code, listed.uses) == (link.code, 1)


async def test_who_makes_lists_and_revokes_them(chat: Chat) -> None:
    links = chat.stage[InviteLinkService]
    ada, grace, joan, stranger = await chat.people("Ada", "Grace", "Joan", "Stranger")
    team = await chat.group(ada, joan, admins=(grace,))
    for_admins = await a_link(chat, ada, team, NewInviteLink(role="admin"))
    for_members = await a_link(chat, grace, team)
    refused = [
        await links.create(joan, team, NewInviteLink()),
        await links.create(grace, team, NewInviteLink(role="admin")),
        await links.create(ada, team, NewInviteLink(role="owner")),
        await links.create(ada, team, NewInviteLink(role="king")),
        await links.create(ada, team, NewInviteLink(expires_at=chat.stage.clock.now())),
        await links.create(ada, await chat.direct(ada, joan), NewInviteLink()),
        await links.create(stranger, team, NewInviteLink()),
        await links.page(joan, team, PageRequest()),
        await links.revoke(joan, team, for_members.code),
        await links.revoke(grace, team, for_admins.code),
        await links.revoke(ada, await chat.group(ada), for_members.code),
        await links.revoke(ada, team, "unknown"),
    ]
    assert [code_of(each) for each in refused] == [
        "PERMISSION_DENIED",
        "PERMISSION_DENIED",
        "CANNOT_ADD_OWNER",
        "INVALID_ROLE",
        "VALIDATION_ERROR",
        "NOT_GROUP",
        "CONVERSATION_NOT_FOUND",
        "PERMISSION_DENIED",
        "PERMISSION_DENIED",
        "PERMISSION_DENIED",
        "INVITE_NOT_FOUND",
        "INVITE_NOT_FOUND",
    ]
    page = (await links.page(grace, team, PageRequest())).unwrap()
    assert {each.code for each in page.items} == {for_admins.code, for_members.code}
    assert await join(chat, stranger, for_admins.code) == ""
    assert (await chat.roles(ada, team))[stranger.user_id] == "admin"


async def test_what_does_not_hold_is_not_found(chat: Chat, clock: ManualClock) -> None:
    links = chat.stage[InviteLinkService]
    ada, bob, joan = await chat.people("Ada", "Bob", "Joan")
    team, gone = await chat.group(ada), await chat.group(ada)
    expiring = await a_link(chat, ada, team, NewInviteLink(expires_at=clock.now() + timedelta(hours=1)))
    single = await a_link(chat, ada, team, NewInviteLink(max_uses=1))
    revoked, of_gone = await a_link(chat, ada, team), await a_link(chat, ada, gone)
    (await links.revoke(ada, team, revoked.code)).unwrap()
    assert code_of(await links.revoke(ada, team, revoked.code)) == "INVITE_NOT_FOUND"
    (await chat.conversations.delete(ada, gone)).unwrap()
    assert await join(chat, joan, single.code) == ""
    clock.advance(timedelta(hours=1))
    before = (await chat.view(ada, team)).last_seq
    for code in (expiring.code, single.code, revoked.code, of_gone.code, "unknown", "x" * 300):
        assert await join(chat, bob, code) == "INVITE_NOT_FOUND"
    view = await chat.view(ada, team)
    assert (view.last_seq, view.participant_count) == (before, 2)


async def test_joining_is_for_those_outside_who_were_not_removed(chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    team = await chat.group(ada)
    link = await a_link(chat, ada, team)
    assert await join(chat, bob, link.code) == ""
    assert await join(chat, bob, link.code) == "ALREADY_PARTICIPANT"
    await chat.leave(bob, team)
    assert await join(chat, bob, link.code) == "", "who left by himself may come back"
    await chat.remove(ada, team, bob)
    assert await join(chat, bob, link.code) == "PERMISSION_DENIED"
    await chat.add(ada, team, bob)
    await chat.leave(bob, team)
    assert await join(chat, bob, link.code) == "", "added again, he is as good as anybody"
    (listed,) = (await chat.stage[InviteLinkService].page(ada, team, PageRequest())).unwrap().items
    assert listed.uses == 3


async def test_links_end_with_their_makers_right_to_make_them(chat: Chat) -> None:
    ada, grace, ida, joan, stranger = await chat.people("Ada", "Grace", "Ida", "Joan", "Stranger")
    team = await chat.group(ada, admins=(grace, ida, joan))
    links = {each: await a_link(chat, each, team) for each in (ada, grace, ida, joan)}
    for_admins = await a_link(chat, ada, team, NewInviteLink(role="admin"))
    await chat.remove(ada, team, grace)
    (await chat.participants.change_role(ada, team, UserId(ida.user_id), RoleChange(role="member"))).unwrap()
    await chat.leave(joan, team)
    for each in (grace, ida, joan):
        assert await join(chat, stranger, links[each].code) == "INVITE_NOT_FOUND"
    (await chat.participants.transfer_ownership(ada, team, NewOwner(user_id=ida.user_id))).unwrap()
    assert await join(chat, stranger, for_admins.code) == "INVITE_NOT_FOUND", "an admin makes no admins"
    page = (await chat.stage[InviteLinkService].page(ada, team, PageRequest())).unwrap()
    assert [each.code for each in page.items] == [links[ada].code]
    assert await join(chat, stranger, links[ada].code) == ""


async def test_a_full_group_lets_nobody_in(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    links = chat.stage[InviteLinkService]
    ada, bob, joan = await chat.people("Ada", "Bob", "Joan")
    link = await a_link(chat, ada, await chat.group(ada, joan))
    monkeypatch.setattr(links, "settings", msgspec.structs.replace(links.settings, max_participants=2))
    assert await join(chat, bob, link.code) == "GROUP_FULL"


async def test_codes_are_not_tried_by_the_hundred(plaza: Stage, chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    links = plaza[InviteLinkService]
    (bob,) = await chat.people("Bob")
    limits = RateLimits(plaza[RateLimits].redis, msgspec.structs.replace(plaza[RateLimits].settings, enabled=True))
    monkeypatch.setattr(links, "limits", limits)
    monkeypatch.setattr(links, "settings", msgspec.structs.replace(links.settings, joining="2/day"))
    assert [await join(chat, bob, "guess") for _ in range(3)] == ["INVITE_NOT_FOUND"] * 2 + ["RATE_LIMITED"]


async def test_a_group_has_so_many_links(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    links = chat.stage[InviteLinkService]
    (ada,) = await chat.people("Ada")
    team = await chat.group(ada)
    monkeypatch.setattr(links, "settings", msgspec.structs.replace(links.settings, max_invite_links=1))
    link = await a_link(chat, ada, team)
    assert code_of(await links.create(ada, team, NewInviteLink())) == "TOO_MANY_INVITE_LINKS"
    (await links.revoke(ada, team, link.code)).unwrap()
    await a_link(chat, ada, team)


async def test_over_http(chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    team = await chat.group(ada)
    path = f"/api/v1/chat/conversations/{team}/invite-links"
    async with await chat.http(ada) as adas, await chat.http(bob) as bobs:
        made = [await adas.post(path, json={"max_uses": 3, "role": "member"}) for _ in range(2)]
        assert [each.status_code for each in made] == [201, 201]
        link = made[0].json()
        fields = {"code", "conversation_id", "role", "created_by", "created_at", "expires_at", "max_uses", "uses"}
        assert set(link) == fields
        page = (await adas.get(f"{path}?limit=1")).json()
        rest = (await adas.get(f"{path}?limit=1&cursor={page['next_cursor']}")).json()
        assert {each["code"] for each in page["items"] + rest["items"]} == {each.json()["code"] for each in made}
        joined = await bobs.post(f"/api/v1/chat/invite-links/{link['code']}/join")
        assert (joined.status_code, joined.json()["id"]) == (200, str(team))
        assert (await adas.delete(f"{path}/{link['code']}")).status_code == 204
        assert (await adas.post(path, json={"max_uses": 0})).json()["code"] == "VALIDATION_ERROR"
        unknown = await bobs.post(f"/api/v1/chat/invite-links/{link['code']}/join")
        assert (unknown.status_code, unknown.json()["code"]) == (409, "ALREADY_PARTICIPANT")
