"""Whoever must not get in, or is in with somebody from whom a block parts him: for each thing that is tried somebody of their own, and
what they must not see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from plaza.chat import MessageView
from plaza.chat.schemas.blocks import NewBlock
from plaza.chat.schemas.invites import NewInviteLink
from plaza.chat.schemas.marks import DraftText, NewScheduled
from plaza.chat.service.blocks import BlockService
from plaza.chat.service.deliveries import DeliveryService
from plaza.chat.service.invite_links import InviteLinkService
from plaza.chat.service.marks import DraftService, SavedService
from plaza.chat.service.scheduled import ScheduledService
from plaza.core.actor import Actor
from plaza.domain_events.chat import ConversationId
from tests.chat.builders import Chat

SECRET, TITLE = "the secret of the house", "A house with secrets"
KINDS = ("stranger", "removed", "blocked", "blocked in a group", "blocking in a group")


@dataclass
class Outsider:
    """`conversation` is what it is about, `values` fill requests and frames about it, `secrets` must not be in any answer."""

    actor: Actor
    conversation: ConversationId
    values: Mapping[str, Any]
    secrets: tuple[str, ...]


class Cast:
    """Ada owns the group that strangers are kept from and others were removed from, and has blocked those with whom she talked.

    Those in a group with her, each in one of his own, she has blocked or was blocked by; what is tried there is about what she wrote.
    """

    def __init__(self, chat: Chat, kind: str) -> None:
        self.chat, self.stage, self.kind = chat, chat.stage, kind

    async def gather(self, count: int) -> list[Outsider]:
        self.ada, self.joan = await self.chat.people("Ada", "Joan")
        people = await self.chat.people(*(f"P{n}" for n in range(count)))
        if self.kind == "blocked":
            return [await self._blocked(each) for each in people]
        if self.kind.endswith("in a group"):
            return [await self._fellow(each) for each in people]
        removed = people if self.kind == "removed" else []
        group = await self.chat.group(self.ada, self.joan, *removed, title=TITLE)
        secret = await self.chat.say(self.ada, group, SECRET)
        (await self.chat.react(self.ada, secret, "👍")).unwrap()
        link = (await self.stage[InviteLinkService].create(self.ada, group, NewInviteLink())).unwrap()
        for each in removed:
            (await self.stage[SavedService].save(each, group, secret.id)).unwrap()
            (await self.stage[DraftService].put(each, group, DraftText(content=f"{SECRET} indeed"))).unwrap()
            await self.chat.remove(self.ada, group, each)
        # A link lets strangers in whom somebody gave it; these have none.
        values = await self._values(group, secret, link.code if removed else "no-such-code")
        secrets = (SECRET, TITLE, link.code, str(secret.id), str(self.joan.user_id))
        return [Outsider(each, group, values, secrets) for each in people]

    async def _blocked(self, who: Actor) -> Outsider:
        talk = await self.chat.direct(self.ada, who)
        await self.chat.say(self.ada, talk, SECRET)
        own = await self.chat.say(who, talk, "what was mine")
        (await self.chat.react(who, own, "👍")).unwrap()
        await self._block(self.ada, who)
        return Outsider(who, talk, await self._values(talk, own, "no-such-code"), ())

    async def _fellow(self, who: Actor) -> Outsider:
        """Whatever was said has reached him."""
        group = await self.chat.group(self.ada, self.joan, who, title=TITLE)
        hers = await self.chat.say(self.ada, group, SECRET)
        link = (await self.stage[InviteLinkService].create(self.ada, group, NewInviteLink())).unwrap()
        await self._block(*((self.ada, who) if self.kind == "blocked in a group" else (who, self.ada)))
        (await self.stage[DeliveryService].settle({(group, who.user_id): hers.seq})).unwrap()
        return Outsider(who, group, await self._values(group, hers, link.code), ())

    async def _block(self, blocker: Actor, blocked: Actor) -> None:
        (await self.stage[BlockService].block(blocker, NewBlock(user_id=blocked.user_id))).unwrap()

    async def _values(self, conversation: UUID, message: MessageView, code: str) -> dict[str, Any]:
        """By the names of path parameters and fields."""
        later = self.stage.clock.now() + timedelta(days=1)
        new = NewScheduled(conversation_id=conversation, content="later", send_at=later)
        scheduled = (await self.stage[ScheduledService].schedule(self.joan, new)).unwrap() if self._is_group else None
        return {
            "conversation_id": str(conversation),
            "message_id": str(message.id),
            "user_id": str(self.ada.user_id),
            "user_ids": [str(self.ada.user_id)],
            "member_ids": [str(self.ada.user_id)],
            "conversations": [{"id": str(conversation), "after_seq": 0}],
            "id": str(conversation),
            "code": code,
            "scheduled_id": str(scheduled.id if scheduled else uuid4()),
            "report_id": str(uuid4()),
            "emoji": "👍",
            "content": "hello",
            "seq": 1,
            "role": "member",
            "kind": "direct",
            "status": "away",
            "slow_mode_s": 60,
            "send_at": later.isoformat(),
            "reason": "a reason",
            "q": SECRET,
            "is_typing": True,
            "token": "a token",
        }

    @property
    def _is_group(self) -> bool:
        return self.kind != "blocked"
