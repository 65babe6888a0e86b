"""Sockets of people made by the builders."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import websockets
from websockets.asyncio.client import ClientConnection

from plaza.core.actor import Actor
from plaza.domain_events.identity import UserId
from plaza.identity import Origin, SessionService, TicketService, TokenService
from tests.support.outside import PATIENCE_S, Socket
from tests.support.stage import Stage


async def signed_in(stage: Stage, person: Actor) -> tuple[Actor, str]:
    """With a session of their own, and its access token."""
    origin = Origin(ip="127.0.0.1", user_agent="tests")
    (token,) = (await stage[SessionService].open_many([UserId(person.user_id)], origin)).unwrap()
    return await stage[TokenService].authenticate(token), token


async def ticket_of(stage: Stage, actor: Actor) -> str:
    return (await stage[TicketService].issue(actor)).unwrap().ticket


@asynccontextmanager
async def dialled(stage: Stage, path: str = "/ws", **options: Any) -> AsyncIterator[ClientConnection]:
    """Open; nothing is read yet."""
    url = f"{stage.socket_url}{path}"
    async with websockets.connect(url, max_size=None, open_timeout=PATIENCE_S, **options) as connection:
        yield connection


@asynccontextmanager
async def line(stage: Stage, person: Actor, path: str = "/ws", **options: Any) -> AsyncIterator[Socket]:
    """Open and ready, in a session of its own. It takes whatever comes, read or not: else it could not say goodbye in time."""
    actor, _ = await signed_in(stage, person)
    address, options = f"{path}?ticket={await ticket_of(stage, actor)}", {"max_queue": None, **options}
    async with dialled(stage, address, **options) as connection:
        socket = Socket(connection)
        await socket.next("ready")
        yield socket


async def settled(socket: Socket) -> list[dict[str, Any]]:
    """Every frame that was on its way to it when this was asked."""
    ref = await socket.send("ping")
    await socket.next("pong", ref=ref)
    return socket.seen


def entries(socket: Socket) -> list[int]:
    """The seqs that it was told, in the order in which they came."""
    return [frame["seq"] for frame in socket.seen if frame["type"] == "message.new"]


async def say(socket: Socket, conversation: object, content: str = "hello", **fields: Any) -> str:
    """Answers the ref."""
    named = {} if conversation is None else {"conversation_id": str(conversation)}
    return await socket.send("message.send", **named, client_id=str(uuid4()), content=content, **fields)
