"""A person's own address book."""

from __future__ import annotations

from uuid import UUID

from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from plaza.core.actor import Actor
from plaza.core.db import Page, PageRequest
from plaza.identity.controllers.parts import PREFIX
from plaza.identity.schemas import AddressInput, AddressPatch, AddressView
from plaza.identity.service import AddressService


class AddressController(Controller):
    path = f"{PREFIX}/addresses"
    tags = ("addresses",)
    addresses: AddressService

    @get("/")
    async def list(self, actor: NamedDependency[Actor], page: NamedDependency[PageRequest]) -> Page[AddressView]:
        return (await self.addresses.list(actor, page)).unwrap()

    @post("/")
    async def add(self, actor: NamedDependency[Actor], data: JSONBody[AddressInput]) -> AddressView:
        return (await self.addresses.add(actor, data)).unwrap()

    @patch("/{address_id:uuid}")
    async def change(
        self, actor: NamedDependency[Actor], address_id: FromPath[UUID], data: JSONBody[AddressPatch]
    ) -> AddressView:
        return (await self.addresses.change(actor, address_id, data)).unwrap()

    @delete("/{address_id:uuid}")
    async def remove(self, actor: NamedDependency[Actor], address_id: FromPath[UUID]) -> None:
        (await self.addresses.remove(actor, address_id)).unwrap()
