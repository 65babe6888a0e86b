from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, exists, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError

from plaza.core.db import Repository
from plaza.domain_events.identity import UserId
from plaza.identity.errors import LinkedAccountTaken
from plaza.identity.models import LinkedAccount, UnlinkedAccount
from plaza.identity.schemas import LinkedAccountView

_COLUMNS = [LinkedAccount.__table__.c[name] for name in LinkedAccountView.__struct_fields__]


class LinkedAccountRepository(Repository[LinkedAccount]):
    model = LinkedAccount

    async def owner(self, provider: str, subject: str) -> UserId | None:
        """Read before anything is locked: the user's row comes first."""
        statement = select(LinkedAccount.user_id).where(
            LinkedAccount.provider == provider, LinkedAccount.provider_user_id == subject
        )
        found: UserId | None = await self.db.session.scalar(statement)
        return found

    async def lock_by_subject(self, provider: str, subject: str) -> LinkedAccount | None:
        statement = (
            select(LinkedAccount)
            .where(LinkedAccount.provider == provider, LinkedAccount.provider_user_id == subject)
            .with_for_update()
        )
        return (await self.db.session.scalars(statement, execution_options={"populate_existing": True})).one_or_none()

    async def insert(self, row: LinkedAccount) -> None:
        """Raises LinkedAccountTaken."""
        self.add(row)
        try:
            await self.db.session.flush()
        except IntegrityError as error:
            if "identity_linked_account_provider_provider_user_id_key" in str(error.orig):
                raise LinkedAccountTaken from error
            raise

    async def keep_unlinked(self, account: LinkedAccount, now: datetime) -> None:
        values = {
            "user_id": account.user_id,
            "provider": account.provider,
            "provider_user_id": account.provider_user_id,
        }
        statement = upsert(UnlinkedAccount).values(**values, created_at=now).on_conflict_do_nothing()
        await (await self.db.session.connection()).execute(statement)

    async def forget_unlinked(self, user_id: UserId, provider: str, subject: str) -> None:
        statement = delete(UnlinkedAccount).where(_unlinked(user_id, provider, subject))
        await (await self.db.session.connection()).execute(statement)

    async def is_unlinked(self, user_id: UserId, provider: str, subject: str) -> bool:
        """Asked under the lock of the user's row, which whoever unlinks holds too."""
        return bool(await self.db.session.scalar(select(exists().where(_unlinked(user_id, provider, subject)))))

    async def of_user(self, user_id: UserId) -> list[LinkedAccountView]:
        """Oldest first."""
        statement = select(*_COLUMNS).where(LinkedAccount.user_id == user_id).order_by(LinkedAccount.id)
        async with self.db.reading() as connection:
            return [LinkedAccountView(**row) for row in (await connection.execute(statement)).mappings()]


def _unlinked(user_id: UserId, provider: str, subject: str) -> ColumnElement[bool]:
    return and_(
        UnlinkedAccount.user_id == user_id,
        UnlinkedAccount.provider == provider,
        UnlinkedAccount.provider_user_id == subject,
    )
