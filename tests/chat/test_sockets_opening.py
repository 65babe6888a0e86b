"""Who gets a socket, and what ends it."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed

from plaza.chat import ConversationService
from plaza.chat.repository import ParticipantRepository
from plaza.chat.sockets import controller
from plaza.core.ids import uuid7
from plaza.core.realtime import Hub
from plaza.domain_events.identity import SessionId
from plaza.identity import SessionService, TicketService
from tests.chat.builders import Chat
from tests.chat.lines import dialled, line, say, settled, signed_in, ticket_of
from tests.support.outside import PATIENCE_S, Socket
from tests.support.servers import TestServers
from tests.support.stage import Stage


async def refused(stage: Stage, path: str, *, first: str | None = None, **options: object) -> int:
    """The code with which it was closed, without a frame before."""
    async with dialled(stage, path, **options) as connection:
        if first is not None:
            await connection.send(first)
        with pytest.raises(ConnectionClosed) as closed:
            await asyncio.wait_for(connection.recv(), PATIENCE_S)
        assert closed.value.rcvd is not None
        return closed.value.rcvd.code


async def test_a_ticket_opens_one_socket(plaza: Stage, chat: Chat) -> None:
    (ada,) = await chat.people("Ada")
    actor, _ = await signed_in(plaza, ada)
    path = f"/ws?ticket={await ticket_of(plaza, actor)}"
    async with dialled(plaza, path) as connection:
        ready = json.loads(await connection.recv())
        assert ready == {
            "type": "ready",
            "session_id": str(actor.session_id),
            "user_id": str(ada.user_id),
            "heartbeat_s": 25,
        }
        assert await refused(plaza, path) == 4001


@pytest.mark.parametrize("ticket", ["", "nonsense", "%00", "a" * 4000])
async def test_a_bad_ticket_is_accepted_and_closed_without_a_frame(plaza: Stage, ticket: str) -> None:
    assert await refused(plaza, f"/ws?ticket={ticket}") == 4001
    assert await refused(plaza, f"/ws/chat/{uuid7()}?ticket={ticket}") == 4001


async def test_an_authorization_header_opens(plaza: Stage, chat: Chat) -> None:
    (ada,) = await chat.people("Ada")
    _, token = await signed_in(plaza, ada)
    async with dialled(plaza, additional_headers={"Authorization": f"Bearer {token}"}) as connection:
        assert json.loads(await connection.recv())["user_id"] == str(ada.user_id)
    assert await refused(plaza, "/ws", additional_headers={"Authorization": f"Bearer {token}x"}) == 4001


async def test_a_first_frame_opens(plaza: Stage, chat: Chat) -> None:
    (ada,) = await chat.people("Ada")
    _, token = await signed_in(plaza, ada)
    async with dialled(plaza) as connection:
        await connection.send(json.dumps({"type": "auth", "token": token}))
        assert json.loads(await connection.recv())["type"] == "ready"


@pytest.mark.parametrize(
    "first",
    [
        '{"type":"auth","token":"x"}',
        '{"type":"ping"}',
        "nonsense",
        '{"type":"auth"}',
        '{"type":"auth","token":"\\u0000"}',
    ],
)
async def test_any_other_first_frame_closes(plaza: Stage, first: str) -> None:
    assert await refused(plaza, "/ws", first=first) == 4001


async def test_silence_closes(plaza: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller, "AUTH_WITHIN_S", 0.05)
    assert await refused(plaza, "/ws") == 4001


async def test_a_conversation_of_others_is_not_there(plaza: Stage, chat: Chat) -> None:
    ada, bob, eve = await chat.people("Ada", "Bob", "Eve")
    team = await chat.group(ada, bob)
    for path in (f"/ws/chat/{team}", f"/ws/chat/{uuid7()}"):
        actor, _ = await signed_in(plaza, eve)
        assert await refused(plaza, f"{path}?ticket={await ticket_of(plaza, actor)}") == 4004


async def test_a_former_participant_is_told_so(plaza: Stage, chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    team = await chat.group(ada, bob)
    await chat.leave(bob, team)
    actor, _ = await signed_in(plaza, bob)
    assert await refused(plaza, f"/ws/chat/{team}?ticket={await ticket_of(plaza, actor)}") == 4003


@pytest.mark.parametrize(("end", "code"), [("removed", 4003), ("deleted", 4004)])
async def test_whoever_is_out_before_the_socket_is_open_is_told_so(
    plaza: Stage, chat: Chat, monkeypatch: pytest.MonkeyPatch, end: str, code: int
) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    team = await chat.group(ada, bob)
    hub = plaza[Hub]
    opening = hub.open

    async def open_late(socket: Any, ready: bytes) -> None:
        if end == "removed":
            await chat.remove(ada, team, bob)
        else:
            (await plaza[ConversationService].delete(ada, team)).unwrap()
        await opening(socket, ready)

    monkeypatch.setattr(hub, "open", open_late)
    actor, _ = await signed_in(plaza, bob)
    async with dialled(plaza, f"/ws/chat/{team}?ticket={await ticket_of(plaza, actor)}") as connection:
        assert (await Socket(connection).closed())[0] == code


async def test_leaving_ends_the_socket_of_that_conversation(plaza: Stage, chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    team = await chat.group(ada, bob)
    async with line(plaza, bob, f"/ws/chat/{team}") as socket:
        await chat.leave(bob, team)
        assert (await socket.closed())[0] == 4003
        assert socket.seen[-1] == {
            "type": "participant.changed",
            "conversation_id": str(team),
            "user_id": str(bob.user_id),
            "role": None,
        }


async def test_the_eleventh_socket_closes_the_oldest(plaza: Stage, chat: Chat) -> None:
    (ada,) = await chat.people("Ada")
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(line(plaza, ada)) for _ in range(11)]
        assert (await opened[0].closed())[0] == 4009
        for socket in opened[1:]:
            await settled(socket)


async def test_a_session_takes_its_sockets_with_it_and_no_others(plaza: Stage, chat: Chat) -> None:
    (ada,) = await chat.people("Ada")
    ending, _ = await signed_in(plaza, ada)
    async with (
        dialled(plaza, f"/ws?ticket={await ticket_of(plaza, ending)}") as connection,
        line(plaza, ada) as other,
    ):
        socket = Socket(connection)
        await socket.next("ready")
        unused = await ticket_of(plaza, ending)
        assert ending.session_id is not None
        (await plaza[SessionService].end(ending, SessionId(ending.session_id))).unwrap()
        assert (await socket.closed())[0] == 4401
        told = await other.next("session.revoked")
        assert told == {"type": "session.revoked", "session_id": str(ending.session_id)}
        await settled(other)
        assert await refused(plaza, f"/ws?ticket={unused}") == 4001


async def test_msgpack_says_the_same(plaza: Stage, chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    actor, _ = await signed_in(plaza, ada)
    path = f"/ws?ticket={await ticket_of(plaza, actor)}"
    async with line(plaza, bob) as plain, dialled(plaza, path, subprotocols=["plaza.v1.msgpack"]) as packed:
        assert packed.subprotocol == "plaza.v1.msgpack"
        assert unpacked(await packed.recv())["type"] == "ready"
        said = {
            "type": "message.send",
            "ref": 7,
            "conversation_id": str(talk),
            "client_id": str(uuid7()),
            "content": "hi",
        }
        await packed.send(msgspec.msgpack.encode(said))
        frames = [unpacked(await packed.recv()) for _ in range(2)]
        (ack,) = [frame for frame in frames if frame["type"] == "ack"]
        (new,) = [frame for frame in frames if frame["type"] == "message.new"]
        assert ack["ref"] == 7
        assert await plain.next("message.new") == new
        await packed.send("text")
        assert unpacked(await packed.recv())["code"] == "VALIDATION_ERROR"
        await packed.send(msgspec.msgpack.encode({**said, "content": "a\0b"}))
        assert unpacked(await packed.recv())["code"] == "VALIDATION_ERROR"


async def test_an_idle_socket_holds_no_connection_to_the_database(plaza: Stage, chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    async with line(plaza, ada) as socket, line(plaza, bob):
        await say(socket, talk)
        await socket.next("ack")
        db = plaza.runtime.db
        async with asyncio.timeout(PATIENCE_S):
            while db.engine.pool.checkedout() or db.reader.pool.checkedout():  # type: ignore[attr-defined] # a QueuePool
                await asyncio.sleep(0.01)
        assert len(plaza[Hub].topics.sockets_of) == 2


def unpacked(raw: str | bytes) -> Any:
    assert isinstance(raw, bytes)
    return msgspec.msgpack.decode(raw)


async def test_sockets_are_opened_so_often_and_no_more(plaza: Stage, servers: TestServers) -> None:
    async with Stage(
        servers.database_url,
        servers.redis_url,
        worker=False,
        PLAZA_RATE_LIMIT_ENABLED="true",
        PLAZA_CHAT_OPENING="2/day",
        PLAZA_CHAT_OPENING_BY_NETWORK="6/day",
    ) as stage:
        people = await Chat(stage).people("Ada", "Bob")
        for each in (*people, *people):
            async with line(stage, each):
                pass
        actor, _ = await signed_in(stage, people[0])
        assert await refused(stage, f"/ws?ticket={await ticket_of(stage, actor)}") == 4029
        codes = [await refused(stage, "/ws?ticket=nonsense") for _ in range(2)]
        assert codes == [4001, 4029], "the last one is the seventh from here"


async def test_tickets_that_come_in_a_burst_wait_for_their_turn(plaza: Stage, chat: Chat) -> None:
    (ada,) = await chat.people("Ada")
    actor, _ = await signed_in(plaza, ada)
    tickets = plaza[TicketService]
    issued = await asyncio.gather(*(tickets.issue(actor) for _ in range(200)))
    redeemed = await asyncio.gather(*(tickets.redeem(each.unwrap().ticket) for each in issued))
    assert {each.unwrap().user_id for each in redeemed} == {ada.user_id}


async def test_whoever_was_brought_in_again_entered_with_the_last_time(plaza: Stage, chat: Chat) -> None:
    ada, bob, eve = await chat.people("Ada", "Bob", "Eve")
    group, other = await chat.group(ada, bob), await chat.group(ada, eve)
    for _ in range(2):
        await chat.add(ada, group, eve)
        await chat.remove(ada, group, eve)
    await chat.add(ada, group, eve)
    entered = await ParticipantRepository(plaza.runtime.db).entered(eve.user_id, [group, other])
    assert entered == {group: 5}
