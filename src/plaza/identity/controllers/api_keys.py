"""Keys for programs. They never reach these routes themselves."""

from __future__ import annotations

from uuid import UUID

from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from plaza.core.actor import Actor
from plaza.core.db import Page, PageRequest
from plaza.core.http import CREDENTIALS, NOT_IDEMPOTENT, STEP_UP, limited
from plaza.identity.controllers.parts import PREFIX
from plaza.identity.schemas import ApiKeyView, MadeApiKey, NewApiKey, ScopeView
from plaza.identity.service import ApiKeyService


class ApiKeyController(Controller):
    path = f"{PREFIX}/api-keys"
    tags = ("api keys",)
    keys: ApiKeyService

    @get("/", opt=CREDENTIALS)
    async def mine(self, actor: NamedDependency[Actor], page: NamedDependency[PageRequest]) -> Page[ApiKeyView]:
        return (await self.keys.mine(actor, page)).unwrap()

    @get("/scopes", opt=CREDENTIALS)
    async def scopes(self) -> Page[ScopeView]:
        """What a key may be made for. All of them on one page."""
        return (await self.keys.offered()).unwrap()

    @post("/", opt={**STEP_UP, **NOT_IDEMPOTENT, **limited("api-key", "10/minute", credential=True)})
    async def create(self, actor: NamedDependency[Actor], data: JSONBody[NewApiKey]) -> Response[MadeApiKey]:
        """The only answer that holds the key."""
        made = (await self.keys.create(actor, data)).unwrap()
        return Response(made, status_code=201, headers={"Cache-Control": "no-store"})

    @delete("/{key_id:uuid}", opt=CREDENTIALS)
    async def revoke(self, actor: NamedDependency[Actor], key_id: FromPath[UUID]) -> None:
        """Refused everywhere within a second."""
        (await self.keys.revoke(actor, key_id)).unwrap()
