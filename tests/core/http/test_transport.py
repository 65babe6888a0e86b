"""An answer goes out in one write, and no head waits for a body that does not come."""

from __future__ import annotations

import asyncio

from plaza.core.http.transport import Joined

HEAD, BODY = b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 is a protocol"


class Sink(asyncio.Transport):
    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


async def test_head_and_body_are_one_write() -> None:
    sink = Sink()
    joined = Joined(sink, lambda: None)
    for part in (HEAD, BODY, BODY):
        joined.write(part)
    await asyncio.sleep(0)
    assert sink.writes == [HEAD + BODY, BODY]


async def test_an_empty_body_sends_the_head() -> None:
    sink = Sink()
    joined = Joined(sink, lambda: None)
    joined.write(HEAD)
    joined.write(b"")
    assert sink.writes == [HEAD]


async def test_a_stream_begins_before_its_first_part() -> None:
    sink = Sink()
    joined = Joined(sink, lambda: None)
    joined.write(HEAD)
    assert sink.writes == []
    await asyncio.sleep(0)
    assert sink.writes == [HEAD]
    joined.write(BODY)
    assert sink.writes == [HEAD, BODY]


async def test_an_interim_answer_does_not_wait() -> None:
    sink = Sink()
    joined = Joined(sink, lambda: None)
    joined.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert sink.writes == [b"HTTP/1.1 100 Continue\r\n\r\n"]
    joined.write(HEAD)
    joined.write(BODY)
    assert sink.writes[1:] == [HEAD + BODY]


async def test_nothing_is_lost_where_the_line_is_closed_behind_a_head() -> None:
    sink = Sink()
    joined = Joined(sink, lambda: None)
    joined.write(HEAD)
    joined.close()
    assert (sink.writes, joined.is_closing()) == ([HEAD], True)
    await asyncio.sleep(0)
    assert sink.writes == [HEAD]
