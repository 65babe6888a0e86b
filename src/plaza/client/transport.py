"""Requests: authenticated, repeated where that is safe, decoded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import cache
from typing import Any, Generic, TypeVar
from uuid import uuid4

import httpx2
import msgspec

from plaza.client.backoff import Backoff
from plaza.client.errors import Misunderstood, PlazaError, Unauthenticated, Unreachable, of_answer
from plaza.client.models import RefreshInput, TokenPair
from plaza.client.session import OnTokens, Session, Tokens

T = TypeVar("T")

PAGE = 100
_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
_COME_AGAIN = {"RATE_LIMITED", "UNAVAILABLE", "IDEMPOTENCY_IN_PROGRESS"}
_GONE = {"ALREADY_DELETED"}
_NOTHING = httpx2.Response(204)


class Page(msgspec.Struct, Generic[T], frozen=True):
    items: list[T]
    next_cursor: str | None = None


@cache
def decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


class Transport:
    """`patience_s` is how long a request is tried again; a limit that asks for more is told at once."""

    def __init__(
        self,
        base_url: str,
        *,
        tokens: Tokens | None = None,
        on_tokens: OnTokens | None = None,
        http: httpx2.AsyncClient | None = None,
        patience_s: float = 30,
    ) -> None:
        self.base_url, self.patience_s = base_url.rstrip("/"), patience_s
        self.session = Session(self._refresh, tokens, on_tokens)
        self._http, self._is_ours = http or httpx2.AsyncClient(timeout=30), http is None

    async def close(self) -> None:
        """A client that was given is left open."""
        if self._is_ours:
            await self._http.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        kind: type[T],
        *,
        body: msgspec.Struct | None = None,
        query: Mapping[str, object] | None = None,
        repeatable: bool = True,
        keyed: bool = True,
        anonymous: bool = False,
        patience_s: float | None = None,
    ) -> T:
        """Raises PlazaErrors. What is not `repeatable` is sent again only if it did not arrive, or was turned away.

        POSTs become repeatable by an Idempotency-Key, where nothing else makes them so (`keyed=False`).
        """
        headers = {"Idempotency-Key": str(uuid4())} if method == "POST" and repeatable and keyed else {}
        backoff = Backoff(self.patience_s if patience_s is None else patience_s)
        renewed_for: str | None = None
        is_unknown = False
        while True:
            token = None if anonymous else await self.session.access_token()
            try:
                answer = await self._send(method, path, body, query, headers, token)
            except httpx2.TransportError as error:
                failed = Unreachable("UNREACHABLE", repr(error))
                if isinstance(error, _NEVER_SENT):
                    await backoff.wait(failed)
                elif repeatable:
                    is_unknown = True
                    await backoff.wait(failed)
                else:
                    raise failed from error
                continue
            if answer.is_success:
                return self._read(answer, kind)
            refused = of_answer(answer.status_code, answer.content, _retry_after(answer))
            if token is not None and _is_about_token(refused) and renewed_for != token:
                await self.session.renew(token)
                renewed_for = self.session.tokens.access_token if self.session.tokens is not None else None
            elif is_unknown and method == "DELETE" and (refused.status in (404, 410) or refused.code in _GONE):
                return self._read(_NOTHING, kind)
            elif refused.code in _COME_AGAIN or (repeatable and _is_of_a_proxy(refused)):
                await backoff.wait(refused)
            else:
                raise refused

    async def pages(self, path: str, kind: type[T], query: Mapping[str, object] | None = None) -> AsyncIterator[T]:
        """Every item of a list, a page at a time."""
        cursor: str | None = None
        while True:
            asked = {"limit": PAGE, **(query or {}), "cursor": cursor}
            page: Page[T] = await self.ask("GET", path, Page[kind], query=asked)  # type: ignore[valid-type] # a variable
            for item in page.items:
                yield item
            if page.next_cursor is None:
                return
            cursor = page.next_cursor

    async def _send(
        self,
        method: str,
        path: str,
        body: msgspec.Struct | None,
        query: Mapping[str, object] | None,
        headers: Mapping[str, str],
        token: str | None,
    ) -> httpx2.Response:
        given = dict(headers)
        if token is not None:
            given["Authorization"] = f"Bearer {token}"
        content = None
        if body is not None:
            content, given["Content-Type"] = msgspec.json.encode(body), "application/json"
        asked = {name: _spelled(value) for name, value in (query or {}).items() if value is not None}
        return await self._http.request(
            method, f"{self.base_url}{path}", params=asked, content=content, headers=given, follow_redirects=False
        )

    def _read(self, answer: httpx2.Response, kind: type[T]) -> T:
        shape: Any = kind
        try:
            found: T = decoder(shape).decode(answer.content or b"null")
        except msgspec.DecodeError as error:
            raise Misunderstood("NOT_PLAZA", str(error), status=answer.status_code) from error
        return found

    async def _refresh(self, refresh_token: str) -> TokenPair:
        """Safe to repeat: for a short while the server answers a used token with the same successor."""
        return await self.ask(
            "POST",
            "/api/v1/auth/token/refresh",
            TokenPair,
            body=RefreshInput(refresh_token=refresh_token),
            keyed=False,
            anonymous=True,
            patience_s=20,
        )


def _is_about_token(refused: PlazaError) -> bool:
    return isinstance(refused, Unauthenticated) and refused.code in ("UNAUTHENTICATED", "TOKEN_STALE")


def _is_of_a_proxy(refused: PlazaError) -> bool:
    return isinstance(refused, Misunderstood) and refused.status in (502, 503, 504)


def _retry_after(answer: httpx2.Response) -> float | None:
    told = answer.headers.get("Retry-After", "")
    return float(told) if told.isdigit() else None


def _spelled(value: object) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
