"""Every route and every frame as somebody who must not get in: nothing is shown, nothing changes, nobody is told.

What each is answered stands in admission.toml; a new route or frame fails here until somebody has written it down there.
"""

from __future__ import annotations

import asyncio
import json
import tomllib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from plaza.chat.service.deliveries import DeliveryService
from plaza.chat.service.presence import PresenceService
from plaza.core.actor import Actor
from plaza.core.realtime import Hub
from tests.chat.admission.cast import KINDS, Cast, Outsider
from tests.chat.admission.snapshot import Row, beyond_ones_own, snapshot
from tests.chat.builders import Chat
from tests.chat.lines import line, settled
from tests.support.frames import client_frames, sample_frame
from tests.support.outside import PATIENCE_S, Socket
from tests.support.routes import answered, sample
from tests.support.stage import Stage
from tests.support.waiting import eventually

TABLE: Mapping[str, Mapping[str, list[str]]] = tomllib.loads((Path(__file__).parent / "admission.toml").read_text())
ROUTES, FRAMES = TABLE["routes"], TABLE["frames"]
WORDS = ("seen", "own", "told")
UNANSWERED = {"typing"}
LEFT_OUT = {"POST /api/v1/chat/reports": ["user_id"]}  # exactly one of two


async def document_of(client: httpx.AsyncClient) -> dict[str, Any]:
    document: dict[str, Any] = (await client.get("/schema/openapi.json")).json()
    return document


def operations(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if path.startswith("/api/v1/chat/")
    }


async def test_the_table_has_every_route_and_every_frame(client: httpx.AsyncClient) -> None:
    assert set(operations(await document_of(client))) == set(ROUTES)
    assert set(client_frames()) == set(FRAMES)
    for line_ in (*ROUTES.values(), *FRAMES.values()):
        assert len(line_) == len(KINDS)
        assert all(each in WORDS or each.isupper() for each in line_), line_


class Watch:
    """Sees what one attempt has done: to the tables, and to what the others in the conversation are told."""

    def __init__(self, stage: Stage, adas: Socket) -> None:
        self.stage, self.adas = stage, adas
        self.before: set[Row] = set()

    async def begin(self) -> None:
        self.before = await snapshot(self.stage)

    async def faults(self, who: Outsider, word: str, answer: Any) -> list[str]:
        after = await snapshot(self.stage)
        told = await self._told(who)
        changed = after != self.before
        beyond = beyond_ones_own(self.before, after, str(who.actor.user_id), self._about(who))
        self.before = after
        shown = [each for each in who.secrets if each in str(answer)] if word == "own" else []
        seen = [
            each for each in statuses(answer) if each[0] != str(who.actor.user_id) and each[1:] != ("offline", None)
        ]
        return [
            *(["something has changed"] if changed and word not in ("own", "told") else []),
            *(f"this has changed: {each}" for each in beyond if word == "own"),
            *([f"the others were told {told}"] if bool(told) is not (word == "told") else []),
            *(f"shown {each}" for each in (*shown, *(seen if word != "seen" else ()))),
        ]

    async def _told(self, who: Outsider) -> list[str]:
        await self.stage[DeliveryService].settle_all()
        frames = await settled(self.adas)
        told = [each["type"] for each in frames if each.get("conversation_id") == str(who.conversation)]
        told += [each["type"] for each in frames if each["type"] == "presence.changed"]
        frames.clear()
        return told

    def _about(self, who: Outsider) -> set[str]:
        return {str(who.values["conversation_id"]), str(who.values["message_id"])}


def statuses(answer: Any) -> Iterator[tuple[str, str, str | None]]:
    """Whoever's presence is in it: (user, status, last seen)."""
    if isinstance(answer, dict):
        if {"user_id", "status", "last_seen_at"} <= answer.keys():
            yield answer["user_id"], answer["status"], answer["last_seen_at"]
        answer = list(answer.values())
    if isinstance(answer, list):
        for each in answer:
            yield from statuses(each)


async def present(stage: Stage, ada: Actor, adas: Socket) -> Watch:
    """Ada is online, and has heard whatever happened before."""
    await stage[PresenceService].settle()
    watch = Watch(stage, adas)
    await stage[DeliveryService].settle_all()
    await settled(adas)
    adas.seen.clear()
    return watch


@pytest.mark.parametrize("kind", KINDS)
async def test_routes(chat: Chat, client: httpx.AsyncClient, kind: str) -> None:
    document = await document_of(client)
    asked, schemas = operations(document), document["components"]["schemas"]
    cast = Cast(chat, kind)
    people = await cast.gather(len(asked))
    faults = []
    async with line(chat.stage, cast.ada) as adas:
        watch = await present(chat.stage, cast.ada, adas)
        await watch.begin()
        for (route, operation), who in zip(sorted(asked.items()), people, strict=True):
            word = ROUTES[route][KINDS.index(kind)]
            http = await chat.http(who.actor)
            answer = await ask(http, route, operation, schemas, who)
            body = told_by(answer)
            code = body["code"] if answer.is_error else ""
            if code != (word if word not in WORDS else ""):
                faults.append(f"{route}: {code or answer.status_code} for {word}")
            faults += [f"{route}: {each}" for each in await watch.faults(who, word, body)]
            await http.aclose()
    assert not faults, "\n".join(faults)


async def ask(
    http: httpx.AsyncClient, route: str, operation: Mapping[str, Any], schemas: Mapping[str, Any], who: Outsider
) -> httpx.Response:
    method, path = route.split(" ")
    body = None
    if "requestBody" in operation:
        values = {name: value for name, value in who.values.items() if name not in LEFT_OUT.get(route, ())}
        body = sample(operation["requestBody"]["content"]["application/json"]["schema"], schemas, values)
    query = {"q": who.values["q"]} if path.endswith("/search") else {}
    return await answered(http, method, path.format(**who.values), json=body, params=query)


def told_by(answer: httpx.Response) -> Any:
    """Nothing of a stream: that has no end."""
    is_json = "json" in answer.headers.get("content-type", "")
    return answer.json() if is_json else None


@pytest.mark.parametrize("kind", KINDS)
async def test_frames(chat: Chat, kind: str) -> None:
    cast = Cast(chat, kind)
    people = await cast.gather(len(FRAMES))
    faults = []
    async with line(chat.stage, cast.ada) as adas:
        for type, who in zip(sorted(FRAMES), people, strict=True):
            word = FRAMES[type][KINDS.index(kind)]
            async with line(chat.stage, who.actor) as own:
                watch = await present(chat.stage, cast.ada, adas)
                await watch.begin()
                ref = await own.send(**sample_frame(type, who.values))
                if type not in UNANSWERED:
                    await answer_to(own, ref)
                seen = await settled(own)
            await eventually(partial(is_gone, chat.stage, who.actor))  # with that, every frame is done
            refused = [each["code"] for each in seen if each["type"] == "error"]
            if refused != ([word] if word not in WORDS else []):
                faults.append(f"{type}: {refused} for {word}")
            faults += [f"{type}: {each}" for each in await watch.faults(who, word, seen)]
    assert not faults, "\n".join(faults)


async def answer_to(socket: Socket, ref: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not any(each.get("ref") == ref for each in socket.seen):
            socket.seen.append(json.loads(await socket.connection.recv()))


async def is_gone(stage: Stage, who: Actor) -> bool:
    return who.user_id not in stage[Hub].topics.sockets_of
