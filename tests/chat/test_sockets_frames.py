"""What is said over sockets, and who hears it."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from plaza.chat import NewConversation
from plaza.chat.models import Kind
from plaza.chat.schemas import RoleChange
from plaza.core.ratelimit import RateLimits, RateLimitSettings
from plaza.domain_events.identity import UserId
from tests.chat.builders import Chat
from tests.chat.lines import entries, line, say, settled
from tests.support.stage import Stage


async def test_what_is_sent_in_one_go_keeps_its_order(plaza: Stage, chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    async with line(plaza, ada) as adas, line(plaza, bob) as bobs:
        refs = [await say(adas, talk, f"line {n}") for n in range(60)]
        heard = await bobs.messages(60)
        assert [each["content"] for each in heard] == [f"line {n}" for n in range(60)]
        assert [each["seq"] for each in heard] == list(range(1, 61))
        while len(acks := [frame for frame in adas.seen if frame["type"] == "ack"]) < 60:
            await adas.next("ack")
        assert {frame["ref"]: frame["message"]["content"] for frame in acks} == {
            ref: f"line {n}" for n, ref in enumerate(refs)
        }
        await adas.heard("message.new", seq=60)
        assert entries(adas) == list(range(1, 61)), "the sender's own sockets hear it, too"


async def test_ack_and_frame_tell_the_message_of_rest(plaza: Stage, chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    async with line(plaza, ada) as adas, line(plaza, bob) as bobs:
        ref = await say(adas, talk, "hi")
        ack = await adas.next("ack", ref=ref)
        http = await chat.http(ada)
        path = f"/api/v1/chat/conversations/{talk}/messages/{ack['message']['id']}"
        assert (await http.get(path)).json() == ack["message"]
        new = await bobs.next("message.new")
        assert new["message"] == {
            name: value for name, value in ack["message"].items() if name not in ("my_reactions", "saved")
        }
        assert (new["conversation_id"], new["seq"]) == (str(talk), 1)


async def test_what_is_refused_is_told_and_leaves_the_socket_open(plaza: Stage, chat: Chat) -> None:
    ada, bob, eve = await chat.people("Ada", "Bob", "Eve")
    team, others = await chat.group(ada, bob), await chat.group(bob, eve)
    left = await chat.group(bob, ada)
    await chat.leave(ada, left)
    base = {"conversation_id": str(team), "client_id": str(uuid4()), "content": "x"}
    async with line(plaza, ada) as socket:
        for type, fields, code in (
            ("message.send", {**base, "content": " "}, "EMPTY_CONTENT"),
            ("message.send", {**base, "content": "x" * 10_001}, "CONTENT_TOO_LONG"),
            ("message.send", {**base, "conversation_id": str(others)}, "CONVERSATION_NOT_FOUND"),
            ("message.send", {**base, "conversation_id": str(left)}, "NOT_PARTICIPANT"),
            ("message.send", {**base, "parent_id": str(uuid4())}, "INVALID_PARENT"),
            ("message.send", {**base, "client_id": "none"}, "VALIDATION_ERROR"),
            ("message.send", {**base, "content": "a\0b"}, "VALIDATION_ERROR"),
            ("message.send", {**base, "colour": "red"}, "VALIDATION_ERROR"),
            ("message.send", {"client_id": str(uuid4()), "content": "where?"}, "VALIDATION_ERROR"),
            ("read", {"conversation_id": str(others), "seq": 1}, "CONVERSATION_NOT_FOUND"),
            ("subscribe", {"conversations": [{"id": str(others)}]}, "CONVERSATION_NOT_FOUND"),
            ("subscribe", {"conversations": [{"id": str(team)}, {"id": str(left)}]}, "NOT_PARTICIPANT"),
            ("subscribe", {"conversations": [{"id": str(team), "after_seq": -1}]}, "VALIDATION_ERROR"),
            ("presence.set", {"status": "asleep"}, "VALIDATION_ERROR"),
            ("typing", {"is_typing": True}, "VALIDATION_ERROR"),
            ("auth", {"token": "again"}, "VALIDATION_ERROR"),
            ("message.fly", {}, "VALIDATION_ERROR"),
        ):
            ref = await socket.send(type, **fields)
            error = await socket.next("error")
            assert (error["ref"], error["code"]) == (ref, code), (type, fields)
            assert error["message"]
        ref = await say(socket, team)
        assert (await socket.next("ack", ref=ref))["message"]["seq"] == 2, "nothing refused took a seq"


async def test_backslashes_are_no_nul(plaza: Stage, chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    async with line(plaza, ada) as socket:
        ref = await say(socket, talk, "\\u0000")
        assert (await socket.next("ack", ref=ref))["message"]["content"] == "\\u0000"


async def test_three_malformed_frames_close(plaza: Stage, chat: Chat) -> None:
    (ada,) = await chat.people("Ada")
    async with line(plaza, ada) as socket:
        for raw in ("{", "[1]"):
            await socket.connection.send(raw)
            assert (await socket.next("error"))["ref"] is None
        await socket.connection.send(b"\x81")
        assert (await socket.closed())[0] == 4010


@pytest.mark.parametrize("letter", ["x", "é"])
async def test_a_frame_has_a_limit_in_bytes(plaza: Stage, chat: Chat, letter: str) -> None:
    (ada,) = await chat.people("Ada")
    frame = json.dumps({"type": "ping", "ref": letter}, ensure_ascii=False)
    room = 128 * 1024 - len(frame.encode())
    async with line(plaza, ada) as socket:
        await socket.connection.send(frame + " " * room)
        await socket.next("pong", ref=letter)
        await socket.connection.send(frame + " " * (room + 1))
        assert (await socket.closed())[0] == 4010


async def test_a_flood_of_frames_closes(plaza: Stage, chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plaza[RateLimits], "settings", RateLimitSettings())
    (ada,) = await chat.people("Ada")
    async with line(plaza, ada) as socket:
        for _ in range(2 * 300 + 1):  # the window may turn once meanwhile
            await socket.connection.send('{"type":"ping"}')
        assert (await socket.closed())[0] == 4029


async def test_a_flood_of_messages_is_refused_and_says_when_to_go_on(
    plaza: Stage, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plaza[RateLimits], "settings", RateLimitSettings())
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    async with line(plaza, ada) as socket:
        for n in range(61):
            await say(socket, talk, f"{n}")
        error = await socket.next("error", code="RATE_LIMITED")
        assert 0 < error["retry_after"] <= 10


async def test_two_type_to_each_other_before_either_has_written(plaza: Stage, chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    async with line(plaza, ada) as adas, line(plaza, bob) as bobs:
        talk = await chat.direct(ada, bob)
        await adas.send("typing", conversation_id=str(talk), is_typing=True)
        assert (await bobs.next("typing"))["user_id"] == str(ada.user_id)
        said = await chat.say(ada, talk)
        assert (await bobs.next("message.new"))["seq"] == said.seq == 1
        assert [each["type"] for each in await settled(bobs)].count("message.new") == 1


async def test_typing_is_told_to_the_others_once_in_a_while(plaza: Stage, chat: Chat) -> None:
    ada, bob, eve = await chat.people("Ada", "Bob", "Eve")
    talk, others = await chat.direct(ada, bob), await chat.direct(bob, eve)
    await chat.say(ada, talk)
    async with line(plaza, ada) as adas, line(plaza, bob) as bobs, line(plaza, eve) as eves:
        for _ in range(3):
            await adas.send("typing", conversation_id=str(talk), is_typing=True)
        await adas.send("typing", conversation_id=str(others), is_typing=True)
        await adas.send("typing", conversation_id=str(talk), is_typing=False)
        await adas.send("typing", conversation_id=str(talk), is_typing=False)
        await bobs.next("typing", is_typing=False)  # told once the database has said who hears it
        for socket in (adas, bobs, eves):
            await settled(socket)
        told = [frame["is_typing"] for frame in bobs.seen if frame["type"] == "typing"]
        assert told == [True, False]
        assert not [frame for frame in adas.seen + eves.seen if frame["type"] == "typing"]


async def test_reading_is_told_to_everybody_and_counted_for_oneself(plaza: Stage, chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    for n in range(3):
        await chat.say(ada, talk, f"{n}")
    async with line(plaza, ada) as adas, line(plaza, bob) as bobs:
        ref = await bobs.send("read", conversation_id=str(talk), seq=2)
        await bobs.next("ack", ref=ref)
        assert (await adas.next("read.updated"))["up_to"] == 2
        badge = await bobs.heard("unread")
        assert (badge["unread"], badge["mentions"]) == (1, 0)
        await settled(adas)
        assert not [frame for frame in adas.seen if frame["type"] == "unread"]
    assert await chat.unread(bob) == {talk: (1, 0)}


async def test_the_socket_of_one_conversation(plaza: Stage, chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk, team = await chat.direct(ada, bob), await chat.group(ada, bob)
    async with line(plaza, bob, f"/ws/chat/{talk}") as socket:
        await chat.say(ada, team, "elsewhere")
        await chat.say(ada, talk, "here")
        ref = await say(socket, None, "and back")
        await socket.next("ack", ref=ref)
        ref = await say(socket, team, "not from here")
        assert (await socket.next("error", ref=ref))["code"] == "VALIDATION_ERROR"
        ref = await socket.send("subscribe", conversations=[{"id": str(team)}])
        assert (await socket.next("error", ref=ref))["code"] == "VALIDATION_ERROR"
        await socket.heard("message.new", seq=2)
        await settled(socket)
        assert {frame["conversation_id"] for frame in socket.seen if frame["type"] == "message.new"} == {str(talk)}
        assert entries(socket) == [1, 2]


async def test_a_conversation_that_begins_is_live_at_once(plaza: Stage, chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    async with line(plaza, ada) as adas, line(plaza, bob) as bobs:
        talk = await chat.direct(ada, bob)
        await bobs.next("conversation.updated", conversation_id=str(talk))
        ref = await say(adas, talk, "first")
        await adas.next("ack", ref=ref)
        assert (await bobs.next("message.new"))["message"]["content"] == "first"
        team = await chat.group(ada, bob)
        assert (await bobs.next("message.new", conversation_id=str(team)))["message"]["system"][
            "event"
        ] == "group_created"
        await adas.heard("message.new", conversation_id=str(team))
        assert entries(adas) == [1, 1]


async def test_who_joins_hears_from_then_on_and_who_is_removed_hears_of_it_last(plaza: Stage, chat: Chat) -> None:
    ada, bob, eve = await chat.people("Ada", "Bob", "Eve")
    team = await chat.group(ada, bob)
    await chat.say(ada, team, "before")
    async with line(plaza, eve) as eves, line(plaza, bob) as bobs:
        await chat.add(ada, team, eve)
        await chat.say(ada, team, "with eve")
        (await chat.participants.change_role(ada, team, UserId(eve.user_id), RoleChange(role="admin"))).unwrap()
        await chat.remove(ada, team, eve)
        await chat.say(ada, team, "without eve")
        while 7 not in entries(bobs):
            await bobs.next("message.new")
        heard = [frame for frame in await settled(eves) if frame.get("conversation_id") == str(team)]
        told = [
            (frame["type"], frame.get("seq") or frame.get("role"))
            for frame in heard
            if frame["type"] in ("message.new", "participant.changed")
            and frame.get("user_id") in (None, str(eve.user_id))
        ]
        assert told == [
            ("message.new", 3),
            ("participant.changed", "member"),
            ("message.new", 4),
            ("message.new", 5),
            ("participant.changed", "admin"),
            ("message.new", 6),
            ("participant.changed", None),
        ]
        assert heard[-1]["type"] == "participant.changed"
        assert [frame["seq"] for frame in bobs.seen if frame["type"] == "message.new"] == [3, 4, 5, 6, 7]
        await chat.add(ada, team, eve)
        assert (await eves.next("message.new"))["seq"] == 8


async def test_deleting_a_group_tells_everybody(plaza: Stage, chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    team = await chat.group(ada, bob)
    async with line(plaza, bob) as bobs:
        (await chat.conversations.delete(ada, team)).unwrap()
        assert (await bobs.next("participant.changed"))["role"] is None
        ref = await say(bobs, team)
        assert (await bobs.next("error", ref=ref))["code"] == "CONVERSATION_DELETED"


async def test_several_conversations_are_resumed_at_once(plaza: Stage, chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    groups = [await chat.group(ada, bob) for _ in range(3)]
    for group in groups:
        for n in range(4):
            await chat.say(ada, group, f"{n}")
    async with line(plaza, bob) as bobs:
        wanted = [{"id": str(group), "after_seq": n} for n, group in enumerate(groups[:2])] + [{"id": str(groups[2])}]
        ref = await bobs.send("subscribe", conversations=wanted)
        answer = await bobs.next("subscribed", ref=ref)
        assert answer["conversations"] == [{"id": str(group), "last_seq": 5} for group in groups]
        for group in groups:
            await chat.say(ada, group, "live")
        heard: dict[str, list[int]] = {str(group): [] for group in groups}
        for _ in range(6 + 5 + 1):
            frame = await bobs.next("message.new")
            heard[frame["conversation_id"]].append(frame["seq"])
        assert list(heard.values()) == [[1, 2, 3, 4, 5, 6], [2, 3, 4, 5, 6], [6]]
        await settled(bobs)
        assert len(entries(bobs)) == 12


async def test_resuming_from_beyond_the_end_gives_what_comes(plaza: Stage, chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    new = NewConversation(kind=Kind.GROUP, member_ids=[bob.user_id], title="Team")
    team = (await chat.conversations.create(ada, new)).unwrap().conversation.id
    async with line(plaza, bob) as bobs:
        ref = await bobs.send("subscribe", conversations=[{"id": str(team), "after_seq": 1_000}])
        await bobs.next("subscribed", ref=ref)
        await chat.say(ada, team, "live")
        assert (await bobs.next("message.new"))["seq"] == 2
