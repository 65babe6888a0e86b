"""What a newer server says disturbs nobody."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import msgspec
import pytest

from plaza.client import Unknown
from plaza.client.codec import JSON, MSGPACK, Codec
from plaza.client.frames import Ack, MessageDeleted, PresenceChanged, SendMessage

HERE = "0190b0f0-0000-7000-8000-000000000001"
DELETED = {"type": "message.deleted", "conversation_id": HERE, "seq": 7, "message_id": HERE}


def packed(codec: Codec, frame: Any) -> bytes | str:
    return msgspec.msgpack.encode(frame) if codec.binary else json.dumps(frame)


@pytest.fixture(params=[JSON, MSGPACK], ids=["json", "msgpack"])
def codec(request: pytest.FixtureRequest) -> Codec:
    found: Codec = request.param
    return found


def test_fields_that_are_not_known_are_passed_over(codec: Codec) -> None:
    told = codec.read(packed(codec, {**DELETED, "by": HERE}))
    assert told == MessageDeleted(conversation_id=UUID(HERE), seq=7, message_id=UUID(HERE))


def test_words_that_are_not_known_are_words(codec: Codec) -> None:
    frame = {"type": "presence.changed", "user_id": HERE, "status": "on the moon", "last_seen_at": None}
    told = codec.read(packed(codec, frame))
    assert isinstance(told, PresenceChanged)
    assert told.status == "on the moon"


@pytest.mark.parametrize(
    "frame", [{**DELETED, "type": "poll.opened", "question": "Tea?"}, {**DELETED, "message_id": 12}]
)
def test_frames_that_are_not_known_keep_their_place_in_the_log(codec: Codec, frame: dict[str, Any]) -> None:
    told = codec.read(packed(codec, frame))
    assert told == Unknown(type=frame["type"], conversation_id=UUID(HERE), seq=7, frame=frame)


def test_what_is_no_frame_is_an_error(codec: Codec) -> None:
    for nothing in (packed(codec, [1]), b"\xc1" if codec.binary else "<html>"):
        with pytest.raises(msgspec.DecodeError):
            codec.read(nothing)


def test_what_is_not_given_is_not_said(codec: Codec) -> None:
    written = codec.write(SendMessage(client_id=UUID(HERE), content="Tea?"))
    said = msgspec.msgpack.decode(written) if isinstance(written, bytes) else json.loads(written)
    assert said == {"type": "message.send", "client_id": HERE, "content": "Tea?"}


def test_an_answer_without_what_it_may_leave_out_is_whole(codec: Codec) -> None:
    assert codec.read(packed(codec, {"type": "ack", "ref": "1"})) == Ack(ref="1")
