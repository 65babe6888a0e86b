"""What nobody should send: an error frame or a documented close, no exception, and the lines of others go on.

A frame is refused for its shape with its ref; what is no frame at all counts, and the third closes the line.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import msgspec
import pytest
import websockets

from plaza.core.actor import Actor
from plaza.core.ratelimit import RateLimits, RateLimitSettings
from plaza.core.realtime import MSGPACK
from plaza.domain_events.chat import ConversationId
from tests.chat.builders import Chat
from tests.chat.lines import dialled, line, say, signed_in, ticket_of
from tests.support.frames import client_frames, sample_frame
from tests.support.hostile import (
    FRAME_BYTES,
    MISSHAPEN,
    NO_FRAMES,
    NO_PACKED_FRAMES,
    SERVER_BYTES,
    wrong_fields,
)
from tests.support.outside import PATIENCE_S, Socket
from tests.support.stage import Stage

NO_UTF8 = b'{"type":"ping","ref":"\xff\xfe"}'


@pytest.fixture
async def talk(plaza: Stage, chat: Chat) -> AsyncIterator[tuple[Actor, ConversationId]]:
    """Somebody, and a conversation in which two others go on talking all the while."""
    ada, bob, mallory = await chat.people("Ada", "Bob", "Mallory")
    group = await chat.group(ada, bob, mallory)
    async with line(plaza, ada) as adas, line(plaza, bob) as bobs:
        yield mallory, group
        ref = await say(adas, group, "undisturbed")
        await adas.next("ack", ref=ref)
        while (await bobs.next("message.new"))["message"]["content"] != "undisturbed":
            pass


def values_of(conversation: ConversationId) -> dict[str, Any]:
    """Of frames that are in order, about what is there and what is not."""
    return {
        "conversation_id": str(conversation),
        "conversations": [{"id": str(conversation)}],
        "message_id": str(uuid4()),
        "user_ids": [str(uuid4())],
        "emoji": "👍",
        "content": "hello",
        "seq": 1,
        "status": "online",
    }


class Line(Socket):
    """In either protocol."""

    async def say(self, frame: dict[str, Any]) -> None:
        packed = self.connection.subprotocol == MSGPACK
        await self.connection.send(msgspec.msgpack.encode(frame) if packed else json.dumps(frame))

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            raw = await self.connection.recv()
        heard: dict[str, Any] = msgspec.msgpack.decode(raw) if isinstance(raw, bytes) else json.loads(raw)
        return heard

    async def answer(self) -> dict[str, Any]:
        """The next frame that answers."""
        while "ref" not in (heard := await self.hear()):
            pass
        return heard

    async def is_open(self) -> bool:
        await self.say({"type": "ping", "ref": "still there?"})
        while (heard := await self.answer()) != {"type": "pong", "ref": "still there?"}:
            assert heard["type"] in ("ack", "error", "subscribed"), heard
        return True


@asynccontextmanager
async def opened(plaza: Stage, who: Actor, *, binary: bool = False) -> AsyncIterator[Line]:
    options = {"subprotocols": [MSGPACK]} if binary else {}
    actor, _ = await signed_in(plaza, who)
    async with dialled(plaza, f"/ws?ticket={await ticket_of(plaza, actor)}", **options) as connection:
        own = Line(connection)
        assert (await own.hear())["type"] == "ready"
        yield own


def refused(ref: str | int | None) -> dict[str, Any]:
    return {"type": "error", "ref": ref, "code": "VALIDATION_ERROR"}


def without_message(frame: dict[str, Any]) -> dict[str, Any]:
    assert frame.pop("message")
    return frame


@pytest.mark.parametrize("binary", [False, True], ids=["json", "msgpack"])
async def test_every_field_of_every_frame(plaza: Stage, talk: tuple[Actor, ConversationId], binary: bool) -> None:
    who, group = talk
    async with opened(plaza, who, binary=binary) as own:
        tried = 0
        for frame in wrong_fields(values_of(group)):
            try:
                await own.say(frame)
            except OverflowError:  # msgpack has no such integers
                continue
            tried += 1
            ref = frame.get("ref")
            known = ref if isinstance(ref, str | int) and not isinstance(ref, bool) else None
            assert without_message(await own.answer()) == refused(known), frame
        assert tried > 10 * len(client_frames())
        assert await own.is_open()


@pytest.mark.parametrize("raw", NO_FRAMES, ids=range(len(NO_FRAMES)))
async def test_what_is_no_frame(plaza: Stage, talk: tuple[Actor, ConversationId], raw: str) -> None:
    await is_no_frame(plaza, talk[0], raw, binary=False)


@pytest.mark.parametrize("raw", NO_PACKED_FRAMES, ids=range(len(NO_PACKED_FRAMES)))
async def test_what_is_no_packed_frame(plaza: Stage, talk: tuple[Actor, ConversationId], raw: bytes) -> None:
    await is_no_frame(plaza, talk[0], raw, binary=True)


async def is_no_frame(plaza: Stage, who: Actor, raw: str | bytes, *, binary: bool) -> None:
    async with opened(plaza, who, binary=binary) as own:
        for _ in range(2):
            await own.connection.send(raw)
            assert without_message(await own.answer()) == refused(None)
            assert await own.is_open()
        await own.connection.send(raw)
        assert (await own.closed())[0] == 4010


async def test_frames_that_are_none_of_ours(plaza: Stage, talk: tuple[Actor, ConversationId]) -> None:
    async with opened(plaza, talk[0]) as own:
        for raw in MISSHAPEN:
            await own.connection.send(raw)
            assert without_message(await own.answer()) == refused("a"), raw
        assert await own.is_open()


@pytest.mark.parametrize("binary", [False, True], ids=["json", "msgpack"])
async def test_the_other_kind_of_message(plaza: Stage, talk: tuple[Actor, ConversationId], binary: bool) -> None:
    other: Any = '{"type":"ping"}' if binary else msgspec.msgpack.encode({"type": "ping"})
    await is_no_frame(plaza, talk[0], other, binary=binary)


@pytest.mark.parametrize("ref", [None, "", "a" * 100_000, "\u0001\U0001f600", 0, -1, 2**64 - 1, 2**70])
async def test_refs_come_back_as_they_were(plaza: Stage, talk: tuple[Actor, ConversationId], ref: str | int) -> None:
    async with opened(plaza, talk[0]) as own:
        await own.say({"type": "ping", "ref": ref})
        assert await own.answer() == {"type": "pong", "ref": ref}
        await own.say({"type": "message.delete", "message_id": "none", "ref": ref})
        assert (await own.answer())["ref"] == ref


async def test_a_ref_need_not_be_there(plaza: Stage, talk: tuple[Actor, ConversationId]) -> None:
    async with opened(plaza, talk[0]) as own:
        await own.say({"type": "ping"})
        assert await own.answer() == {"type": "pong", "ref": None}


@pytest.mark.parametrize("binary", [False, True], ids=["json", "msgpack"])
@pytest.mark.parametrize(
    ("size", "code"), [(FRAME_BYTES + 1, 4010), (SERVER_BYTES - 100, 4010), (1024 * 1024, 1009)], ids=str
)
async def test_frames_that_are_too_large(
    plaza: Stage, talk: tuple[Actor, ConversationId], binary: bool, size: int, code: int
) -> None:
    frame = {"type": "ping", "ref": ""}
    empty = len(msgspec.msgpack.encode({**frame, "ref": "a" * 70_000}) if binary else json.dumps(frame))
    empty -= 70_000 if binary else 0
    async with opened(plaza, talk[0], binary=binary) as own:
        await own.say({**frame, "ref": "a" * (FRAME_BYTES - empty)})
        assert (await own.answer())["type"] == "pong", "as large as may be"
        await own.say({**frame, "ref": "a" * (size - empty)})
        with pytest.raises(websockets.ConnectionClosed) as closed:
            while True:
                await own.hear()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == code


async def test_text_that_is_no_text(plaza: Stage, talk: tuple[Actor, ConversationId]) -> None:
    plaza.internal_errors.expect("Invalid UTF-8")  # uvicorn's word; in a process of ours it is no error
    async with opened(plaza, talk[0]) as own:
        await own.connection.send(NO_UTF8, text=True)
        assert (await own.closed())[0] == 1007


async def test_a_frame_in_pieces(plaza: Stage, talk: tuple[Actor, ConversationId]) -> None:
    async with opened(plaza, talk[0]) as own:
        await own.connection.send(list('{"type":"ping","ref":"in pieces"}'))
        assert await own.answer() == {"type": "pong", "ref": "in pieces"}


@pytest.mark.parametrize("raw", [*NO_FRAMES, *MISSHAPEN, '{"type":"ping"}'], ids=range(len(NO_FRAMES + MISSHAPEN) + 1))
async def test_before_anybody_is_known(plaza: Stage, raw: str) -> None:
    async with dialled(plaza) as connection:
        await connection.send(raw)
        own = Socket(connection)
        assert (await own.closed())[0] == 4001
        assert own.seen == []


async def test_more_than_may_be_asked_for_at_once(plaza: Stage, talk: tuple[Actor, ConversationId]) -> None:
    who, group = talk
    known = {"id": str(group), "after_seq": 0}
    async with opened(plaza, who) as own:
        for conversations, code in (
            ([{"id": str(uuid4())} for _ in range(1_000)], "CONVERSATION_NOT_FOUND"),
            ([{"id": str(uuid4())} for _ in range(1_001)], "VALIDATION_ERROR"),
            ([known] * 1_001, "VALIDATION_ERROR"),
        ):
            await own.say({"type": "subscribe", "conversations": conversations})
            assert (await own.answer())["code"] == code
        await own.say({"type": "subscribe", "conversations": [known] * 1_000})
        assert [each["id"] for each in (await own.answer())["conversations"]] == [str(group)]
        for count, type in ((500, "ack"), (501, "error")):
            await own.say({"type": "presence.watch", "user_ids": [str(uuid4()) for _ in range(count)]})
            assert (await own.answer())["type"] == type
        assert await own.is_open()


async def test_resuming_over_and_over(plaza: Stage, chat: Chat, talk: tuple[Actor, ConversationId]) -> None:
    """Each takes the place of the one before; what comes afterwards comes once."""
    who, group = talk
    times = 500
    async with opened(plaza, who) as own:
        for n in range(times):
            await own.say({"type": "subscribe", "ref": n, "conversations": [{"id": str(group), "after_seq": 0}]})
        answered = {(await own.answer())["ref"] for _ in range(times)}
        assert answered == set(range(times))
        first, second = [(await chat.say(who, group, "afterwards")).seq for _ in range(2)]
        heard = []
        while second not in heard:
            heard.append((await own.hear()).get("seq"))
        assert heard[-2:] == [first, second]
        assert heard.count(first) == 1


@pytest.mark.parametrize("type", sorted(client_frames()))
async def test_a_flood_of_any_frame_closes(
    plaza: Stage, talk: tuple[Actor, ConversationId], monkeypatch: pytest.MonkeyPatch, type: str
) -> None:
    monkeypatch.setattr(plaza[RateLimits], "settings", RateLimitSettings())
    who, group = talk
    frame = sample_frame(type, values_of(group))
    async with opened(plaza, who) as own:
        with pytest.raises(websockets.ConnectionClosed) as closed:
            for _ in range(2 * 300 + 1):  # the window may turn once meanwhile
                await own.say(frame)
            while True:
                await own.hear()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4029
