"""What ties a handler's commands to the job that it works on."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from plaza.core.clock import Clock
from plaza.core.result import Success

_FENCE = text("select 1 from core_job where id = :id and attempt = :attempt and state = 'leased' for update")
_DONE = text(
    """update core_job set state = 'done', ended_at = :now, leased_until = null, error = null, payload = payload - cast(:secrets as text[])
    where id = :id and attempt = :attempt and state = 'leased' returning id"""
)
_FIND = text("select result from core_job_step where job_id = :id and step = :step")
_STORE = text("insert into core_job_step (job_id, step, result) values (:id, :step, :result)")
_FORGET = text("delete from core_job_step where job_id = :id")


class LeaseLost(Exception):
    """The job was ended, or given to another worker: what is being done under the old lease must not be written."""


class TwoCommands(RuntimeError):
    """A job's handler called a second command: the first has marked the job done. Flows are for `outside=True`."""


class JobScope:
    """A `CommandScope`: every command of the handler first locks the job's row and finds it still leased to this attempt.

    The lock waits rather than skips: it can only meet the statement that renews the lease, the one that hands the job on (and then
    the attempt has changed), or another try of this same command.

    `outside` False: the one command marks the job done in its own transaction. True: each command stores its result as a step in its
    own transaction, and gives back what an earlier try has stored; `finish` marks the job done after the flow.
    """

    def __init__(self, clock: Clock, id: UUID, attempt: int, *, secrets: tuple[str, ...] = (), outside: bool) -> None:
        self.clock, self.id, self.attempt, self.secrets, self.outside = clock, id, attempt, secrets, outside
        self._steps, self._marked = 0, False

    def step(self) -> int:
        if self._steps and not self.outside:
            raise TwoCommands(str(self.id))
        self._steps += 1
        return self._steps

    @property
    def must_finish(self) -> bool:
        """After a handler's success: whether the job is still to be marked done."""
        return not self._marked

    async def before(self, session: AsyncSession, step: int, result_type: Any) -> Success[Any] | None:
        """Raises LeaseLost."""
        self._marked = False
        connection = await session.connection()
        if (await connection.execute(_FENCE, {"id": self.id, "attempt": self.attempt})).scalar() is None:
            raise LeaseLost
        if self.outside:
            stored = (await connection.execute(_FIND, {"id": self.id, "step": step})).scalar_one_or_none()
            if stored is not None:
                return Success(msgspec.json.decode(stored, type=result_type))
        return None

    async def after(self, session: AsyncSession, step: int, result: Success[Any]) -> None:
        if self.outside:
            stored = {"id": self.id, "step": step, "result": msgspec.json.encode(result.value)}
            await (await session.connection()).execute(_STORE, stored)
        else:
            await self.finish(session)

    async def finish(self, session: AsyncSession) -> None:
        """Raises LeaseLost."""
        connection = await session.connection()
        marked = await connection.execute(
            _DONE, {"id": self.id, "attempt": self.attempt, "now": self.clock.now(), "secrets": list(self.secrets)}
        )
        if marked.scalar() is None:
            raise LeaseLost
        if self.outside:
            await connection.execute(_FORGET, {"id": self.id})
        self._marked = True
