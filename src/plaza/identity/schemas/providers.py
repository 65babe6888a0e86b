"""Who else may say who somebody is: PLAZA_IDENTITY_OAUTH_* and PLAZA_IDENTITY_JWT_ISSUERS."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

C = TypeVar("C", bound=msgspec.Struct)

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
# A claim by its name, or by the names that lead to it from the outside inwards.
Path = str | list[str]

ANY_DOMAIN = "*"
# Asymmetric, and none that is weaker: a key set is public, and a symmetric key in it would be everybody's.
ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
)

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_REDIRECT = re.compile(r"[a-z][a-z0-9+.-]*:[\x21-\x7e]+")


class OidcProvider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Called `oidc:<name>`. `email_domains` are those whose addresses it may vouch for, `*` is all of them; other addresses are asked for
    a code. Without a `client_id` only apps of `native_client_ids` come by it, with id tokens of theirs.
    """

    name: Name
    issuer: str
    client_id: str = ""
    client_secret: str = ""
    native_client_ids: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    email_domains: tuple[str, ...] = ()
    discovery_url: str = ""

    def __post_init__(self) -> None:
        for url in (self.issuer, self.discovery_url):
            if url and not is_trustworthy(url):
                raise ValueError("addresses begin with https://")
        if not (self.client_id or self.native_client_ids):
            raise ValueError("needs a client_id or native_client_ids")


class JwtIssuer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An identity provider whose own access tokens are accepted as Bearer tokens; its people are called `jwt:<name>`,
    or by their `provider` (`oidc:<name>`) where they can log in by it in the browser as well.

    `*_claim` say where things stand in its tokens; without an `email_verified_claim` its addresses all count as verified, as far as
    they are of `email_domains`. `types` are the `typ` headers of its access tokens, the empty one where it sets none.
    `roles` maps its roles to ours; what is not mapped grants nothing.
    """

    name: Name
    provider: Annotated[str, Meta(pattern=r"^(oidc:[a-z0-9][a-z0-9-]{0,39})?$")] = ""
    issuer: Annotated[str, Meta(min_length=1, max_length=300)]
    jwks_url: str
    audience: Annotated[tuple[str, ...], Meta(min_length=1)]
    algorithms: Annotated[tuple[str, ...], Meta(min_length=1)] = ("RS256", "ES256")
    types: Annotated[tuple[str, ...], Meta(min_length=1)] = ("at+jwt", "JWT")
    session_claim: Path = "sid"
    email_claim: Path = "email"
    email_verified_claim: Path | None = "email_verified"
    email_domains: tuple[str, ...] = ()
    name_claim: Path = "name"
    organization_claim: Path = "org_id"
    roles_claim: Path = "roles"
    methods_claim: Path = "amr"
    roles: dict[str, str] = {}
    max_token_s: Annotated[int, Meta(ge=60, le=86_400)] = 3600

    def __post_init__(self) -> None:
        if not is_trustworthy(self.jwks_url):
            raise ValueError("jwks_url begins with https://")
        if unknown := set(self.algorithms) - ALGORITHMS:
            raise ValueError(f"algorithms: {', '.join(sorted(unknown))} cannot be trusted")
        if "superuser" in self.roles.values():
            raise ValueError("roles: nobody becomes superuser by the word of an outside issuer")


class ProviderSettings(msgspec.Struct, frozen=True):
    """`oauth_redirect_urls` are the exact addresses that a login may end at, beside `/account` and `/` of this installation.

    `oauth_apple_private_key` is the PEM of the key that signs the client secret (`\\n` for line ends). `oauth_oidc` is a JSON list of
    providers, `jwt_issuers` one of issuers whose access tokens are accepted: docs/operations/identity-providers.md.
    """

    oauth_redirect_urls: tuple[str, ...] = ()
    oauth_timeout_s: int = 10
    oauth_google_client_id: str = ""
    oauth_google_client_secret: str = ""
    oauth_google_native_client_ids: tuple[str, ...] = ()
    oauth_google_issuer: str = "https://accounts.google.com"
    oauth_apple_client_id: str = ""
    oauth_apple_team_id: str = ""
    oauth_apple_key_id: str = ""
    oauth_apple_private_key: str = ""
    oauth_apple_native_client_ids: tuple[str, ...] = ()
    oauth_apple_issuer: str = "https://appleid.apple.com"
    oauth_github_client_id: str = ""
    oauth_github_client_secret: str = ""
    oauth_github_url: str = "https://github.com"
    oauth_github_api_url: str = "https://api.github.com"
    oauth_oidc: str = ""
    jwt_issuers: str = ""

    def check_providers(self) -> None:
        """Raises ValueError, without any secret in it."""
        for name in ("oauth_google_issuer", "oauth_apple_issuer", "oauth_github_url", "oauth_github_api_url"):
            if not is_trustworthy(getattr(self, name)):
                raise ValueError(f"{name} must begin with https://")
        if not all(_REDIRECT.fullmatch(each) and "#" not in each for each in self.oauth_redirect_urls):
            raise ValueError("oauth_redirect_urls must be whole addresses without a fragment")
        apple = (self.oauth_apple_team_id, self.oauth_apple_key_id, self.oauth_apple_private_key)
        if self.oauth_apple_client_id and not all(apple):
            raise ValueError("oauth_apple_client_id needs oauth_apple_team_id, _key_id and _private_key beside it")
        _distinct("oauth_oidc", [each.name for each in self.oidc_providers])
        issuers = self.outside_issuers
        _distinct("jwt_issuers", [each.name for each in issuers])
        _distinct("jwt_issuers", [each.issuer for each in issuers])

    @property
    def oidc_providers(self) -> list[OidcProvider]:
        return _listed("oauth_oidc", self.oauth_oidc, OidcProvider)

    @property
    def outside_issuers(self) -> list[JwtIssuer]:
        return _listed("jwt_issuers", self.jwt_issuers, JwtIssuer)


def is_trustworthy(url: str) -> bool:
    """HTTPS; plain HTTP only to this machine."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    )


def vouches_for(domains: Sequence[str], email: str) -> bool:
    return ANY_DOMAIN in domains or email.rpartition("@")[2].casefold() in {each.casefold() for each in domains}


def _listed(name: str, given: str, kind: type[C]) -> list[C]:
    try:
        return msgspec.json.decode(given, type=list[kind]) if given else []  # type: ignore[valid-type] # a type given as a value
    except msgspec.DecodeError as error:  # tells where, never what
        raise ValueError(f"{name} must be a JSON list as in docs/operations/identity-providers.md: {error}") from None


def _distinct(name: str, values: Sequence[str]) -> None:
    if len(set(values)) < len(values):
        raise ValueError(f"{name} names one thing twice")
