"""Every call of a chat app once, as two people would make them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TypeVar

from plaza.client.frames import MessageDeleted, MessageNew, MessageUpdated, PinChanged, ReactionChanged
from tests.client.somebody import Meet, Somebody
from tests.support.stage import Stage

T = TypeVar("T")


async def listed(found: AsyncIterator[T]) -> list[T]:
    return [each async for each in found]


async def test_conversations_and_their_people(ada: Somebody, grace: Somebody, meet: Meet) -> None:
    joan = await meet("joan")
    group = await ada.plaza.conversations.create_group("Engines", [grace.id])
    direct = await ada.plaza.conversations.direct(grace.id)
    assert (await grace.plaza.conversations.direct(ada.id)).id == direct.id
    assert {each.id for each in await listed(ada.plaza.conversations.all())} == {group.id, direct.id}
    changed = await ada.plaza.conversations.change(group.id, title="Looms", posting="admins")
    assert (changed.title, changed.posting, changed.slow_mode_s) == ("Looms", "admins", 0)

    assert (await ada.plaza.participants.add(group.id, joan.id)).role == "member"
    assert (await ada.plaza.participants.change_role(group.id, joan.id, "admin")).role == "admin"
    roles = {each.user_id: each.role for each in await listed(ada.plaza.participants.all(group.id))}
    assert roles == {ada.id: "owner", grace.id: "member", joan.id: "admin"}
    await grace.plaza.conversations.leave(group.id)
    link = await ada.plaza.participants.create_link(group.id, role="admin", max_uses=1)
    joined = await grace.plaza.participants.join(link.code)
    assert (joined.id, joined.my.role) == (group.id, "admin")
    assert [each.code for each in await listed(ada.plaza.participants.links(group.id))] == [link.code]
    await ada.plaza.participants.revoke_link(group.id, link.code)
    await ada.plaza.participants.remove(group.id, grace.id)
    assert await listed(grace.plaza.participants.invites()) == []

    muted = (await joan.plaza.conversations.mute(group.id, notifications="mentions")).my
    assert (muted.muted_until is not None, muted.notifications) == (True, "mentions")
    assert (await joan.plaza.conversations.unmute(group.id)).my.muted_until is None
    assert (await joan.plaza.conversations.archive(group.id)).my.archived_at is not None
    assert (await joan.plaza.conversations.unarchive(group.id)).my.archived_at is None
    assert (await ada.plaza.conversations.transfer_ownership(group.id, joan.id)).my.role == "admin"
    await ada.plaza.conversations.leave(group.id)
    await joan.plaza.conversations.delete(group.id)
    assert [each.id for each in await listed(grace.plaza.conversations.all())] == [direct.id]


async def test_messages_and_what_is_done_to_them(ada: Somebody, grace: Somebody) -> None:
    group = (await ada.plaza.conversations.create_group("Engines", [grace.id])).id
    sent = [await ada.plaza.messages.send(group, f"wheel {n}") for n in range(105)]
    newest = await listed(grace.plaza.messages.before(group))
    assert [each.seq for each in newest] == list(range(sent[-1].seq, 0, -1))
    assert [each.id for each in await listed(grace.plaza.messages.after(group, sent[0].seq - 1))] == [
        each.id for each in sent
    ]
    assert sent[50].seq in [each.seq for each in await grace.plaza.messages.around(group, sent[50].seq, limit=11)]

    first = sent[0]
    reply = await grace.plaza.messages.send(group, "which one?", parent=first.id)
    assert [each.id for each in await listed(ada.plaza.messages.replies(group, first.id))] == [reply.id]
    assert (await ada.plaza.messages.edit(group, first.id, "cog 0")).content == "cog 0"
    assert [each.content for each in await listed(grace.plaza.messages.edits(group, first.id))] == ["wheel 0"]
    assert (await grace.plaza.messages.react(group, first.id, "🦉")).count == 1
    assert [each.user_id for each in await listed(ada.plaza.messages.reactions(group, first.id))] == [grace.id]
    await grace.plaza.messages.unreact(group, first.id, "🦉")
    await ada.plaza.messages.pin(group, first.id)
    assert [each.id for each in await listed(grace.plaza.messages.pins(group))] == [first.id]
    await ada.plaza.messages.unpin(group, first.id)
    await grace.plaza.messages.save(group, first.id)
    assert [each.saved for each in await listed(grace.plaza.messages.saved())] == [True]
    await grace.plaza.messages.unsave(group, first.id)
    assert [each.user_id for each in await listed(ada.plaza.messages.receipts(group, first.id))] == [grace.id]
    assert [each.id for each in await listed(grace.plaza.messages.search("cog", conversation=group))] == [first.id]
    assert (await grace.plaza.messages.report(first.id, "loud")).state == "open"
    await ada.plaza.messages.delete(group, first.id)

    entries = await listed(ada.plaza.messages.events(group))
    kinds = [type(each) for each in entries if not isinstance(each, MessageNew)]
    assert kinds == [MessageUpdated, ReactionChanged, ReactionChanged, PinChanged, PinChanged, MessageDeleted]
    assert [each.seq for each in entries] == list(range(1, len(entries) + 1))


async def test_what_is_read_and_what_is_not_sent_yet(ada: Somebody, grace: Somebody, plaza: Stage) -> None:
    direct = (await ada.plaza.conversations.direct(grace.id)).id
    seqs = [(await ada.plaza.messages.send(direct, f"wheel {n}")).seq for n in range(3)]
    assert (await grace.plaza.conversations.unread()).unread == 3
    assert (await grace.plaza.conversations.mark_read(direct, seqs[1])).unread == 1
    assert (await grace.plaza.conversations.mark_unread(direct, seqs[0])).unread == 2

    assert (await ada.plaza.outgoing.keep_draft(direct, "and th")).content == "and th"
    assert [each.conversation_id for each in await listed(ada.plaza.outgoing.drafts())] == [direct]
    await ada.plaza.outgoing.drop_draft(direct)
    later = await ada.plaza.outgoing.schedule(direct, "good morning", plaza.clock.now() + timedelta(hours=9))
    assert [each.id for each in await listed(ada.plaza.outgoing.scheduled())] == [later.id]
    await ada.plaza.outgoing.cancel(later.id)


async def test_people(ada: Somebody, grace: Somebody) -> None:
    direct = (await ada.plaza.conversations.direct(grace.id)).id
    await grace.plaza.people.heartbeat()
    assert (await grace.plaza.people.show_as("dnd")).status == "dnd"
    assert [each.status for each in await ada.plaza.people.presence(grace.id)] == ["dnd"]
    assert {each.user_id for each in await ada.plaza.conversations.presence(direct)} == {ada.id, grace.id}
    assert (await ada.plaza.people.block(grace.id)).user_id == grace.id
    assert [each.user_id for each in await listed(ada.plaza.people.blocked())] == [grace.id]
    await ada.plaza.people.unblock(grace.id)
    assert (await ada.plaza.people.report(grace.id, "spam")).state == "open"
