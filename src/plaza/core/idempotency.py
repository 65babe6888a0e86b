"""`Idempotency-Key`: a command's result is stored in the command's own transaction and given back when the same call comes again.

One key covers all outermost commands of one call: the n-th stores its result as step n, so that a retried flow resumes where it
stopped. The edge opens an `IdempotentCall` with `under`; refusals are not stored, because they left nothing behind.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import LargeBinary, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from plaza.core.clock import Clock
from plaza.core.db.models import Base
from plaza.core.errors import IdempotencyInProgress, IdempotencyKeyReused
from plaza.core.result import Success

KEPT = timedelta(hours=24)


class StoredResult(Base):
    __tablename__ = "core_idempotency"

    caller: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    result: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(index=True)


# The lock lives as long as the transaction: a second call meets it while the first runs, and nothing has to be cleaned up after a crash.
_CLAIM = text("select pg_try_advisory_xact_lock(hashtextextended(:caller || chr(31) || :key, 0))")
_FIND = text(
    "select fingerprint, result from core_idempotency where caller = :caller and key = :key and step = :step and created_at > :since"
)
_OTHER = text(
    "select 1 from core_idempotency where caller = :caller and key = :key and fingerprint <> :fingerprint and created_at > :since limit 1"
)
_STORE = text(
    """insert into core_idempotency (caller, key, step, fingerprint, result, created_at)
    values (:caller, :key, :step, :fingerprint, :result, :now)
    on conflict (caller, key, step) do update
    set fingerprint = excluded.fingerprint, result = excluded.result, created_at = excluded.created_at"""
)
PURGE = text("delete from core_idempotency where created_at <= :since")


class IdempotentCall:
    """A `CommandScope`. `fingerprint` hashes method, path, caller and body; `replayed` tells that nothing was done anew."""

    def __init__(self, clock: Clock, caller: str, key: str, fingerprint: bytes) -> None:
        self.clock, self.caller, self.key, self.fingerprint = clock, caller, key, fingerprint
        self.replayed = False
        self._steps = 0

    def step(self) -> int:
        self._steps += 1
        return self._steps

    async def before(self, session: AsyncSession, step: int, result_type: Any) -> Success[Any] | None:
        """Raises IdempotencyInProgress and IdempotencyKeyReused."""
        named = {"caller": self.caller, "key": self.key}
        since = self.clock.now() - KEPT
        connection = await session.connection()
        if not (await connection.execute(_CLAIM, named)).scalar_one():
            raise IdempotencyInProgress
        if (
            await connection.execute(_OTHER, {**named, "fingerprint": self.fingerprint, "since": since})
        ).scalar() is not None:
            raise IdempotencyKeyReused
        found = (await connection.execute(_FIND, {**named, "step": step, "since": since})).one_or_none()
        if found is None:
            self.replayed = False
            return None
        self.replayed = True
        return Success(msgspec.json.decode(found.result, type=result_type))

    async def after(self, session: AsyncSession, step: int, result: Success[Any]) -> None:
        await (await session.connection()).execute(
            _STORE,
            {
                "caller": self.caller,
                "key": self.key,
                "step": step,
                "fingerprint": self.fingerprint,
                "result": msgspec.json.encode(result.value),
                "now": self.clock.now(),
            },
        )
