from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, delete, exists, func, insert, select, update

from plaza.core.db import Repository
from plaza.core.ids import uuid7
from plaza.domain_events.identity import UserId
from plaza.identity.models import MfaChallenge, RecoveryCode, TotpDevice
from plaza.identity.schemas import MfaView


class MfaRepository(Repository[MfaChallenge]):
    """What is written here, is written under the lock of the user's row; whoever turns a second factor on moves its version."""

    model = MfaChallenge

    async def has_app(self, user_id: UserId) -> bool:
        """Whether there is a second factor to be shown: recovery codes alone are none."""
        app = exists().where(TotpDevice.user_id == user_id, TotpDevice.confirmed_at.is_not(None))
        async with self.db.reading() as connection:
            return bool((await connection.execute(select(app))).scalar())

    async def view(self, user_id: UserId) -> MfaView:
        confirmed = select(TotpDevice.confirmed_at).where(
            TotpDevice.user_id == user_id, TotpDevice.confirmed_at.is_not(None)
        )
        left = select(func.count()).where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
        async with self.db.reading() as connection:
            row = (await connection.execute(select(confirmed.scalar_subquery(), left.scalar_subquery()))).one()
        return MfaView(totp=row[0] is not None, totp_confirmed_at=row[0], recovery_codes_left=row[1])

    # Logins that wait

    async def user_of_challenge(self, hash: bytes) -> UserId | None:
        statement = select(MfaChallenge.user_id).where(MfaChallenge.hash == hash)
        return (await self.db.session.scalars(statement)).one_or_none()

    async def challenge(self, hash: bytes) -> MfaChallenge | None:
        statement = select(MfaChallenge).where(MfaChallenge.hash == hash).with_for_update()
        return (await self.db.session.scalars(statement, execution_options={"populate_existing": True})).one_or_none()

    async def void_challenges(self, user_id: UserId, now: datetime) -> None:
        """Whatever proved their first factor may not be theirs any more."""
        open = MfaChallenge.used_at.is_(None)
        statement = update(MfaChallenge).where(MfaChallenge.user_id == user_id, open)
        await self.db.session.execute(statement.values(used_at=now, version=MfaChallenge.version + 1))

    async def wrong_tries(self, user_id: UserId, since: datetime) -> tuple[int, datetime | None]:
        """Over all challenges made since then, and when the oldest of those that were tried in vain was made."""
        statement = select(func.coalesce(func.sum(MfaChallenge.attempts), 0), func.min(MfaChallenge.created_at)).where(
            MfaChallenge.user_id == user_id, MfaChallenge.created_at > since, MfaChallenge.attempts > 0
        )
        count, oldest = (await self.db.session.execute(statement)).one()
        return int(count), oldest

    # Authenticator apps

    async def confirmed(self, user_id: UserId) -> TotpDevice | None:
        return await self._device(TotpDevice.user_id == user_id, TotpDevice.confirmed_at.is_not(None))

    async def unconfirmed(self, user_id: UserId, since: datetime) -> TotpDevice | None:
        return await self._device(
            TotpDevice.user_id == user_id, TotpDevice.confirmed_at.is_(None), TotpDevice.created_at > since
        )

    def add_device(self, device: TotpDevice) -> None:
        self.db.session.add(device)

    async def remove_devices(self, user_id: UserId, *, confirmed: bool) -> None:
        is_confirmed = TotpDevice.confirmed_at.is_not(None)
        condition = is_confirmed if confirmed else ~is_confirmed
        await self.db.session.execute(
            delete(TotpDevice).where(TotpDevice.user_id == user_id, condition),
            execution_options={"synchronize_session": False},
        )

    async def _device(self, *where: ColumnElement[bool]) -> TotpDevice | None:
        statement = select(TotpDevice).where(*where).with_for_update()
        return (await self.db.session.scalars(statement, execution_options={"populate_existing": True})).one_or_none()

    # Recovery codes

    async def replace_codes(self, user_id: UserId, hashes: Collection[bytes], now: datetime) -> None:
        """With none of `hashes` there are none left."""
        connection = await self.db.session.connection()
        await connection.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
        if hashes:
            rows = [{"id": uuid7(), "user_id": user_id, "hash": each, "created_at": now} for each in hashes]
            await connection.execute(insert(RecoveryCode), rows)

    async def use_code(self, user_id: UserId, hash: bytes, now: datetime) -> bool:
        statement = (
            update(RecoveryCode)
            .where(RecoveryCode.user_id == user_id, RecoveryCode.hash == hash, RecoveryCode.used_at.is_(None))
            .values(used_at=now)
        )
        return (await (await self.db.session.connection()).execute(statement)).rowcount == 1

    async def purge(self, before: datetime, limit: int) -> int:
        """Challenges that expired and devices that nobody confirmed before then."""
        connection, taken = await self.db.session.connection(), 0
        for model, condition in (
            (MfaChallenge, MfaChallenge.expires_at < before),
            (TotpDevice, TotpDevice.confirmed_at.is_(None) & (TotpDevice.created_at < before)),
        ):
            doomed = select(model.id).where(condition).limit(limit).with_for_update(skip_locked=True)
            taken += (await connection.execute(delete(model).where(model.id.in_(doomed)))).rowcount
        return taken
