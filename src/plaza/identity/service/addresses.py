"""The address book."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Cursors, Database, Page, PageRequest
from plaza.core.errors import InvalidCursor, ValidationFailed
from plaza.core.ids import uuid7
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command, query
from plaza.domain_events.identity import UserId
from plaza.identity.errors import AddressNotFound, TooManyAddresses, UserNotFound
from plaza.identity.models import Address
from plaza.identity.repository import AddressRepository, UserRepository
from plaza.identity.schemas import AddressInput, AddressPatch, AddressView
from plaza.identity.service.contacts import cleaned_line, normalized_phone
from plaza.identity.service.countries import COUNTRIES

MOST = 50
_DEFAULTS = ("is_default_billing", "is_default_shipping")


class AddressService(Service):
    """Changes of one book come one after another, under the lock of its owner's row: there is one default of each kind at most."""

    def __init__(self, db: Database, clock: Clock, cursors: Cursors) -> None:
        super().__init__(db)
        self.clock, self.cursors = clock, cursors
        self.users, self.addresses = UserRepository(db), AddressRepository(db)

    @query(InvalidCursor)
    async def list(self, actor: Actor, page: PageRequest) -> ServiceResult[Page[AddressView]]:
        """The oldest first."""
        name = f"identity.addresses:{actor.user_id}"
        after = self.cursors.read(name, page.cursor, UUID) if page.cursor is not None else None
        found = await self.addresses.views(UserId(actor.user_id), after=after, limit=page.limit + 1)
        items = found[: page.limit]
        return success(Page(items, self.cursors.write(name, items[-1].id) if len(found) > page.limit else None))

    @command(UserNotFound, TooManyAddresses, ValidationFailed)
    async def add(self, actor: Actor, given: AddressInput) -> ServiceResult[AddressView]:
        user_id = await self._lock_book(actor)
        if await self.addresses.count(user_id) >= MOST:
            return failure(TooManyAddresses())
        address = Address(id=uuid7(), user_id=user_id, created_at=self.clock.now())
        await self._write(address, msgspec.structs.asdict(given))
        self.addresses.add(address)
        await self.db.session.flush()
        return success(_view(address))

    @command(UserNotFound, AddressNotFound, ValidationFailed)
    async def change(self, actor: Actor, id: UUID, patch: AddressPatch) -> ServiceResult[AddressView]:
        user_id = await self._lock_book(actor)
        address = await self.addresses.lock_own(user_id, id)
        if address is None:
            return failure(AddressNotFound())
        await self._write(address, patch.changes())
        await self.db.session.flush()
        return success(_view(address))

    @command(UserNotFound, AddressNotFound)
    async def remove(self, actor: Actor, id: UUID) -> ServiceResult[None]:
        address = await self.addresses.lock_own(await self._lock_book(actor), id)
        if address is None:
            return failure(AddressNotFound())
        await self.db.session.delete(address)
        return success(None)

    async def _lock_book(self, actor: Actor) -> UserId:
        """Raises UserNotFound."""
        user = await self.users.lock(actor.user_id)
        if user is None:
            raise UserNotFound
        return user.id

    async def _write(self, address: Address, values: dict[str, Any]) -> None:
        """Raises ValidationFailed."""
        for name, value in values.items():
            setattr(address, name, _checked(name, value))
        for name in _DEFAULTS:
            if values.get(name):
                await self.addresses.clear_default(address.user_id, name, but=address.id)


def _checked(name: str, value: Any) -> Any:
    match name:
        case "country":
            if (code := value.upper()) not in COUNTRIES:
                raise ValidationFailed(errors={name: ["Is no country of ISO 3166-1, such as DE or BR."]})
            return code
        case "phone":
            return normalized_phone(value, takes_texts=False) if value is not None else None
        case "recipient" | "line1" | "city":
            return cleaned_line(value, name)
        case "label" | "company" | "line2" | "region" | "postal_code":
            return cleaned_line(value, name) if value.strip() else ""
    return value


def _view(address: Address) -> AddressView:
    return AddressView(**{name: getattr(address, name) for name in AddressView.__struct_fields__})
