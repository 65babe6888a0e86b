"""While a server of ours is away no job uses up its tries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from plaza.app.registry import CONTEXTS
from plaza.app.runtime import Runtime
from plaza.core.jobs import Registry
from plaza.core.jobs.store import JobStore
from plaza.dev.embedded import EmbeddedServers
from plaza.identity.jobs import MAIL_TRIES
from tests.faults.mortal import register, work
from tests.identity.builders import PASSWORD
from tests.support.clock import ManualClock
from tests.support.jobs import runner_of
from tests.support.stage import configuration_for

EMAIL = "patient@example.com"


@pytest.fixture
async def runtime(jobs_database_url: str, own_servers: EmbeddedServers, clock: ManualClock) -> AsyncIterator[Runtime]:
    made = Runtime(
        configuration_for(jobs_database_url, own_servers.urls.redis_url, PLAZA_RATE_LIMIT_ENABLED="true"),
        "worker",
        clock=clock,
    )
    yield made
    await made.close()


def test_a_mail_or_a_text_has_three_tries() -> None:
    handlers = [each.handler for each in Registry(CONTEXTS).entries.values() if each.handler.queue == "mail"]
    assert "start_registration" in {each.fn.__name__ for each in handlers}
    assert {each.fn.__name__: each.attempts for each in handlers if each.attempts != MAIL_TRIES} == {}
    assert MAIL_TRIES == 3


async def test_a_registration_outlives_redis(
    runtime: Runtime, own_servers: EmbeddedServers, clock: ManualClock
) -> None:
    """Who may be mailed how often is counted there. A worker whose own Redis is away starts nothing, so these tries are begun by hand."""
    assert await register(runtime, EMAIL, PASSWORD) == "OK"
    store = JobStore(runtime.db, clock, lease_s=60)
    runner, entries = runner_of(runtime.jobs, store), [runtime.jobs.registry.entries["identity.start_registration"]]
    own_servers.valkey.kill()
    for _ in range(MAIL_TRIES + 2):
        (lease,) = await store.lease("mail", entries, 10)
        assert lease.failures == 0
        assert await runner.run(lease) == "retried"
        clock.advance(timedelta(minutes=1))
    await own_servers.valkey.start()
    assert await work(runtime) == "OK"
    async with runtime.db.reader.connect() as connection:
        mails = text("select count(*) from notifications_outbox_item where recipient = :email")
        assert (await connection.execute(mails, {"email": EMAIL})).scalar_one() == 1
