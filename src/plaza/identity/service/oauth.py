"""Logging in at an outside provider.

    app      -> authorize  -> provider      a state that only this browser can bring back, PKCE, a nonce
    provider -> callback   -> app           the state is used up, the code is changed for an identity, a one-time code goes to the app
    app      -> exchange   -> token pair    only whoever set out has the cookie, or the verifier of their own challenge

Nothing is written before the exchange: an address in a mail, or a page that sends people through here, makes neither account nor
session. While signed in, the same way links an account instead, and ends at the callback.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from datetime import timedelta
from urllib.parse import unquote, urlencode

import msgspec
import structlog

from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Database, Page
from plaza.core.errors import OutsideServiceFailed, Unavailable, ValidationFailed
from plaza.core.result import DomainError, ServiceResult, failure, success
from plaza.core.service import Service, flow, query
from plaza.core.settings import PlazaSettings
from plaza.identity.errors import (
    CodeInvalid,
    EmailNotVerified,
    OAuthDenied,
    OAuthRejected,
    OAuthStateInvalid,
    ProviderNotConfigured,
    TokenUsed,
)
from plaza.identity.gateways.oauth import CodeRequest, OAuthStore, OutsideProviders
from plaza.identity.schemas import (
    Arrival,
    AuthorizeInput,
    Departure,
    Exchange,
    IdentitySettings,
    Journey,
    NativeLogin,
    Origin,
    OutsideIdentity,
    ProviderView,
    Redirect,
    TokenPair,
)
from plaza.identity.service.attempts import LoginAttempts, noted
from plaza.identity.service.linked_accounts import CodeMailed, LinkedAccountService
from plaza.identity.service.tokens import TokenService

log = structlog.get_logger(__name__)

PREFIX = "/api/v1/auth/oauth"
AWAY = timedelta(minutes=10)
ARRIVED = timedelta(seconds=60)
_BROWSER = re.compile(r"[A-Za-z0-9_-]{43}")
# What browsers do not read as more than a path: no host, no scheme, nothing that they skip or turn into a slash.
_RELATIVE = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")
_CANCELLED = frozenset({"access_denied", "user_cancelled_authorize", "user_cancelled_login"})


class OAuthService(Service):
    def __init__(
        self,
        db: Database,
        clock: Clock,
        settings: IdentitySettings,
        plaza: PlazaSettings,
        providers: OutsideProviders,
        store: OAuthStore,
        accounts: LinkedAccountService,
        attempts: LoginAttempts,
        tokens: TokenService,
    ) -> None:
        super().__init__(db)
        self.clock, self.plaza, self.providers, self.store = clock, plaza, providers, store
        self.accounts, self.attempts, self.tokens = accounts, attempts, tokens
        self.home = f"{plaza.base_url}/account"
        self.allowed = frozenset({self.home, f"{plaza.base_url}/", *settings.oauth_redirect_urls})

    @query()
    async def offered(self) -> ServiceResult[Page[ProviderView]]:
        """What a page may offer; all of them on one page."""
        names = self.providers.offered()
        return success(Page([ProviderView(name=name, title=_title(name)) for name in names], None))

    @flow(ProviderNotConfigured, ValidationFailed, OutsideServiceFailed, Unavailable)
    async def begin(
        self,
        provider: str,
        given: AuthorizeInput,
        *,
        browser: str | None = None,
        is_cross_site: bool = False,
        actor: Actor | None = None,
    ) -> ServiceResult[Redirect]:
        """`browser` is the secret of an earlier login's cookie, so that two tabs do not break each other. With an `actor` it links.

        Another site cannot log somebody in unasked (ASVS 7.6.2): without a challenge, whose verifier only the beginner has, it has to
        begin on our own pages.
        """
        found = self.providers.browser(provider)
        if given.code_challenge is None and is_cross_site:
            return failure(ValidationFailed(errors={"code_challenge": ["Needed where another site begins the login."]}))
        browser = browser if browser is not None and _BROWSER.fullmatch(browser) else secrets.token_urlsafe(32)
        state = secrets.token_urlsafe(32)
        departure = Departure(
            provider=provider,
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            browser=_hash(browser),
            redirect_to=self._allowed(given.redirect_to),
            next=relative_path(given.next),
            code_challenge=given.code_challenge,
            fresh=given.reauthenticate,
            actor=actor,
            expires_at=self.clock.now() + AWAY,
        )
        url = await found.authorization_url(self._request(departure, state))
        await self.store.put(state, departure)
        return success(Redirect(url, browser))

    @flow(ProviderNotConfigured, Unavailable)
    async def come_back(self, provider: str, journey: Journey, browser: str | None) -> ServiceResult[str]:
        """Where the browser goes next: always an allowed address, with a `code`, with `linked`, or with the code of an `error`."""
        self.providers.browser(provider)
        departure = await self.store.take(journey.state or "", Departure)
        if departure is None or departure.provider != provider or not _is(browser, departure.browser):
            return success(_with(self.home, error=OAuthStateInvalid.code))
        try:
            identity = await self._identify(departure, journey)
            if departure.actor is not None:
                (await self.accounts.link(departure.actor, identity)).unwrap()
                return success(_with(departure.redirect_to, linked=provider, next=departure.next))
        except Unavailable:
            raise
        except DomainError as refused:
            return success(_with(departure.redirect_to, error=refused.code, next=departure.next))
        code = secrets.token_urlsafe(32)
        arrival = Arrival(
            identity=identity,
            browser=departure.browser,
            code_challenge=departure.code_challenge,
            expires_at=self.clock.now() + ARRIVED,
        )
        await self.store.put(code, arrival)
        return success(_with(departure.redirect_to, code=code, next=departure.next))

    @flow(CodeInvalid, EmailNotVerified, Unavailable, LinkedAccountService.admit, TokenService.answer)
    @noted("fed")
    async def exchange(self, given: Exchange, origin: Origin) -> ServiceResult[TokenPair]:
        """A code is gone after the first try, right or wrong."""
        arrival = await self.store.take(given.code, Arrival)
        if arrival is None or not _has_begun(arrival, given):
            return failure(CodeInvalid())
        return await self._let_in(arrival.identity, origin)

    @flow(
        ProviderNotConfigured,
        OAuthRejected,
        TokenUsed,
        EmailNotVerified,
        OutsideServiceFailed,
        Unavailable,
        LinkedAccountService.admit,
        TokenService.answer,
    )
    @noted("fed")
    async def native(self, given: NativeLogin, origin: Origin) -> ServiceResult[TokenPair]:
        """By an id token that an app got from the provider; it counts once."""
        identity, until = await self.providers.native(given.provider).identify_app(given.id_token, given.nonce)
        if not await self.store.is_first_use(given.id_token, until):
            return failure(TokenUsed())
        if identity.name is None and given.name is not None:
            identity = msgspec.structs.replace(identity, name=given.name)
        return await self._let_in(identity, origin)

    async def _identify(self, departure: Departure, journey: Journey) -> OutsideIdentity:
        if journey.error is not None:
            log.info("outside_login_refused", provider=departure.provider, error=journey.error[:80])
            raise OAuthDenied if journey.error in _CANCELLED else OutsideServiceFailed
        request = msgspec.structs.replace(
            self._request(departure, journey.state or ""), code=journey.code or "", iss=journey.iss
        )
        identity = await self.providers.browser(departure.provider).identify(request)
        return identity if identity.name else msgspec.structs.replace(identity, name=journey.name)

    async def _let_in(self, identity: OutsideIdentity, origin: Origin) -> ServiceResult[TokenPair]:
        admitted = (await self.accounts.admit(identity, origin)).unwrap()
        if isinstance(admitted, CodeMailed):
            # Whoever came has just heard the address from the provider: it says where the code went.
            return failure(EmailNotVerified(members={"email": identity.email}))
        return await self.tokens.answer(admitted)

    def _request(self, departure: Departure, state: str) -> CodeRequest:
        return CodeRequest(
            redirect_uri=f"{self.plaza.base_url}{PREFIX}/{departure.provider}/callback",
            state=state,
            nonce=departure.nonce,
            verifier=departure.verifier,
            fresh=departure.fresh,
        )

    def _allowed(self, redirect_to: str | None) -> str:
        if redirect_to is None:
            return self.home
        if redirect_to not in self.allowed:
            raise ValidationFailed(errors={"redirect_to": ["This is not one of the allowed addresses."]})
        return redirect_to


def _title(provider: str) -> str:
    known = {"google": "Google", "apple": "Apple", "github": "GitHub"}
    return known.get(provider) or provider.removeprefix("oidc:").replace("-", " ").title()


def relative_path(given: str | None) -> str | None:
    """Raises ValidationFailed for what could lead off the site, also where somebody decodes or resolves it once more."""
    if given is None:
        return None
    path = unquote(re.split("[?#]", given, maxsplit=1)[0])
    segments = path.split("/")[1:]
    is_plain = _RELATIVE.fullmatch(given) and "\\" not in path and "" not in segments[:-1]
    if not is_plain or {".", ".."} & set(segments) or not path.isprintable():
        raise ValidationFailed(errors={"next": ["Only a path on this site, such as /account."]})
    return given


def _has_begun(arrival: Arrival, given: Exchange) -> bool:
    if arrival.code_challenge is None:
        return _is(given.browser, arrival.browser)
    digest = hashlib.sha256((given.verifier or "").encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return hmac.compare_digest(challenge, arrival.code_challenge)


def _with(address: str, **parameters: str | None) -> str:
    given = {name: value for name, value in parameters.items() if value is not None}
    return f"{address}{'&' if '?' in address else '?'}{urlencode(given)}"


def _is(secret: str | None, hash: bytes) -> bool:
    return secret is not None and hmac.compare_digest(_hash(secret), hash)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
