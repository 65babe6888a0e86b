"""Who is there, and who may know."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from uuid import UUID

import httpx
import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from plaza.chat.repository.presence import Trace
from plaza.chat.service.presence import PresenceService
from plaza.core.actor import Actor
from plaza.core.ids import uuid7
from tests.chat.builders import Chat
from tests.chat.lines import line, settled
from tests.support.clock import ManualClock
from tests.support.outside import PATIENCE_S
from tests.support.stage import Stage


async def status_of(http: httpx.AsyncClient, person: Actor) -> str:
    answer = await http.get(f"/api/v1/chat/presence/{person.user_id}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["user_id"] == str(person.user_id)
    return str(answer.json()["status"])


async def until(http: httpx.AsyncClient, person: Actor, status: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await status_of(http, person) != status:
            await asyncio.sleep(0.02)


@pytest.fixture
async def pair(chat: Chat) -> tuple[Actor, Actor]:
    """Two who share a conversation."""
    ada, bob = await chat.people("Ada", "Bob")
    await chat.direct(ada, bob)
    return ada, bob


async def test_a_heartbeat_lasts_a_minute(chat: Chat, clock: ManualClock, pair: tuple[Actor, Actor]) -> None:
    ada, bob = pair
    adas, bobs = await chat.http(ada), await chat.http(bob)
    assert await status_of(adas, bob) == "offline"
    assert (await bobs.post("/api/v1/chat/presence/heartbeat")).json()["status"] == "online"
    assert await status_of(adas, bob) == "online"
    clock.advance(timedelta(seconds=59))
    assert await status_of(adas, bob) == "online"
    clock.advance(timedelta(seconds=1))
    answer = (await adas.get(f"/api/v1/chat/presence/{bob.user_id}")).json()
    assert answer["status"] == "offline"
    assert answer["last_seen_at"] is not None


async def test_a_choice_holds_and_hiding_hides_when_one_was_seen(
    chat: Chat, clock: ManualClock, pair: tuple[Actor, Actor]
) -> None:
    ada, bob = pair
    adas, bobs = await chat.http(ada), await chat.http(bob)
    for status in ("away", "dnd", "online"):
        assert (await bobs.post("/api/v1/chat/presence", json={"status": status})).json()["status"] == status
        assert await status_of(adas, bob) == status
    hidden = await bobs.post("/api/v1/chat/presence", json={"status": "invisible"})
    assert hidden.json()["status"] == "invisible"
    before = (await adas.get(f"/api/v1/chat/presence/{bob.user_id}")).json()
    assert before["status"] == "offline"
    clock.advance(timedelta(seconds=30))
    await bobs.post("/api/v1/chat/presence/heartbeat")
    assert (await adas.get(f"/api/v1/chat/presence/{bob.user_id}")).json() == before
    assert await status_of(bobs, bob) == "invisible"
    assert (await bobs.post("/api/v1/chat/presence", json={"status": "asleep"})).status_code == 400


async def test_strangers_look_offline(chat: Chat, pair: tuple[Actor, Actor]) -> None:
    ada, bob = pair
    (eve,) = await chat.people("Eve")
    adas, eves = await chat.http(ada), await chat.http(eve)
    await adas.post("/api/v1/chat/presence/heartbeat")
    unknown = uuid7()
    asked = [str(ada.user_id), str(unknown), str(eve.user_id), str(ada.user_id)]
    answer = (await eves.post("/api/v1/chat/presence/bulk", json={"user_ids": asked})).json()
    assert answer["items"] == [
        {"user_id": str(each), "status": "offline", "last_seen_at": None}
        for each in (ada.user_id, unknown, eve.user_id)
    ]
    bobs = await chat.http(bob)
    items = (await bobs.post("/api/v1/chat/presence/bulk", json={"user_ids": asked})).json()["items"]
    assert [item["status"] for item in items] == ["online", "offline", "offline"]


async def test_when_one_was_here_is_told_to_nobody_where_one_wants_that(
    plaza: Stage, chat: Chat, clock: ManualClock, pair: tuple[Actor, Actor]
) -> None:
    ada, bob = pair
    adas, bobs = await chat.http(ada), await chat.http(bob)
    chosen = await bobs.patch("/api/v1/auth/profile", json={"preferences": {"last_seen": "nobody"}})
    assert chosen.json()["preferences"]["last_seen"] == "nobody"
    own = (await bobs.post("/api/v1/chat/presence/heartbeat")).json()
    assert own["last_seen_at"] is not None
    clock.advance(timedelta(minutes=5))
    seen = [(await http.get(f"/api/v1/chat/presence/{bob.user_id}")).json() for http in (adas, bobs)]
    assert [each["status"] for each in seen] == ["offline", "offline"]
    assert [each["last_seen_at"] for each in seen] == [None, own["last_seen_at"]]
    async with line(plaza, ada) as socket:
        await socket.next("ack", ref=await socket.send("presence.watch", user_ids=[str(bob.user_id)]))
        async with line(plaza, bob):
            assert (await socket.next("presence.changed", status="online"))["last_seen_at"] is None
        assert (await socket.next("presence.changed", status="offline"))["last_seen_at"] is None
    wrong = await bobs.patch("/api/v1/auth/profile", json={"preferences": {"last_seen": "friends"}})
    assert wrong.json()["code"] == "VALIDATION_ERROR"


async def test_the_presence_of_a_conversation(chat: Chat) -> None:
    ada, bob, eve = await chat.people("Ada", "Bob", "Eve")
    team = await chat.group(ada, bob)
    adas = await chat.http(ada)
    await (await chat.http(bob)).post("/api/v1/chat/presence", json={"status": "away"})
    items = (await adas.get(f"/api/v1/chat/conversations/{team}/presence")).json()["items"]
    assert {item["user_id"]: item["status"] for item in items} == {
        str(ada.user_id): "offline",
        str(bob.user_id): "away",
    }
    refused = await (await chat.http(eve)).get(f"/api/v1/chat/conversations/{team}/presence")
    assert (refused.status_code, refused.json()["code"]) == (404, "CONVERSATION_NOT_FOUND")


async def test_a_socket_is_presence(plaza: Stage, chat: Chat, pair: tuple[Actor, Actor]) -> None:
    ada, bob = pair
    adas = await chat.http(ada)
    async with line(plaza, bob), line(plaza, bob) as second:
        await until(adas, bob, "online")
        ref = await second.send("presence.set", status="dnd")
        await second.next("ack", ref=ref)
        assert await status_of(adas, bob) == "dnd"
        await second.connection.close()
        await plaza[PresenceService].settle()
        assert await status_of(adas, bob) == "dnd", "the other device is still here"
    await until(adas, bob, "offline")


async def test_changes_are_told_to_those_who_watch_and_to_nobody_else(
    plaza: Stage, chat: Chat, pair: tuple[Actor, Actor]
) -> None:
    ada, bob = pair
    (eve,) = await chat.people("Eve")
    async with line(plaza, ada) as adas, line(plaza, ada) as idle, line(plaza, eve) as eves:
        for socket in (adas, eves):
            ref = await socket.send("presence.watch", user_ids=[str(bob.user_id)])
            await socket.next("ack", ref=ref)
        async with line(plaza, bob) as bobs:
            changed = await adas.next("presence.changed")
            assert (changed["user_id"], changed["status"]) == (str(bob.user_id), "online")
            assert changed["last_seen_at"] is not None
            await bobs.send("presence.set", status="away")
            assert (await adas.next("presence.changed"))["status"] == "away"
            await bobs.send("presence.set", status="invisible")
            assert (await adas.next("presence.changed"))["status"] == "offline"
            await bobs.send("presence.set", status="online")
            assert (await adas.next("presence.changed"))["status"] == "online"
        assert (await adas.next("presence.changed"))["status"] == "offline"
        for socket in (idle, eves):
            assert not [frame for frame in await settled(socket) if frame["type"] == "presence.changed"]
        ref = await adas.send("presence.watch", user_ids=[])
        await adas.next("ack", ref=ref)
        http = await chat.http(ada)
        async with line(plaza, bob):
            await until(http, bob, "online")
            await plaza[PresenceService].settle()
            frames = await settled(adas)
            assert [frame["status"] for frame in frames if frame["type"] == "presence.changed"][-1] == "offline"


async def test_whoever_comes_while_another_begins_to_watch_is_told_of(
    plaza: Stage, chat: Chat, pair: tuple[Actor, Actor], monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob = pair
    presence, http = plaza[PresenceService], await chat.http(ada)
    read = presence.presences.traces
    is_read, has_come = asyncio.Event(), asyncio.Event()

    async def slowly(user_ids: Sequence[UUID], now: datetime) -> dict[UUID, Trace]:
        found = await read(user_ids, now)
        is_read.set()
        await has_come.wait()
        return found

    async def never() -> None:
        """A heartbeat would find out."""

    monkeypatch.setattr(presence, "beat", never)
    async with line(plaza, ada) as adas:
        with monkeypatch.context() as patched:
            patched.setattr(presence.presences, "traces", slowly)
            ref = await adas.send("presence.watch", user_ids=[str(bob.user_id)])
            await is_read.wait()
        async with line(plaza, bob):
            await until(http, bob, "online")
            await presence.settle()
            has_come.set()
            await adas.next("ack", ref=ref)
            await adas.next("presence.changed", user_id=str(bob.user_id), status="online")
        await adas.next("presence.changed", user_id=str(bob.user_id), status="offline")


async def test_a_page_that_reloads_does_not_blink(plaza: Stage, chat: Chat, pair: tuple[Actor, Actor]) -> None:
    ada, bob = pair
    presence = plaza[PresenceService]
    async with line(plaza, ada) as adas:
        async with line(plaza, bob):
            ref = await adas.send("presence.watch", user_ids=[str(bob.user_id)])
            await adas.next("ack", ref=ref)
            http = await chat.http(ada)
            await until(http, bob, "online")
        async with line(plaza, bob):
            await presence.settle()
            await presence.settle()
            told = [frame["status"] for frame in await settled(adas) if frame["type"] == "presence.changed"]
            assert "offline" not in told


async def test_whoever_stops_beating_goes(
    plaza: Stage, chat: Chat, clock: ManualClock, pair: tuple[Actor, Actor]
) -> None:
    """As after the death of the process that held the sockets: nobody says that they went."""
    ada, bob = pair
    await (await chat.http(bob)).post("/api/v1/chat/presence/heartbeat")
    presence = plaza[PresenceService]
    async with line(plaza, ada) as adas:
        ref = await adas.send("presence.watch", user_ids=[str(bob.user_id)])
        await adas.next("ack", ref=ref)
        clock.advance(timedelta(seconds=61))
        await presence.beat()
        assert (await adas.next("presence.changed"))["status"] == "offline"


async def test_of_a_parting_that_nobody_told_every_watcher_learns_within_a_few_heartbeats(
    plaza: Stage, chat: Chat, pair: tuple[Actor, Actor], monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob = pair
    eve, dan = await chat.people("Eve", "Dan")
    await chat.direct(ada, eve)
    presence = plaza[PresenceService]
    monkeypatch.setattr(presence, "AT_ONCE", 2)
    async with AsyncExitStack() as stack:
        watching = [await stack.enter_async_context(line(plaza, ada)) for _ in range(5)]
        for each in watching:
            ref = await each.send("presence.watch", user_ids=[str(bob.user_id), str(eve.user_id), str(dan.user_id)])
            await each.next("ack", ref=ref)
        async with plaza.runtime.db.engine.begin() as connection:
            gone = text("update chat_participant set left_at = now() where user_id = :user_id")
            await connection.execute(gone, {"user_id": bob.user_id})
        for _ in range(presence.LOOK_AGAIN):
            await presence.beat()
        for who in (bob, eve):
            await stack.enter_async_context(line(plaza, who))
        for each in watching:
            await each.next("presence.changed", user_id=str(eve.user_id), status="online")
            told = [frame["user_id"] for frame in await settled(each) if frame["type"] == "presence.changed"]
            assert set(told) == {str(eve.user_id)}


async def test_without_presence_nothing_is_kept_and_everybody_looks_offline(
    plaza: Stage, chat: Chat, pair: tuple[Actor, Actor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plaza[PresenceService], "is_kept", False)
    ada, bob = pair
    http = await chat.http(ada)
    async with line(plaza, ada) as adas:
        ref = await adas.send("presence.watch", user_ids=[str(bob.user_id)])
        await adas.next("ack", ref=ref)
        async with line(plaza, bob):
            assert (await (await chat.http(bob)).post("/api/v1/chat/presence/heartbeat")).json()["status"] == "offline"
            await plaza[PresenceService].settle()
            assert await status_of(http, bob) == "offline"
            assert not [frame for frame in await settled(adas) if frame["type"] == "presence.changed"]
    assert not await plaza[Redis].keys("plaza:presence:*")
