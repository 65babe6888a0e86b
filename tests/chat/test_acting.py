"""Staff who act as a person see what they see, live too; what others see of that person is as if nobody had come."""

from __future__ import annotations

import json

import httpx

from plaza.chat.schemas import MessageView
from plaza.chat.service.deliveries import DeliveryService
from plaza.chat.service.presence import PresenceService
from plaza.chat.service.receipts import ReceiptService
from plaza.core.actor import Actor
from plaza.core.db import PageRequest
from plaza.domain_events.identity import UserId
from plaza.identity import SessionService, TokenService
from plaza.identity.schemas import ReasonInput
from plaza.identity.service import ImpersonationService
from tests.chat.builders import Chat
from tests.chat.lines import dialled, line, settled
from tests.chat.test_stream import streaming
from tests.identity.builders import HERE
from tests.identity.staff import somebody
from tests.support.outside import Socket
from tests.support.stage import Stage


async def acting_as(plaza: Stage, person: Actor) -> str:
    """The access token of staff."""
    helper = await somebody(plaza, "helper", "manager")
    why, whom = ReasonInput(reason="Ticket 4711"), UserId(person.user_id)
    return (await plaza[ImpersonationService].start(helper.actor, whom, why, HERE)).unwrap().access_token


async def told_of(plaza: Stage, asker: Actor, http: httpx.AsyncClient, sent: MessageView) -> list[tuple[str, bool]]:
    """Of everybody else in that conversation their presence, and whether they have got the message."""
    await plaza[PresenceService].settle()
    await plaza[DeliveryService].settle_all()
    page = PageRequest()
    receipts = (await plaza[ReceiptService].page(asker, sent.conversation_id, sent.id, page)).unwrap().items
    presence = (await http.get(f"/api/v1/chat/conversations/{sent.conversation_id}/presence")).json()["items"]
    status = {each["user_id"]: each["status"] for each in presence}
    return [(status[str(each.user_id)], each.delivered) for each in receipts]


async def test_they_hear_by_token_what_the_person_hears_and_leave_no_trace(plaza: Stage, chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    token, bobs = await acting_as(plaza, ada), await chat.http(bob)
    http = plaza.client(token)
    async with dialled(plaza) as connection, streaming(http) as stream:
        acting = Socket(connection)
        await connection.send(json.dumps({"type": "auth", "token": token}))
        await acting.next("ready")
        sent = await chat.say(bob, talk)
        await acting.next("message.new", seq=sent.seq)
        await stream.next("message.new", seq=sent.seq)
        await acting.next("ack", ref=await acting.send("presence.watch", user_ids=[str(bob.user_id)]))
        await http.post("/api/v1/chat/presence/heartbeat")
        assert await told_of(plaza, bob, bobs, sent) == [("offline", False)]
        async with line(plaza, ada):
            seen = await chat.say(bob, talk)
            await acting.next("message.new", seq=seen.seq)
            assert await told_of(plaza, bob, bobs, seen) == [("online", True)]


async def test_a_ticket_is_a_credential_and_theirs_to_end_alone(plaza: Stage, chat: Chat) -> None:
    (ada,) = await chat.people("Ada")
    token = await acting_as(plaza, ada)
    refused = await plaza.client(token).post("/api/v1/auth/ws-ticket")
    assert (refused.status_code, refused.json()["code"]) == (403, "IMPERSONATION_FORBIDDEN")
    async with (
        line(plaza, ada) as own,
        dialled(plaza, additional_headers={"Authorization": f"Bearer {token}"}) as other,
    ):
        acting = Socket(other)
        await acting.next("ready")
        (await plaza[SessionService].logout(await plaza[TokenService].authenticate(token), None)).unwrap()
        assert (await acting.closed())[0] == 4401
        assert [each["type"] for each in await settled(own)] == ["ready", "pong"], "the person is not told"
