"""An entry stands if something was done, once for all commands of a call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from plaza.core.actor import Actor
from plaza.core.db import Database, under
from plaza.core.idempotency import IdempotentCall
from plaza.core.ids import uuid7
from plaza.core.result import Failure, ServiceResult, success
from plaza.core.service import Service, command
from plaza.core.witness import Deed, Witnessed
from tests.support.clock import ManualClock

from .conftest import CounterService

ACTOR = Actor(user_id=uuid7(), impersonator_id=uuid7())


class Told(Service):
    """Adds 1 to the second counter, in the transaction that it is called in."""

    @command()
    async def tell(self, actor: Actor, deed: Deed) -> ServiceResult[None]:
        assert (actor, deed) == (ACTOR, {"frame": "test"})
        await self.db.session.execute(text("update test_counter set value = value + 1 where id = 2"))
        return success(None)


@pytest.fixture
def witness(db: Database) -> Told:
    return Told(db)


@contextmanager
def witnessed(witness: Told) -> Iterator[Witnessed]:
    call = Witnessed(witness, ACTOR, {"frame": "test"})
    with under(call):
        yield call


async def told(counters: CounterService) -> int:
    return (await counters.value(2)).unwrap()


async def test_the_first_command_that_commits_takes_it_along(counters: CounterService, witness: Told) -> None:
    with witnessed(witness) as call:
        assert isinstance(await counters.increment(3), Failure)
        assert await told(counters) == 0
        (await counters.twice(1)).unwrap()
        assert await told(counters) == 1
        await call.finish()
    assert await told(counters) == 1


async def test_what_is_not_committed_is_not_told(
    counters: CounterService, witness: Told, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And whatever is committed after it is."""

    async def lost(*_: object) -> None:
        raise ValueError("before COMMIT")

    with witnessed(witness):
        tell = witness.tell
        monkeypatch.setattr(witness, "tell", lost)
        with pytest.raises(ValueError, match="before COMMIT"):
            await counters.increment(1)
        monkeypatch.setattr(witness, "tell", tell)
        assert ((await counters.value(1)).unwrap(), await told(counters)) == (0, 0), "neither without the other"
        (await counters.increment(1)).unwrap()
    assert await told(counters) == 1


async def test_what_needs_no_transaction_is_told_in_one_of_its_own(counters: CounterService, witness: Told) -> None:
    with witnessed(witness) as call:
        await call.finish()
    assert await told(counters) == 1


async def test_a_replay_is_not_told_again(counters: CounterService, witness: Told, clock: ManualClock) -> None:
    key = str(uuid7())
    for _ in range(2):
        with under(IdempotentCall(clock, "ada", key, b"same")), witnessed(witness) as call:
            assert (await counters.increment(1)).unwrap() == 1
            await call.finish()
    assert ((await counters.value(1)).unwrap(), await told(counters)) == (1, 1)
