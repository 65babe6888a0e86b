"""The floor: three paths as a bare ASGI function over a bare asyncpg pool. No routing, no authentication, no validation.

Run as a process of its own: `python -m bench.floor PORT DATABASE_URL`.
"""

from __future__ import annotations

import hashlib
import secrets
import sys
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import uvicorn
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect

from plaza.core.clock import SystemClock
from plaza.core.db.listener import connect_arguments
from plaza.core.ids import uuid7
from plaza.identity.repository.refresh_tokens import ROTATE

POOL = 20

HISTORY = """
select id, conversation_id, seq, sender_id, type, content, client_id, parent_id, reply_count, mentions, created_at
from chat_message
where conversation_id = $1
  and exists (select from chat_participant where conversation_id = $1 and user_id = $2 and left_at is null)
order by seq desc limit 50
"""
NEXT_SEQ = "update chat_conversation set last_seq = last_seq + 1, last_message_at = $2 where id = $1 returning last_seq"
INSERT = """
insert into chat_message (id, conversation_id, seq, sender_id, type, content, client_id, reply_count, mentions, created_at)
values ($1, $2, $3, $4, 'text', $5, $6, 0, '{}', $7)
"""


# The very statement of a refresh, and its parameters in their order.
_DIALECT: Any = asyncpg_dialect
_COMPILED = ROTATE.compile(dialect=_DIALECT.dialect())
REFRESH, PARAMETERS = str(_COMPILED), _COMPILED.positiontup or []


class Row(msgspec.Struct):
    id: Any
    conversation_id: Any
    seq: int
    sender_id: Any
    type: str
    content: str
    client_id: Any
    parent_id: Any
    reply_count: int
    mentions: Any
    created_at: Any


class Sent(msgspec.Struct):
    conversation_id: UUID
    sender_id: UUID
    content: str
    client_id: UUID


class Refresh(msgspec.Struct):
    refresh_token: str


class Floor:
    def __init__(self, url: str) -> None:
        self.url = url
        self.clock = SystemClock()
        self.encode = msgspec.json.Encoder().encode
        self.decode = msgspec.json.Decoder(Sent).decode
        self.decode_refresh = msgspec.json.Decoder(Refresh).decode

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            self.pool = await asyncpg.create_pool(min_size=POOL, max_size=POOL, **connect_arguments(self.url))
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await self.pool.close()
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["method"] == "GET":
            query = dict(part.split("=") for part in scope["query_string"].decode().split("&"))
            await answer(send, 200, await self.history(UUID(query["c"]), UUID(query["u"])))
        elif scope["path"] == "/refresh":
            await answer(send, 200, await self.refresh((await receive())["body"]))
        else:
            await answer(send, 201, await self.message((await receive())["body"]))

    async def history(self, conversation: UUID, user: UUID) -> bytes:
        rows = await self.pool.fetch(HISTORY, conversation, user)
        return self.encode([Row(*row.values()) for row in rows])

    async def refresh(self, body: bytes) -> bytes:
        token, made, now = self.decode_refresh(body).refresh_token, secrets.token_urlsafe(32), self.clock.now()
        given = {
            **_COMPILED.params,
            "given_hash": hashlib.sha256(token.encode()).digest(),
            "new_id": uuid7(),
            "new_hash": hashlib.sha256(made.encode()).digest(),
            "now": now,
            "from_ip": "127.0.0.1",
            "idle_until": now + timedelta(days=7),
            "longest": timedelta(days=90),
        }
        async with self.pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(REFRESH, *(given[name] for name in PARAMETERS))
        return self.encode({"refresh_token": made, "user": dict(row)})

    async def message(self, body: bytes) -> bytes:
        sent, message, now = self.decode(body), uuid7(), self.clock.now()
        async with self.pool.acquire() as connection, connection.transaction():
            seq = await connection.fetchval(NEXT_SEQ, sent.conversation_id, now)
            await connection.execute(
                INSERT, message, sent.conversation_id, seq, sent.sender_id, sent.content, sent.client_id, now
            )
        return self.encode(
            Row(
                message,
                sent.conversation_id,
                seq,
                sent.sender_id,
                "text",
                sent.content,
                sent.client_id,
                None,
                0,
                [],
                now,
            )
        )


async def answer(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    uvicorn.run(
        Floor(sys.argv[2]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        backlog=2048,
    )
