"""The corpus of hostile tokens, on every route of the OpenAPI document and on the sockets."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, urlsplit
from uuid import uuid4

import pytest

from plaza.core.db import Cursors
from plaza.core.storage import Storage
from plaza.identity import KeyService, TicketService
from plaza.identity.gateways.oauth import OAuthStore
from plaza.identity.schemas import (
    Arrival,
    CodeInput,
    Departure,
    EmailInput,
    MagicLinkInput,
    NewApiKey,
    OutsideIdentity,
)
from plaza.identity.service import (
    ApiKeyService,
    EmailChangeService,
    MagicLinkService,
    PasskeyService,
    PasswordService,
)
from tests.admin.builders import a_visitor
from tests.identity.authenticators import an_app, device_challenge, half_login
from tests.identity.builders import Person, a_person, codes_to, is_accepted, links_to, register
from tests.identity.hostile import HOSTILE, Forge
from tests.support.outside import dialled
from tests.support.stage import Stage

AT_ONCE = 16
CONVERSATIONS = "/api/v1/chat/conversations"
LINE = 4_000  # a longer one is no handshake of a socket


class Route(NamedTuple):
    method: str
    path: str
    is_open: bool


class Answer(NamedTuple):
    status: int
    code: str | None
    asks_for_bearer: bool


@pytest.fixture
async def ada(plaza: Stage) -> Person:
    return await a_person(plaza)


@pytest.fixture
async def tokens(plaza: Stage, ada: Person) -> dict[str, str]:
    """By name: the corpus, less what HTTP takes for white space, and one of every other class that Plaza hands out."""
    forge = Forge((await plaza[KeyService].signing_key()).unwrap(), ada.pair.access_token)
    bent = {name: make(forge) for name, make in HOSTILE.items()}
    return {**{name: token for name, token in bent.items() if token == token.strip()}, **await others(plaza, ada)}


async def others(plaza: Stage, person: Person) -> dict[str, str]:
    (await plaza[MagicLinkService].ask(MagicLinkInput(email=person.email))).unwrap()
    (await plaza[PasswordService].ask_reset(EmailInput(email=person.email))).unwrap()
    (login_link,), (reset_link,) = [await links_to(plaza, person.email, kind) for kind in ("login", "reset")]
    verify_link, undo_link = await links_of_others(plaza)
    app, options = await an_app(plaza, person), (await plaza[PasskeyService].authentication_options()).unwrap()
    keys = plaza[ApiKeyService]
    key = (await keys.create(person.actor, NewApiKey(name="Script", scopes=["identity:read"]))).unwrap()
    revoked = (await keys.create(person.actor, NewApiKey(name="Old script", scopes=["identity:read"]))).unwrap()
    (await keys.revoke(person.actor, revoked.id)).unwrap()
    return {
        "a refresh token": person.refresh_token,
        "a socket ticket": (await plaza[TicketService].issue(person.actor)).unwrap().ticket,
        "an mfa_token": await half_login(plaza, person),
        "a code of an authenticator app": app.code(),
        "a recovery code": app.recovery_codes[0],
        "a magic link": login_link,
        "a password reset": reset_link,
        "the challenge of a device key": await device_challenge(plaza, email=person.email),
        "the challenge of a passkey": options.options["challenge"],
        "the handle of that challenge": options.challenge_id,
        "an OAuth one-time code": await one_time_code(plaza, person),
        "an OAuth state": await state(plaza),
        "the link of a registration": verify_link,
        "the link that takes an address back": undo_link,
        "the cookie of a visit to the staff site": await visit(plaza),
        "a cursor": plaza[Cursors].write("identity.users", person.id),
        "the signature of a file's link": await signature(plaza),
        "the code of a group's invite link": await invite_code(plaza, person),
        "an API key with another secret": f"plz_{key.prefix}_{secrets.token_urlsafe(32)}",
        "an API key with another prefix": key.key.replace(key.prefix, "a" * len(key.prefix)),
        "an API key cut short": key.key[:-1],
        "an API key in capitals": key.key.upper(),
        "an API key without its secret": f"plz_{key.prefix}_",
        "an API key's prefix": key.prefix,
        "an API key that was revoked": revoked.key,
    }


async def one_time_code(plaza: Stage, person: Person) -> str:
    """As the callback would give it to the app."""
    code = secrets.token_urlsafe(32)
    identity = OutsideIdentity(provider="google", subject="1", email=person.email, is_vouched=True)
    expires_at = plaza.clock.now() + timedelta(minutes=5)
    await plaza[OAuthStore].put(code, Arrival(identity=identity, browser=b"", expires_at=expires_at))
    return code


async def links_of_others(plaza: Stage) -> tuple[str, str]:
    """Of a registration, and to undo a change."""
    await register(plaza, "new@example.com")
    (verify_link,) = await links_to(plaza, "new@example.com", "verify")
    grace = await a_person(plaza, "grace@example.com")
    (await plaza[EmailChangeService].ask(grace.actor, EmailInput(email="hopper@example.com"))).unwrap()
    (code,) = await codes_to(plaza, "hopper@example.com")
    (await plaza[EmailChangeService].confirm(grace.actor, CodeInput(code=code))).unwrap()
    (undo_link,) = await links_to(plaza, grace.email, "undo")
    return verify_link, undo_link


async def state(plaza: Stage) -> str:
    """As the provider would give it back."""
    state = secrets.token_urlsafe(32)
    expires_at = plaza.clock.now() + timedelta(minutes=5)
    kept = Departure(
        provider="google", nonce="n", verifier="v", browser=b"", redirect_to="http://plaza.test", expires_at=expires_at
    )
    await plaza[OAuthStore].put(state, kept)
    return state


async def visit(plaza: Stage) -> str:
    return (await a_visitor(plaza)).http.cookies["plaza_admin"]


async def signature(plaza: Stage) -> str:
    link = await plaza[Storage].signed_url("exports/one", expires_s=600, filename="one.zip")
    (found,) = parse_qs(urlsplit(link).query)["signature"]
    return found


async def invite_code(plaza: Stage, person: Person) -> str:
    http = plaza.client(person.pair.access_token)
    group = (await http.post(CONVERSATIONS, json={"kind": "group", "title": "Engines"})).json()
    made = await http.post(f"{CONVERSATIONS}/{group['id']}/invite-links", json={})
    code: str = made.json()["code"]
    return code


# What /health and /health/ready say, which on a machine that is busy with tests changes from one question to the next.
HEALTH = {Answer(200, None, False), Answer(503, None, False)}


async def routes(plaza: Stage) -> list[Route]:
    async with plaza.client() as http:
        document = (await http.get("/schema/openapi.json")).json()
    return [
        Route(method.upper(), re.sub(r"\{[^}]+\}", str(uuid4()), path), {} in operation["security"])
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


async def answers(plaza: Stage, route: Route, headers: Sequence[str]) -> list[Answer]:
    """To a request with each of these Authorization headers ("": without one), sent one behind the other."""
    reader, writer = await asyncio.open_connection("127.0.0.1", plaza.port)
    try:
        for header in headers:
            authorization = f"Authorization: {header}\r\n" if header else ""
            content = "" if route.method == "GET" else "Content-Length: 0\r\n"
            head = f"{route.method} {route.path} HTTP/1.1\r\nHost: plaza.test\r\n{authorization}{content}\r\n"
            writer.write(head.encode("utf-8", "surrogatepass"))
        return [await answer(reader) for _ in headers]
    finally:
        writer.close()


async def answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = re.search(r"\r\ncontent-length: (\d+)", head)
    body = await reader.readexactly(int(length[1]) if length else 0)
    code = json.loads(body).get("code") if "application/problem+json" in head else None
    return Answer(int(head.split()[1]), code, "\r\nwww-authenticate: bearer\r\n" in head)


async def test_refused_on_every_route(
    plaza: Stage, tokens: dict[str, str], ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KeyService, "RELOAD_EVERY_S", 0)  # nobody waits for another look at unknown keys
    gate, refused = asyncio.Semaphore(AT_ONCE), Answer(401, "UNAUTHENTICATED", True)
    found = await routes(plaza)
    assert len(found) > 100

    async def walk(route: Route) -> list[str]:
        async with gate:
            without, *given = await answers(plaza, route, ["", *(f"Bearer {token}" for token in tokens.values())])
        accepted = {refused, without} if route.is_open else {refused}  # there a bad token is worth as much as none
        accepted |= HEALTH if route.path in ("/health", "/health/ready") else set()
        told = zip(tokens, given, strict=True)
        return [f"{route.method} {route.path}, {name}: {each}" for name, each in told if each not in accepted]

    wrong = await asyncio.gather(*(walk(route) for route in found))
    assert not [each for some in wrong for each in some]
    assert await is_accepted(plaza, ada.pair.access_token)


SOCKETS = ("/ws", f"/ws/chat/{uuid4()}")


async def test_refused_on_every_socket(plaza: Stage, tokens: dict[str, str], ada: Person) -> None:
    """By header, as the first frame, and as a ticket; without a frame before."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def closed(address: str, headers: dict[str, str], first: dict[str, Any] | None) -> tuple[int, bool]:
        async with gate, dialled(f"{plaza.base_url}{address}", headers) as socket:
            if first is not None:
                await socket.connection.send(json.dumps(first))
            code, _ = await socket.closed()
            return code, bool(socket.seen)

    async def knock(name: str, token: str) -> list[str]:
        ways: list[Any] = [(path, {}, {"type": "auth", "token": token}) for path in SOCKETS]
        if token and len(token) < LINE:
            ways += [(path, {"Authorization": f"Bearer {token}"}, None) for path in SOCKETS]
        if name != "a socket ticket" and len(token) < LINE:
            ways += [(f"{path}?ticket={quote(token)}", {}, None) for path in SOCKETS]
        return [f"{name} at {way[0]}" for way in ways if await closed(*way) != (4001, False)]

    wrong = await asyncio.gather(*(knock(name, token) for name, token in tokens.items()))
    assert not [each for some in wrong for each in some]
    assert await is_accepted(plaza, ada.pair.access_token)
