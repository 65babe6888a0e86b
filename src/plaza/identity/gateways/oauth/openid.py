"""Any OpenID provider, found by its own description (Discovery 1.0). Google and Apple are such, each with a habit or two."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
import structlog
from msgspec import Meta

from plaza.core.clock import Clock
from plaza.core.errors import OutsideServiceFailed
from plaza.core.service import outside
from plaza.identity.errors import OAuthRejected
from plaza.identity.gateways.oauth.clients import CodeClient, CodeRequest, auth_method_of
from plaza.identity.gateways.oauth.http import OutsideHttp
from plaza.identity.gateways.oauth.key_sets import KeySets
from plaza.identity.gateways.oauth.signatures import SignatureRejected, verified
from plaza.identity.schemas import ALGORITHMS, OidcProvider, OutsideIdentity, is_trustworthy, vouches_for

log = structlog.get_logger(__name__)

LEEWAY = timedelta(seconds=60)
# How old an id token may be where its provider lets it live for longer.
OLDEST = timedelta(hours=1)

# Where a login was to be proved anew: what the person needs for it.
OLDEST_PROOF = timedelta(minutes=10)

Moment = Annotated[float, Meta(ge=0, le=253_402_300_799)]


class Description(msgspec.Struct, frozen=True):
    """Of `/.well-known/openid-configuration`, what is used here."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: list[str] | None = None
    authorization_response_iss_parameter_supported: bool = False


class IdClaims(msgspec.Struct, frozen=True, kw_only=True):
    """Apple spells booleans as strings, too."""

    iss: str
    aud: str | list[str]
    sub: Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")]
    exp: Moment
    iat: Moment
    nonce: str | None = None
    azp: str | None = None
    auth_time: Moment | None = None
    email: str | None = None
    email_verified: bool | str = False
    name: str | None = None


class UserInfo(msgspec.Struct, frozen=True):
    sub: str
    email: str | None = None
    email_verified: bool | str = False
    name: str | None = None


class OpenIdProvider:
    """`secret` makes the client secret for one call; `further` goes along to the authorisation endpoint."""

    DESCRIPTION_KEPT_S = 3600.0

    def __init__(
        self,
        name: str,
        config: OidcProvider,
        http: OutsideHttp,
        keys: KeySets,
        clock: Clock,
        *,
        secret: Callable[[], str] | None = None,
        further: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.name, self.config, self.http, self.keys, self.clock = name, config, http, keys, clock
        self.secret = secret or (lambda: config.client_secret)
        self.further = dict(further)
        self._description: Description | None = None
        self._described_at = 0.0
        self._describing = asyncio.Lock()

    @property
    def has_browser_flow(self) -> bool:
        return bool(self.config.client_id)

    @outside
    async def authorization_url(self, request: CodeRequest) -> str:
        client = self._client(await self._describe())
        further = {**self.further, "prompt": "login", "max_age": "0"} if request.fresh else self.further
        return client.url(request, nonce=request.nonce, **further)

    @outside
    async def identify(self, request: CodeRequest) -> OutsideIdentity:
        """The `iss` that came back tells apart providers that share a redirect address (RFC 9207); here each has its own as well."""
        description = await self._describe()
        must_name_itself = description.authorization_response_iss_parameter_supported
        if request.iss != self.config.issuer and (request.iss is not None or must_name_itself):
            raise self._rejected("another issuer answered")
        answer = await self._client(description).tokens(request, self.secret())
        id_token = answer.get("id_token")
        if not isinstance(id_token, str):
            raise self._rejected("no id token")
        claims = await self._claims(id_token, description, {self.config.client_id})
        if claims.nonce is None or not _same(claims.nonce, request.nonce):
            raise self._rejected("another nonce")
        if (
            request.fresh
            and claims.auth_time is not None
            and claims.auth_time < (self.clock.now() - OLDEST_PROOF).timestamp()
        ):
            raise self._rejected("an earlier login at the provider")
        if claims.email is None and description.userinfo_endpoint is not None:
            claims = await self._asked(claims, description.userinfo_endpoint, str(answer.get("access_token")))
        return self._identity(claims)

    @outside
    async def identify_app(self, id_token: str, nonce: str | None) -> tuple[OutsideIdentity, datetime]:
        """Of a native app's id token, and until when it is valid. A token with a nonce needs it, and a nonce needs a token with it.

        Apps give their provider either the nonce itself or its SHA-256 in hexadecimal, as Apple advises.
        """
        audiences = {each for each in (self.config.client_id, *self.config.native_client_ids) if each}
        claims = await self._claims(id_token, await self._describe(), audiences)
        if (claims.nonce is None) != (nonce is None):
            raise self._rejected("a nonce on one side only")
        if claims.nonce is not None and nonce is not None:
            hashed = hashlib.sha256(nonce.encode()).hexdigest()
            if not (_same(claims.nonce, nonce) or _same(claims.nonce, hashed)):
                raise self._rejected("another nonce")
        return self._identity(claims), datetime.fromtimestamp(claims.exp, UTC)

    async def _claims(self, id_token: str, description: Description, audiences: Collection[str]) -> IdClaims:
        try:
            payload = await verified(
                id_token, self.keys, name=self.name, jwks_url=description.jwks_uri, algorithms=ALGORITHMS
            )
            claims = msgspec.json.decode(payload, type=IdClaims)
        except (SignatureRejected, msgspec.DecodeError, RecursionError) as error:
            raise self._rejected(str(error)) from error
        now, given = self.clock.now(), [claims.aud] if isinstance(claims.aud, str) else claims.aud
        issued = datetime.fromtimestamp(claims.iat, UTC)
        if claims.iss != self.config.issuer:
            raise self._rejected("another issuer")
        if not given or not set(given) <= set(audiences) or (len(given) > 1 and claims.azp not in audiences):
            raise self._rejected("for another audience")
        if (
            datetime.fromtimestamp(claims.exp, UTC) <= now - LEEWAY
            or not now - OLDEST - LEEWAY < issued <= now + LEEWAY
        ):
            raise self._rejected("expired, or not issued yet")
        return claims

    async def _asked(self, claims: IdClaims, url: str, access_token: str) -> IdClaims:
        """What the id token leaves out, the provider tells whoever holds the access token."""
        told = await self.http.get(self.name, url, UserInfo, {"Authorization": f"Bearer {access_token}"})
        if told.sub != claims.sub:
            raise self._rejected("somebody else's user info")
        return msgspec.structs.replace(
            claims, email=told.email, email_verified=told.email_verified, name=claims.name or told.name
        )

    def _identity(self, claims: IdClaims) -> OutsideIdentity:
        is_verified = claims.email_verified is True or claims.email_verified == "true"
        return OutsideIdentity(
            provider=self.name,
            subject=claims.sub,
            email=claims.email,
            is_vouched=claims.email is not None
            and is_verified
            and vouches_for(self.config.email_domains, claims.email),
            name=claims.name,
        )

    async def _describe(self) -> Description:
        async with self._describing:
            kept = self._description
            if kept is not None and time.monotonic() - self._described_at < self.DESCRIPTION_KEPT_S:
                return kept
            url = self.config.discovery_url or f"{self.config.issuer.rstrip('/')}/.well-known/openid-configuration"
            found = await self.http.get(self.name, url, Description)
            self._check(found)
            self._description, self._described_at = found, time.monotonic()
            return found

    def _check(self, found: Description) -> None:
        """A description that speaks for somebody else, or leads where others can listen, is none."""
        endpoints = (found.authorization_endpoint, found.token_endpoint, found.jwks_uri, found.userinfo_endpoint)
        is_local = self.config.issuer.startswith("http://")
        for url in (each for each in endpoints if each is not None):
            if not is_trustworthy(url) or (url.startswith("http://") and not is_local):
                log.warning("outside_description_rejected", provider=self.name, endpoint=url[:200])
                raise OutsideServiceFailed(f"{self.name} did not answer as it should.")
        if found.issuer != self.config.issuer:
            log.warning("outside_description_rejected", provider=self.name, issuer=found.issuer[:200])
            raise OutsideServiceFailed(f"{self.name} did not answer as it should.")

    def _client(self, description: Description) -> CodeClient:
        return CodeClient(
            self.http,
            self.name,
            client_id=self.config.client_id,
            scopes=self.config.scopes,
            authorize_url=description.authorization_endpoint,
            token_url=description.token_endpoint,
            auth_method=auth_method_of(description.token_endpoint_auth_methods_supported),
        )

    def _rejected(self, reason: str) -> OAuthRejected:
        log.warning("outside_login_rejected", provider=self.name, reason=reason)
        return OAuthRejected()


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
