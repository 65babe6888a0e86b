"""The floor of fan-out: what one connection says is written, framed by hand, to every transport of a uvloop server. Nothing else.

Run as a process of its own: `python -m bench.transports PORT`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import sys

import uvloop

from bench.websocket import Framed, framed

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Everybody(Framed):
    everybody: set[Everybody] = set()

    def upgraded(self, head: bytes) -> None:
        lines = (line.partition(b": ") for line in head.split(b"\r\n")[1:])
        key = next(value for name, _, value in lines if name.lower() == b"sec-websocket-key")
        accept = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self.everybody.add(self)

    def took(self, payload: bytes) -> None:
        data = framed(payload)
        for each in self.everybody:
            each.transport.write(data)

    def told(self, kind: int, payload: bytes) -> None:
        self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.everybody.discard(self)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Everybody, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
