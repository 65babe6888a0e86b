from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select, update

from plaza.core.db import Repository
from plaza.domain_events.identity import UserId
from plaza.identity.models import Address
from plaza.identity.schemas import AddressView

_VIEW = select(*(Address.__table__.c[name] for name in AddressView.__struct_fields__))


class AddressRepository(Repository[Address]):
    model = Address

    async def views(self, user_id: UserId, *, after: UUID | None, limit: int) -> list[AddressView]:
        """The oldest first."""
        statement = _VIEW.where(Address.user_id == user_id).order_by(Address.id).limit(limit)
        if after is not None:
            statement = statement.where(Address.id > after)
        async with self.db.reading() as connection:
            return [AddressView(**row) for row in (await connection.execute(statement)).mappings()]

    async def count(self, user_id: UserId) -> int:
        found = await self.db.session.scalar(select(func.count()).where(Address.user_id == user_id))
        return found or 0

    async def lock_own(self, user_id: UserId, id: UUID) -> Address | None:
        statement = select(Address).where(Address.id == id, Address.user_id == user_id).with_for_update()
        return (await self.db.session.scalars(statement, execution_options={"populate_existing": True})).one_or_none()

    async def clear_default(self, user_id: UserId, column: str, *, but: UUID) -> None:
        """`column` is is_default_billing or is_default_shipping."""
        is_default = Address.__table__.c[column]
        await (await self.db.session.connection()).execute(
            update(Address)
            .where(Address.user_id == user_id, Address.id != but, is_default)
            .values({column: False, "version": Address.version + 1})
        )
