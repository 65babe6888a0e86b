"""Access tokens (RFC 9068): signed once, verified once, then known until they expire or their session ends."""

from __future__ import annotations

import base64
import json
import re
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec
from joserfc import jws
from joserfc.errors import JoseError

from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Database
from plaza.core.errors import Unauthenticated
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, flow
from plaza.core.settings import PlazaSettings
from plaza.identity.errors import MfaRequired, TokenStale
from plaza.identity.schemas import (
    Admission,
    Claims,
    Grant,
    IdentitySettings,
    Impersonator,
    SecondFactorNeeded,
    TokenPair,
)
from plaza.identity.service.keys import KeyService
from plaza.identity.service.watch import SessionWatch, StaleWatch

T = TypeVar("T")

AUDIENCE = "plaza"
MAX_BYTES = 8 * 1024
# An ES256 signature is 64 bytes: 86 characters, whatever else a decoder would forgive.
_SHAPE = re.compile(r"([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.([A-Za-z0-9_-]{86})")
# The order of P-256's group. Two signatures fit, (r, s) and (r, order - s): only the one with the smaller s counts.
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_ES256 = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)
_ES256.max_header_length = MAX_BYTES


class Header(msgspec.Struct, frozen=True):
    """Everything else in a header is ignored, keys and addresses of keys (jwk, jku, x5u) first of all."""

    alg: str
    typ: str
    kid: str
    crit: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Verified(msgspec.Struct, frozen=True):
    actor: Actor
    token_version: int
    expires_at: datetime


class TokenService(Service):
    """Signs and verifies; `CallerService` tells access tokens from API keys."""

    REMEMBERED = 20_000
    # How far another process' clock may be ahead.
    LEEWAY = timedelta(seconds=30)

    def __init__(
        self,
        db: Database,
        clock: Clock,
        settings: IdentitySettings,
        plaza: PlazaSettings,
        keys: KeyService,
        watch: SessionWatch,
        stale: StaleWatch,
    ) -> None:
        super().__init__(db)
        self.clock, self.settings, self.keys, self.watch, self.stale = clock, settings, keys, watch, stale
        self.issuer = plaza.issuer
        self._verified: OrderedDict[str, Verified] = OrderedDict()

    @flow(KeyService.signing_key)
    async def pair(self, grant: Grant) -> ServiceResult[TokenPair]:
        access, seconds = await self._sign(grant)
        return success(
            TokenPair(access_token=access, refresh_token=grant.refresh_token, expires_in=seconds, user=grant.user)
        )

    @flow(MfaRequired, pair)
    async def answer(self, admission: Admission) -> ServiceResult[TokenPair]:
        """What a way in answers: the tokens, or MFA_REQUIRED."""
        if isinstance(admission, SecondFactorNeeded):
            members = {"mfa_token": admission.mfa_token, "methods": admission.methods}
            return failure(MfaRequired(members=members))
        return await self.pair(admission)

    async def authenticate(self, token: str) -> Actor:
        """Who sent this access token. Raises Unauthenticated and TokenStale."""
        verified = self._verified.get(token)
        if verified is None:
            verified = await self._verify(token)
            self._remember(token, verified)
        if verified.expires_at <= self.clock.now():
            self._verified.pop(token, None)
            raise Unauthenticated
        session_id = verified.actor.session_id
        if session_id is None or await self.watch.has_ended(session_id):
            raise Unauthenticated("This session has ended.")
        if await self.stale.is_stale(verified.actor.user_id, verified.token_version):
            raise TokenStale
        return verified.actor

    async def _sign(self, grant: Grant) -> tuple[str, int]:
        key = (await self.keys.signing_key()).unwrap()
        now = self.clock.now()
        settings = self.settings
        life = settings.access_token_s if grant.impersonator_id is None else settings.impersonation_s
        ends = now + timedelta(seconds=life), grant.expires_at, grant.permissions_until
        expires_at = min(each for each in ends if each is not None)
        claims = Claims(
            iss=self.issuer,
            aud=AUDIENCE,
            sub=grant.user.id,
            sid=grant.session_id,
            iat=int(now.timestamp()),
            nbf=int(now.timestamp()),
            exp=int(expires_at.timestamp()),
            auth_time=int(grant.authenticated_at.timestamp()),
            ver=grant.token_version,
            amr=grant.methods,
            staff=grant.user.is_staff,
            superuser=grant.is_superuser,
            permissions=grant.permissions,
            waitlisted_until=_seconds(grant.waitlisted_until),
            act=Impersonator(grant.impersonator_id) if grant.impersonator_id is not None else None,
        )
        header = {"alg": "ES256", "typ": "at+jwt", "kid": key.kid}
        token = _with_smaller_s(jws.serialize_compact(header, msgspec.json.encode(claims), key, registry=_ES256))
        return token, round((expires_at - now).total_seconds())

    async def _verify(self, token: str) -> Verified:
        if len(token) > MAX_BYTES or (shape := _SHAPE.fullmatch(token)) is None:
            raise Unauthenticated
        if _s_of(_decoded(shape[2])) > _ORDER // 2:
            raise Unauthenticated
        try:
            header = _read(_decoded(shape[1]), Header)
        except (ValueError, RecursionError, msgspec.DecodeError) as error:
            raise Unauthenticated from error
        if (
            header.alg != "ES256"
            or header.typ.lower() not in ("at+jwt", "application/at+jwt")
            or header.crit is not msgspec.UNSET
        ):
            raise Unauthenticated
        key = (await self.keys.verifying_key(header.kid)).unwrap()
        if key is None:
            raise Unauthenticated
        try:
            claims = _read(jws.deserialize_compact(token, key, registry=_ES256).payload, Claims)
        except (JoseError, ValueError, RecursionError, msgspec.DecodeError) as error:
            raise Unauthenticated from error
        return self._accept(claims)

    def _accept(self, claims: Claims) -> Verified:
        latest = (self.clock.now() + self.LEEWAY).timestamp()
        if claims.iss != self.issuer or claims.aud != AUDIENCE or claims.nbf > latest or claims.iat > latest:
            raise Unauthenticated
        actor = Actor(
            user_id=claims.sub,
            session_id=claims.sid,
            is_staff=claims.staff,
            is_superuser=claims.superuser,
            permissions=frozenset(claims.permissions),
            methods=frozenset(claims.amr),
            impersonator_id=claims.act.sub if claims.act is not None else None,
            authenticated_at=datetime.fromtimestamp(claims.auth_time, UTC),
            waitlisted_until=datetime.fromtimestamp(claims.waitlisted_until, UTC)
            if claims.waitlisted_until is not None
            else None,
        )
        return Verified(actor, claims.ver, datetime.fromtimestamp(claims.exp, UTC))

    def _remember(self, token: str, verified: Verified) -> None:
        while len(self._verified) >= self.REMEMBERED:
            self._verified.popitem(last=False)
        self._verified[token] = verified


def _seconds(at: datetime | None) -> int | None:
    return int(at.timestamp()) if at is not None else None


def _read(raw: bytes, kind: type[T]) -> T:
    """Refuses what names anything twice: another reader might see the other one. Raises ValueError, RecursionError."""
    json.loads(raw, object_pairs_hook=_once)
    return msgspec.json.decode(raw, type=kind)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def _s_of(signature: bytes) -> int:
    return int.from_bytes(signature[32:], "big")


def _with_smaller_s(token: str) -> str:
    signed, _, last = token.rpartition(".")
    signature = _decoded(last)
    s = min(_s_of(signature), _ORDER - _s_of(signature))
    return f"{signed}.{base64.urlsafe_b64encode(signature[:32] + s.to_bytes(32, 'big')).rstrip(b'=').decode()}"


def _decoded(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
