"""The part of an authorisation code's way that all providers share (RFC 6749, 7636, 9207)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Collection, Sequence
from typing import Any, Protocol
from urllib.parse import quote_plus

import msgspec
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client

from plaza.identity.errors import OAuthRejected
from plaza.identity.gateways.oauth.http import OutsideHttp
from plaza.identity.schemas import OutsideIdentity

# The code is wrong, was used, or belongs to another verifier (GitHub has a word of its own): whoever brought it is refused. Every other
# error is between the provider and the operator.
_BAD_CODE = frozenset({"invalid_grant", "bad_verification_code"})


class CodeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a login was begun with, and then the `code` and `iss` that came back. A `fresh` one is to be proved to the provider anew."""

    redirect_uri: str
    state: str
    nonce: str
    verifier: str
    fresh: bool = False
    code: str = ""
    iss: str | None = None


class OutsideProvider(Protocol):
    """All methods raise OutsideServiceFailed where the provider does not answer, OAuthRejected where its answer proves nothing."""

    name: str

    @property
    def has_browser_flow(self) -> bool: ...

    async def authorization_url(self, request: CodeRequest) -> str:
        """Where the browser is sent."""
        ...

    async def identify(self, request: CodeRequest) -> OutsideIdentity:
        """Who the code was issued for."""
        ...


class CodeClient:
    """One provider's endpoints, and what this installation is there."""

    def __init__(
        self,
        http: OutsideHttp,
        name: str,
        *,
        client_id: str,
        scopes: Sequence[str],
        authorize_url: str,
        token_url: str,
        auth_method: str = "client_secret_basic",
    ) -> None:
        self.http, self.name, self.client_id, self.scopes = http, name, client_id, scopes
        self.authorize_url, self.token_url, self.auth_method = authorize_url, token_url, auth_method

    def url(self, request: CodeRequest, **further: str) -> str:
        """With PKCE, always: a provider that does not know it ignores it."""
        url, _ = self._client("").create_authorization_url(
            self.authorize_url,
            state=request.state,
            code_verifier=request.verifier,
            redirect_uri=request.redirect_uri,
            **further,
        )
        return str(url)

    async def tokens(self, request: CodeRequest, client_secret: str) -> dict[str, Any]:
        with self.http.failing(self.name):
            async with asyncio.timeout(self.http.timeout_s), self._client(client_secret) as client:
                try:
                    answer = await client.fetch_token(
                        self.token_url,
                        grant_type="authorization_code",
                        code=request.code,
                        redirect_uri=request.redirect_uri,
                        code_verifier=request.verifier,
                    )
                except OAuthError as error:
                    if error.error in _BAD_CODE:
                        raise OAuthRejected from error
                    raise
                except (KeyError, TypeError, AttributeError) as error:
                    raise ValueError("an answer that no provider gives") from error
        return dict(answer)

    def _client(self, client_secret: str) -> Any:
        client = AsyncOAuth2Client(
            client_id=self.client_id,
            client_secret=client_secret or None,
            token_endpoint_auth_method=self.auth_method if client_secret else "none",
            scope=" ".join(self.scopes),
            code_challenge_method="S256",
            **self.http.options,
        )
        client.register_client_auth_method(("client_secret_basic", _basic))
        return client


def auth_method_of(supported: Collection[str] | None) -> str:
    """In the body where the server takes that: servers disagree on how a secret is spelled in HTTP Basic, which is what one that says

    nothing understands (OpenID Connect Discovery 1.0, section 3).
    """
    if supported is not None and "client_secret_post" in supported:
        return "client_secret_post"
    return "client_secret_basic"


def _basic(client: Any, _method: str, url: str, headers: dict[str, str], body: str) -> tuple[str, dict[str, str], str]:
    """As RFC 6749, 2.3.1 spells it: both halves form-encoded."""
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return url, headers, body
