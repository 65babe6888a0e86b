from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from plaza.core.db import under
from plaza.core.errors import IdempotencyInProgress, IdempotencyKeyReused
from plaza.core.idempotency import KEPT, IdempotentCall
from plaza.core.ids import uuid7
from plaza.core.result import Failure
from tests.support.clock import ManualClock

from .conftest import CounterService


@pytest.fixture
def key() -> str:
    return str(uuid7())


async def incremented(counters: CounterService, call: IdempotentCall, id: int = 1) -> int:
    with under(call):
        return (await counters.increment(id)).unwrap()


async def test_a_replay_gives_the_stored_result_and_does_nothing(
    counters: CounterService, clock: ManualClock, key: str
) -> None:
    first, second = (IdempotentCall(clock, "ada", key, b"same") for _ in range(2))
    assert await incremented(counters, first) == 1
    assert await incremented(counters, second) == 1
    assert (first.replayed, second.replayed) == (False, True)
    assert (await counters.value(1)).unwrap() == 1


async def test_another_request_under_the_same_key_is_refused(
    counters: CounterService, clock: ManualClock, key: str
) -> None:
    await incremented(counters, IdempotentCall(clock, "ada", key, b"one"))
    with pytest.raises(IdempotencyKeyReused):
        await incremented(counters, IdempotentCall(clock, "ada", key, b"another"))
    assert (await counters.value(1)).unwrap() == 1


async def test_keys_of_two_callers_do_not_meet(counters: CounterService, clock: ManualClock, key: str) -> None:
    assert await incremented(counters, IdempotentCall(clock, "ada", key, b"one")) == 1
    assert await incremented(counters, IdempotentCall(clock, "grace", key, b"another")) == 2


async def test_a_refusal_is_not_stored(counters: CounterService, clock: ManualClock, key: str) -> None:
    with under(IdempotentCall(clock, "ada", key, b"one")):
        assert isinstance(await counters.increment(3), Failure)
    await counters.make(3)
    assert await incremented(counters, IdempotentCall(clock, "ada", key, b"one"), 3) == 1


async def test_of_twelve_at_once_one_works_and_the_others_hear_so(
    counters: CounterService, clock: ManualClock, key: str
) -> None:
    async def one() -> int | type[Exception]:
        try:
            return await incremented(counters, IdempotentCall(clock, "ada", key, b"one"))
        except IdempotencyInProgress:
            return IdempotencyInProgress

    results = await asyncio.gather(*(one() for _ in range(12)))
    assert set(results) <= {1, IdempotencyInProgress}
    assert 1 in results
    assert (await counters.value(1)).unwrap() == 1


async def test_a_flow_resumes_where_it_stopped(counters: CounterService, clock: ManualClock, key: str) -> None:
    with under(IdempotentCall(clock, "ada", key, b"one")):
        (await counters.increment(1)).unwrap()  # the first step of `twice`; then the process died
    call = IdempotentCall(clock, "ada", key, b"one")
    with under(call):
        assert (await counters.twice(1)).unwrap() == 2
    assert (await counters.value(1)).unwrap() == 2
    assert call.replayed is False
    again = IdempotentCall(clock, "ada", key, b"one")
    with under(again):
        assert (await counters.twice(1)).unwrap() == 2
    assert again.replayed is True


async def test_a_key_is_forgotten_after_a_day(counters: CounterService, clock: ManualClock, key: str) -> None:
    await incremented(counters, IdempotentCall(clock, "ada", key, b"one"))
    clock.advance(KEPT + timedelta(seconds=1))
    assert await incremented(counters, IdempotentCall(clock, "ada", key, b"another")) == 2
