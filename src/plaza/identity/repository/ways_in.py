from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Text, Uuid, cast, delete, func, literal, null, select, union_all

from plaza.core.db import Database
from plaza.domain_events.identity import UserId
from plaza.identity.models import DeviceKey, LinkedAccount, Passkey, RecoveryCode, TotpDevice, User, Way

_NO_ID, _NO_PROVIDER = cast(null(), Uuid()), cast(null(), Text())


# Everything that opens an account beside its password and contacts, or is asked for on the way, with the time since when it does.
_ADDED = (
    ("passkeys", Passkey, Passkey.created_at),
    ("device_keys", DeviceKey, DeviceKey.created_at),
    ("linked_accounts", LinkedAccount, LinkedAccount.created_at),
    ("authenticator_apps", TotpDevice, func.coalesce(TotpDevice.confirmed_at, TotpDevice.created_at)),
    ("recovery_codes", RecoveryCode, RecoveryCode.created_at),
)


class WaysInRepository:
    """Reads and removes what several tables hold together."""

    def __init__(self, db: Database) -> None:
        self.db = db

    async def of(self, user_id: UserId) -> list[tuple[Way, UUID | None, str | None]]:
        """(kind, id, provider) each; a password, an address and a number have no id."""
        own = [
            select(literal(way.value), _NO_ID, _NO_PROVIDER).where(User.id == user_id, condition)
            for way, condition in (
                (Way.PASSWORD, User.password_hash.is_not(None)),
                (Way.EMAIL, User.email_verified_at.is_not(None) & User.email_vouched_by.is_(None)),
                (Way.PHONE, User.phone_verified_at.is_not(None)),
            )
        ]
        statement = union_all(
            *own,
            select(literal(Way.PASSKEY.value), Passkey.id, _NO_PROVIDER).where(Passkey.user_id == user_id),
            select(literal(Way.DEVICE_KEY.value), DeviceKey.id, _NO_PROVIDER).where(DeviceKey.user_id == user_id),
            select(literal(Way.LINKED_ACCOUNT.value), LinkedAccount.id, LinkedAccount.provider).where(
                LinkedAccount.user_id == user_id
            ),
        )
        async with self.db.reading() as connection:
            return [(Way(way), id, provider) for way, id, provider in await connection.execute(statement)]

    async def remove_added_after(self, user_id: UserId, since: datetime) -> dict[str, int]:
        """How many of which kind. Under the lock of the user's row."""
        connection, removed = await self.db.session.connection(), {}
        for name, model, added_at in _ADDED:
            gone = await connection.execute(delete(model).where(model.user_id == user_id, added_at > since))
            if gone.rowcount:
                removed[name] = gone.rowcount
        return removed
