"""GitHub: OAuth without OpenID, so who it is is asked of its API."""

from __future__ import annotations

import structlog
from msgspec import Struct

from plaza.core.service import outside
from plaza.identity.errors import OAuthRejected
from plaza.identity.gateways.oauth.clients import CodeClient, CodeRequest
from plaza.identity.gateways.oauth.http import OutsideHttp
from plaza.identity.schemas import IdentitySettings, OutsideIdentity

log = structlog.get_logger(__name__)


class Account(Struct, frozen=True):
    """`id` stays when the login name is given to somebody else."""

    id: int
    name: str | None = None


class Address(Struct, frozen=True):
    email: str
    primary: bool
    verified: bool


class GithubProvider:
    name = "github"

    def __init__(self, settings: IdentitySettings, http: OutsideHttp) -> None:
        self.http, self.api, self.issuer = (
            http,
            settings.oauth_github_api_url.rstrip("/"),
            settings.oauth_github_url.rstrip("/"),
        )
        self.secret = settings.oauth_github_client_secret
        self.client = CodeClient(
            http,
            self.name,
            client_id=settings.oauth_github_client_id,
            scopes=("read:user", "user:email"),
            authorize_url=f"{self.issuer}/login/oauth/authorize",
            token_url=f"{self.issuer}/login/oauth/access_token",
            auth_method="client_secret_post",
        )

    @property
    def has_browser_flow(self) -> bool:
        return True

    @outside
    async def authorization_url(self, request: CodeRequest) -> str:
        return self.client.url(request)

    @outside
    async def identify(self, request: CodeRequest) -> OutsideIdentity:
        if request.iss is not None and not f"{request.iss}/".startswith(f"{self.issuer}/"):
            log.warning("outside_login_rejected", provider=self.name, reason="another issuer answered")
            raise OAuthRejected
        answer = await self.client.tokens(request, self.secret)
        headers = {
            "Authorization": f"Bearer {answer.get('access_token')}",
            "Accept": "application/vnd.github+json",
            "User-Agent": "plaza",  # without one it refuses
        }
        account = await self.http.get(self.name, f"{self.api}/user", Account, headers)
        addresses = await self.http.get(self.name, f"{self.api}/user/emails", list[Address], headers)
        primary = next((each for each in addresses if each.primary), None)
        return OutsideIdentity(
            provider=self.name,
            subject=str(account.id),
            email=primary.email if primary is not None else None,
            is_vouched=primary is not None and primary.verified,
            name=account.name,
        )
