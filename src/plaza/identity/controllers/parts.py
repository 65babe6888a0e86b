"""What those who can answer with a token pair have in common."""

from __future__ import annotations

from litestar import Controller, Response
from litestar.datastructures import Cookie
from msgspec.structs import replace

from plaza.core.actor import Actor
from plaza.core.http import ANONYMOUS, NOT_IDEMPOTENT, Client, by_cookie
from plaza.core.settings import PlazaSettings
from plaza.domain_events.identity import SessionId
from plaza.identity.schemas import IdentitySettings, Origin, TokenPair

PREFIX = "/api/v1/auth"
COOKIE = "plaza_refresh"

# A way in: open to everybody, and what it answers is not stored.
TOKENS = {**ANONYMOUS, **NOT_IDEMPOTENT, **by_cookie(COOKIE)}


class TokenController(Controller):
    """With `cookie=true` the refresh token never meets a script."""

    plaza: PlazaSettings
    settings: IdentitySettings

    def tokens(self, pair: TokenPair, *, by_cookie: bool) -> Response[TokenPair]:
        headers = {"Cache-Control": "no-store"}
        if not by_cookie or pair.refresh_token is None:
            return Response(pair, headers=headers)
        cookie = Cookie(
            COOKIE,
            value=pair.refresh_token,
            path=PREFIX,
            httponly=True,
            samesite="strict",
            secure=self.plaza.base_url.startswith("https://"),
            max_age=self.settings.refresh_token_s,
        )
        return Response(replace(pair, refresh_token=None), headers=headers, cookies=[cookie])

    def without_cookie(self) -> Response[None]:
        response = Response(None, status_code=204)
        response.delete_cookie(COOKIE, path=PREFIX)
        return response


def origin_of(client: Client, caller: Actor | None = None) -> Origin:
    """With a `caller` who is signed in already, a login as the same person takes their session's place (re-authentication)."""
    replaces = SessionId(caller.session_id) if caller is not None and caller.session_id is not None else None
    return Origin(ip=client.ip, user_agent=client.user_agent, replaces=replaces)
