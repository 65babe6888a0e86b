"""Whom somebody has blocked."""

from __future__ import annotations

from uuid import UUID

from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from plaza.chat.schemas.blocks import BlockView, NewBlock
from plaza.chat.service.blocks import BlockService
from plaza.core.actor import Actor
from plaza.core.db import Page, PageRequest
from plaza.core.http import documented
from plaza.domain_events.identity import UserId


class BlockController(Controller):
    path = "/api/v1/chat/blocks"
    tags = ("chat",)
    blocks: BlockService

    @get()
    async def list_blocks(self, actor: NamedDependency[Actor], page: NamedDependency[PageRequest]) -> Page[BlockView]:
        return (await self.blocks.page(actor, page)).unwrap()

    @post(responses={200: documented(BlockView, "Blocked already")})
    async def block(self, actor: NamedDependency[Actor], data: JSONBody[NewBlock]) -> Response[BlockView]:
        view, is_new = (await self.blocks.block(actor, data)).unwrap()
        return Response(view, status_code=201 if is_new else 200)

    @delete("/{user_id:uuid}")
    async def unblock(self, actor: NamedDependency[Actor], user_id: FromPath[UUID]) -> None:
        (await self.blocks.unblock(actor, UserId(user_id))).unwrap()
