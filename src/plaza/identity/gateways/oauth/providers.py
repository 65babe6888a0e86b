"""All providers that the operator has set up, by name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from plaza.core.clock import Clock
from plaza.core.settings import PlazaSettings, SettingsError
from plaza.identity.errors import ProviderNotConfigured
from plaza.identity.gateways.oauth.clients import OutsideProvider
from plaza.identity.gateways.oauth.github import GithubProvider
from plaza.identity.gateways.oauth.http import OutsideHttp
from plaza.identity.gateways.oauth.key_sets import KeySets
from plaza.identity.gateways.oauth.openid import OpenIdProvider
from plaza.identity.schemas import ANY_DOMAIN, IdentitySettings, OidcProvider

_APPLE_SECRET_LIFE = timedelta(minutes=5)


class OutsideProviders:
    """Raises SettingsError for a key that is none, and in production for providers over plain HTTP."""

    def __init__(
        self, settings: IdentitySettings, plaza: PlazaSettings, clock: Clock, http: OutsideHttp, keys: KeySets
    ) -> None:
        self.settings, self.clock = settings, clock
        self._by_name: dict[str, OutsideProvider] = {}
        openid = {f"oidc:{each.name}": each for each in settings.oidc_providers}
        if (google := self._google()) is not None:
            openid["google"] = google
        if (apple := self._apple()) is not None:
            openid["apple"] = apple
        for name, config in openid.items():
            secret = self._apple_secret() if name == "apple" and config.client_id else None
            # Apple tells name and address only to a form; Google asks which of several accounts is meant.
            further = {"apple": [("response_mode", "form_post")], "google": [("prompt", "select_account")]}.get(
                name, []
            )
            self._by_name[name] = OpenIdProvider(name, config, http, keys, clock, secret=secret, further=further)
        if settings.oauth_github_client_id:
            self._by_name["github"] = GithubProvider(settings, http)
        addresses = [each.issuer for each in openid.values()]
        if plaza.is_production and any(each.startswith("http://") for each in addresses):
            raise SettingsError("identity providers are spoken to over https:// in production")

    def __contains__(self, name: str) -> bool:
        """Whether anybody can come by it at present."""
        return name in self._by_name

    def offered(self) -> list[str]:
        """Those that a browser can be sent to."""
        return sorted(name for name, each in self._by_name.items() if each.has_browser_flow)

    def browser(self, name: str) -> OutsideProvider:
        """Raises ProviderNotConfigured."""
        provider = self._by_name.get(name)
        if provider is None or not provider.has_browser_flow:
            raise ProviderNotConfigured
        return provider

    def native(self, name: str) -> OpenIdProvider:
        """One whose apps come with id tokens. Raises ProviderNotConfigured."""
        provider = self._by_name.get(name)
        if not isinstance(provider, OpenIdProvider):
            raise ProviderNotConfigured
        return provider

    def _google(self) -> OidcProvider | None:
        settings = self.settings
        if not (settings.oauth_google_client_id or settings.oauth_google_native_client_ids):
            return None
        return OidcProvider(
            name="google",
            issuer=settings.oauth_google_issuer,
            client_id=settings.oauth_google_client_id,
            client_secret=settings.oauth_google_client_secret,
            native_client_ids=settings.oauth_google_native_client_ids,
            email_domains=(ANY_DOMAIN,),
        )

    def _apple(self) -> OidcProvider | None:
        settings = self.settings
        if not (settings.oauth_apple_client_id or settings.oauth_apple_native_client_ids):
            return None
        return OidcProvider(
            name="apple",
            issuer=settings.oauth_apple_issuer,
            client_id=settings.oauth_apple_client_id,
            native_client_ids=settings.oauth_apple_native_client_ids,
            scopes=("openid", "email", "name"),
            email_domains=(ANY_DOMAIN,),
        )

    def _apple_secret(self) -> Callable[[], str]:
        """A token that we sign ourselves, made anew for each call."""
        settings = self.settings
        try:
            key = ECKey.import_key(settings.oauth_apple_private_key.replace("\\n", "\n"))
        except (JoseError, ValueError, TypeError):
            raise SettingsError("PLAZA_IDENTITY_OAUTH_APPLE_PRIVATE_KEY is not the PEM of a P-256 key") from None

        def signed() -> str:
            now = self.clock.now()
            claims = {
                "iss": settings.oauth_apple_team_id,
                "sub": settings.oauth_apple_client_id,
                "aud": settings.oauth_apple_issuer,
                "iat": int(now.timestamp()),
                "exp": int((now + _APPLE_SECRET_LIFE).timestamp()),
            }
            return jwt.encode({"alg": "ES256", "kid": settings.oauth_apple_key_id}, claims, key)

        return signed
