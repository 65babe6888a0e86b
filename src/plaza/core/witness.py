"""What somebody does under another person's name is written down: by the first transaction that commits, as a part of it.

An edge that lets an impersonator in puts `Witnessed` around what they asked for: one request, one frame. What is refused or replayed
leaves no entry, because it did nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from plaza.core.actor import Actor
from plaza.core.db import CommandScope, current_transaction
from plaza.core.db.transaction import open_scope
from plaza.core.result import ServiceResult, Success

Deed = Mapping[str, Any]
"""What was asked for: names and ids, no content and no secrets."""


class Witness(Protocol):
    """The port that identity implements."""

    async def tell(self, actor: Actor, deed: Deed) -> ServiceResult[None]:
        """A command: part of the open transaction, if one is."""
        ...


class Witnessed:
    """A `CommandScope` inside the one that was open when it was made, if any."""

    def __init__(self, witness: Witness, actor: Actor, deed: Deed) -> None:
        self.witness, self.actor, self.deed = witness, actor, deed
        self._outer: CommandScope | None = open_scope.get()
        self._steps = 0
        self._is_told = self._is_replayed = False

    def step(self) -> int:
        self._steps += 1
        return self._steps if self._outer is None else self._outer.step()

    async def before(self, session: AsyncSession, step: int, result_type: Any) -> Success[Any] | None:
        stored = None if self._outer is None else await self._outer.before(session, step, result_type)
        self._is_replayed = self._is_replayed or stored is not None
        return stored

    async def after(self, session: AsyncSession, step: int, result: Success[Any]) -> None:
        if self._outer is not None:
            await self._outer.after(session, step, result)
        transaction = current_transaction()
        if transaction is not None and not self._is_told:
            (await self.witness.tell(self.actor, self.deed)).unwrap()
            transaction.hooks.append(self._committed)

    async def finish(self) -> None:
        """Before success is answered: what was done without any transaction is told in one of its own."""
        if not (self._is_told or self._is_replayed):
            self._is_told = True
            (await self.witness.tell(self.actor, self.deed)).unwrap()

    async def _committed(self) -> None:
        self._is_told = True
