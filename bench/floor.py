"""The floor: three paths and a socket as a bare ASGI function over a bare asyncpg pool, on the server that Plaza runs on. No routing, no
authentication, no validation.

Run as a process of its own: `python -m bench.floor PORT DATABASE_URL`.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import sys
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import uvicorn

from plaza.core.clock import SystemClock
from plaza.core.db.listener import connect_arguments
from plaza.core.http.transport import JoinedHttp
from plaza.core.ids import uuid7
from plaza.core.realtime import DirectWebSocket

POOL = 20

# Everything that Plaza answers with, as one would write it for itself alone.
HISTORY = """
select m.id, m.conversation_id, m.seq, m.sender_id, m.type, m.content, m.client_id, m.parent_id, m.reply_count, m.reactions, m.attachments,
  m.mentions, m.pinned, m.edit_count, m.edited_at, m.deleted_at, m.created_at, m.system,
  case when m.reactions = '{}' then '{}' else array(
    select r.emoji from chat_message_reaction r where r.message_id = m.id and r.user_id = $2 order by r.created_at, r.emoji
  ) end as my_reactions,
  exists (select from chat_saved_message s where s.user_id = $2 and s.message_id = m.id) as saved
from chat_message m
where m.conversation_id = $1
  and exists (select from chat_conversation where id = $1 and deleted_at is null)
  and exists (select from chat_participant where conversation_id = $1 and user_id = $2 and left_at is null)
order by m.seq desc limit 50
"""
# One trip to the server and one commit.
SEND = """
with next as (
  update chat_conversation set last_seq = last_seq + 1, last_message_at = $6 where id = $2 returning last_seq
)
insert into chat_message (id, conversation_id, seq, sender_id, type, content, client_id, reply_count, mentions, created_at)
select $1, $2, last_seq, $3, 'text', $4, $5, 0, '{}', $6 from next
returning seq
"""


# A refresh in one statement, as one would write it for itself alone.
REFRESH = """
with kept as (
  select s.id from identity_refresh_token t join identity_session s on s.id = t.session_id join identity_user u on u.id = s.user_id
  where t.hash = $1 and t.used_at is null and t.expires_at > $2 and s.revoked_at is null and s.expires_at > $2
    and u.deleted_at is null and u.status in ('active', 'waitlisted')
  for update of s
),
used as (
  update identity_refresh_token t set used_at = $2, version = t.version + 1 from kept
  where t.hash = $1 and t.used_at is null returning t.id, t.session_id
),
renewed as (
  update identity_session s set last_used_at = $2, ip = $3, version = s.version + 1, expires_at = least($4, s.created_at + $5)
  from used where s.id = used.session_id
  returning s.id, s.user_id, s.authenticated_at, s.expires_at, s.methods
),
made as (
  insert into identity_refresh_token (id, session_id, parent_id, hash, created_at, expires_at, version)
  select $6, used.session_id, used.id, $7, $2, renewed.expires_at, 1 from used join renewed on renewed.id = used.session_id
)
select r.*, u.token_version, u.waitlisted_until, u.id as user_id, u.email, u.phone, u.email_verified_at is not null as email_verified,
  u.phone_verified_at is not null as phone_verified, u.status, u.is_staff, p.username, p.display_name, u.created_at
from renewed r join identity_user u on u.id = r.user_id join identity_profile p on p.user_id = u.id
"""


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


class Page(msgspec.Struct):
    items: list[Any]
    next_cursor: str | None = None


class Shown(msgspec.Struct):
    id: Any
    conversation_id: Any
    seq: int
    sender_id: Any
    type: str
    content: str
    client_id: Any
    parent_id: Any
    reply_count: int
    reactions: msgspec.Raw
    attachments: Any
    mentions: Any
    pinned: bool
    edit_count: int
    edited_at: Any
    deleted_at: Any
    created_at: Any
    system: msgspec.Raw | None
    my_reactions: Any
    saved: bool


class Sent(msgspec.Struct):
    conversation_id: UUID
    sender_id: UUID
    content: str
    client_id: UUID


class Said(msgspec.Struct):
    ref: int
    conversation_id: UUID
    client_id: UUID
    content: str


class Ack(msgspec.Struct, tag_field="type", tag="ack"):
    ref: int
    message: Row


class New(msgspec.Struct, tag_field="type", tag="message.new"):
    conversation_id: UUID
    seq: int
    message: Row


class Refresh(msgspec.Struct):
    refresh_token: str


class Floor:
    def __init__(self, url: str) -> None:
        self.url = url
        self.clock = SystemClock()
        self.encode = msgspec.json.Encoder().encode
        self.decode = msgspec.json.Decoder(Sent).decode
        self.decode_refresh = msgspec.json.Decoder(Refresh).decode
        self.decode_said = msgspec.json.Decoder(Said).decode
        self.rooms: dict[UUID, list[Any]] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            bare = {"min_size": POOL, "max_size": POOL, "reset": _as_it_is}
            self.pool = await asyncpg.create_pool(**bare, **connect_arguments(self.url))
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await self.pool.close()
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["type"] == "websocket":
            query = query_of(scope)
            await self.socket(UUID(query["c"]), UUID(query["u"]), receive, send)
        elif scope["method"] == "GET":
            query = query_of(scope)
            await answer(send, 200, await self.history(UUID(query["c"]), UUID(query["u"])))
        elif scope["path"] == "/refresh":
            await answer(send, 200, await self.refresh((await receive())["body"]))
        else:
            made = await self.message(self.decode((await receive())["body"]))
            await answer(send, 201, self.encode(made))

    async def history(self, conversation: UUID, user: UUID) -> bytes:
        rows = await self.pool.fetch(HISTORY, conversation, user)
        return self.encode(Page([shown(*row.values()) for row in rows]))

    async def refresh(self, body: bytes) -> bytes:
        token, made, now = self.decode_refresh(body).refresh_token, secrets.token_urlsafe(32), self.clock.now()
        hashes = [hashlib.sha256(each.encode()).digest() for each in (token, made)]
        idle, longest = now + timedelta(days=7), timedelta(days=90)
        row = await self.pool.fetchrow(REFRESH, hashes[0], now, "127.0.0.1", idle, longest, uuid7(), hashes[1])
        return self.encode({"refresh_token": made, "user": dict(row)})

    async def socket(self, conversation: UUID, user: UUID, receive: Any, send: Any) -> None:
        """What is said is committed, acknowledged, and pushed to everybody who is here."""
        await receive()
        await send({"type": "websocket.accept"})
        room = self.rooms.setdefault(conversation, [])
        room.append(send)
        tasks = set()
        while (event := await receive())["type"] == "websocket.receive":
            tasks.add(task := asyncio.create_task(self.said(self.decode_said(event["text"]), user, room, send)))
            task.add_done_callback(tasks.discard)
        room.remove(send)

    async def said(self, said: Said, user: UUID, room: list[Any], send: Any) -> None:
        row = await self.message(Sent(said.conversation_id, user, said.content, said.client_id))
        await send({"type": "websocket.send", "text": self.encode(Ack(said.ref, row)).decode()})
        event = {"type": "websocket.send", "text": self.encode(New(row.conversation_id, row.seq, row)).decode()}
        for each in room:
            await each(event)

    async def message(self, sent: Sent) -> Row:
        message, now = uuid7(), self.clock.now()
        given = (message, sent.conversation_id, sent.sender_id, sent.content, sent.client_id, now)
        seq = await self.pool.fetchval(SEND, *given)
        to = (message, sent.conversation_id, seq, sent.sender_id)
        return Row(*to, "text", sent.content, sent.client_id, None, 0, [], now)


async def _as_it_is(connection: Any) -> None:
    """Nothing here leaves anything behind in a connection: asyncpg's own reset is a trip to the server."""


def shown(*columns: Any) -> Shown:
    made = Shown(*columns)
    made.reactions = msgspec.Raw(columns[9])
    if columns[17] is not None:
        made.system = msgspec.Raw(columns[17])
    return made


def query_of(scope: Any) -> dict[str, str]:
    return dict(part.split("=") for part in scope["query_string"].decode().split("&"))


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
        http=JoinedHttp,
        ws=DirectWebSocket,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        backlog=2048,
    )
