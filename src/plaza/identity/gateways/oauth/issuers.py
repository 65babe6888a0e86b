"""Access tokens of outside issuers, verified in full before a word of them is believed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
import structlog
from msgspec import Meta

from plaza.core.clock import Clock
from plaza.core.errors import OutsideServiceFailed, Unauthenticated, Unavailable
from plaza.core.service import outside
from plaza.core.settings import PlazaSettings, SettingsError
from plaza.identity.gateways.oauth.key_sets import KeySets
from plaza.identity.gateways.oauth.signatures import SignatureRejected, unverified_payload, verified
from plaza.identity.schemas import IdentitySettings, JwtIssuer, OutsideIdentity, OutsideToken, Path, vouches_for

log = structlog.get_logger(__name__)

LEEWAY = timedelta(seconds=30)

_Moment = Annotated[float, Meta(ge=0, le=253_402_300_799)]


class _Whose(msgspec.Struct, frozen=True):
    iss: str


class _Claims(msgspec.Struct, frozen=True, kw_only=True):
    iss: str
    sub: Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")]
    aud: str | list[str]
    exp: _Moment
    iat: _Moment | None = None
    nbf: _Moment | None = None
    auth_time: _Moment | None = None


class OutsideIssuers:
    """Raises SettingsError for an issuer that calls itself what we call ourselves."""

    def __init__(self, settings: IdentitySettings, plaza: PlazaSettings, clock: Clock, keys: KeySets) -> None:
        self.clock, self.keys = clock, keys
        self._by_issuer = {each.issuer: each for each in settings.outside_issuers}
        if plaza.issuer in self._by_issuer:
            raise SettingsError("PLAZA_IDENTITY_JWT_ISSUERS names this installation itself")
        if plaza.is_production and any(each.jwks_url.startswith("http://") for each in self._by_issuer.values()):
            raise SettingsError("the keys of outside issuers are fetched over https:// in production")

    def __contains__(self, provider: str) -> bool:
        """Whether people of this provider can come with tokens at present."""
        return any(provider_of(each) == provider for each in self._by_issuer.values())

    def issuer_of(self, token: str) -> JwtIssuer | None:
        """Whose token it says it is. Only decides who has to verify it."""
        if not self._by_issuer or (payload := unverified_payload(token)) is None:
            return None
        try:
            return self._by_issuer.get(msgspec.json.decode(payload, type=_Whose).iss)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return None

    @outside
    async def verify(self, issuer: JwtIssuer, token: str) -> OutsideToken:
        """Raises Unauthenticated, and Unavailable where the issuer's keys cannot be had."""
        try:
            payload = await verified(
                token,
                self.keys,
                name=issuer.name,
                jwks_url=issuer.jwks_url,
                algorithms=issuer.algorithms,
                types=issuer.types,
            )
            claims, everything = msgspec.json.decode(payload, type=_Claims), msgspec.json.decode(payload)
        except (SignatureRejected, msgspec.DecodeError, RecursionError) as error:
            raise _rejected(issuer, str(error)) from error
        except OutsideServiceFailed as error:
            raise Unavailable(retry_after=5) from error
        self._check(issuer, claims)
        session = claim_of(everything, issuer.session_claim)
        if not isinstance(session, str) or not 0 < len(session) <= 255:
            raise _rejected(issuer, "no session")
        return OutsideToken(
            issuer=issuer.name,
            session=session,
            identity=_identity(issuer, claims, everything),
            organization=_line(claim_of(everything, issuer.organization_claim)),
            roles=_mapped(issuer, _words(claim_of(everything, issuer.roles_claim))),
            methods=_words(claim_of(everything, issuer.methods_claim)),
            authenticated_at=_at(claims.auth_time) if claims.auth_time is not None else None,
            expires_at=_at(claims.exp),
        )

    def _check(self, issuer: JwtIssuer, claims: _Claims) -> None:
        now, given = self.clock.now(), [claims.aud] if isinstance(claims.aud, str) else claims.aud
        latest, begins = (now + LEEWAY).timestamp(), max(claims.iat or 0, claims.nbf or 0)
        if claims.iss != issuer.issuer or not set(given) & set(issuer.audience):
            raise _rejected(issuer, "another issuer or audience")
        if claims.exp <= now.timestamp() or begins > latest:
            raise _rejected(issuer, "expired, or not valid yet")
        if claims.exp - (claims.iat or now.timestamp()) > issuer.max_token_s:
            raise _rejected(issuer, "valid for too long")


def claim_of(claims: Any, path: Path | None) -> Any:
    """None where there is no such claim."""
    for name in [path] if isinstance(path, str) else path or [""]:
        claims = claims.get(name) if isinstance(claims, dict) else None
    return claims


def provider_of(issuer: JwtIssuer) -> str:
    return issuer.provider or f"jwt:{issuer.name}"


def _identity(issuer: JwtIssuer, claims: _Claims, everything: Any) -> OutsideIdentity:
    email = _line(claim_of(everything, issuer.email_claim))
    is_verified = issuer.email_verified_claim is None or claim_of(everything, issuer.email_verified_claim) is True
    return OutsideIdentity(
        provider=provider_of(issuer),
        subject=claims.sub,
        email=email,
        is_vouched=email is not None and is_verified and vouches_for(issuer.email_domains, email),
        name=_line(claim_of(everything, issuer.name_claim)),
    )


def _mapped(issuer: JwtIssuer, roles: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({issuer.roles[each] for each in roles if each in issuer.roles}))


def _line(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 320 else None


def _words(value: Any) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    return tuple(each for each in listed[:100] if isinstance(each, str))


def _at(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC)


def _rejected(issuer: JwtIssuer, reason: str) -> Unauthenticated:
    log.info("outside_token_rejected", issuer=issuer.name, reason=reason)
    return Unauthenticated()
