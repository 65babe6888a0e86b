"""The HTTP edge of `plaza.core.idempotency`: an `Idempotency-Key` on a POST puts an `IdempotentCall` around its commands."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.crypto import Vault
from plaza.core.db import under
from plaza.core.errors import ValidationFailed
from plaza.core.http.request import client_ip, read_body, replayed
from plaza.core.idempotency import IdempotentCall
from plaza.core.origin import network_of

NOT_IDEMPOTENT = {"idempotent": False}
_HEADER = b"idempotency-key"


class Idempotency:
    """ASGI middleware, after Authentication. Routes whose answers hold tokens or keys are marked NOT_IDEMPOTENT and ignore the header.

    Fingerprints are keyed: a body may hold a password, which could be guessed from a plain hash.
    """

    def __init__(self, app: ASGIApp, clock: Clock, vault: Vault) -> None:
        self.app, self.clock, self.key = app, clock, vault.key("idempotency")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = _key(scope)
        if (
            key is None
            or scope["type"] != ScopeType.HTTP
            or scope["method"] != "POST"
            or scope["route_handler"].opt.get("idempotent") is False
        ):
            await self.app(scope, receive, send)
            return
        if not (1 <= len(key) <= 255 and key.isascii() and key.isprintable()):
            raise ValidationFailed("Idempotency-Key takes 1 to 255 printable ASCII characters.")
        actor: Actor | None = scope.get("actor")  # type: ignore[assignment] # set by Authentication
        caller = str(actor.user_id) if actor else f"anonymous:{network_of(client_ip(scope))}"
        body = await read_body(receive)
        if body is None:
            return
        parts = (scope["method"].encode(), scope["path"].encode(), scope["query_string"], caller.encode(), body)
        hashes = b"".join(hashlib.sha256(part).digest() for part in parts)
        fingerprint = hmac.digest(self.key, hashes, "sha256")
        call = IdempotentCall(self.clock, caller, key, fingerprint)
        with under(call):
            await self.app(scope, replayed(body, receive), _marked(send, call))


def _key(scope: Any) -> str | None:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == _HEADER), None)


def _marked(send: Send, call: IdempotentCall) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start" and call.replayed:
            MutableScopeHeaders.from_message(message)["Idempotency-Replayed"] = "true"
        await send(message)

    return wrapped
