"""Workers are killed while they mail: nothing is lost, and twice arrives only what nobody can know not to have arrived."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from email.message import EmailMessage

import pytest
from sqlalchemy import text

from plaza.core.clock import SystemClock
from plaza.core.db import Database
from plaza.core.jobs import Jobs
from plaza.notifications import NotificationsSettings
from plaza.notifications import manifest as notifications
from tests.core.jobs.conftest import Table
from tests.notifications.mail_server import MailServer
from tests.support.jobs import compose
from tests.support.waiting import eventually

from . import mailer
from .conftest import StartWorker
from .mailer import Mailer

CONTEXTS = [notifications.__name__, mailer.__name__]


@pytest.fixture
async def jobs(jobs_database_url: str, redis_url: str) -> AsyncIterator[Jobs]:
    given = {NotificationsSettings: NotificationsSettings()}
    made = compose(jobs_database_url, redis_url, SystemClock(), [notifications.context, mailer.context], given)
    async with made.parts[Database].engine.begin() as connection:
        await connection.execute(
            text("truncate core_job, core_job_step, notifications_delivery, notifications_outbox_item")
        )
    yield made
    await made.parts[Database].close()


async def test_smtp_repeats_only_what_was_under_way_and_with_the_same_id(
    jobs: Jobs, table: Table, jobs_database_url: str, redis_url: str, start_worker: StartWorker
) -> None:
    """The worker is killed when the server has taken a mail and the worker has not heard so yet."""
    server, kills = MailServer(), 2
    async with server.running():
        worker = start_worker(jobs_database_url, redis_url, CONTEXTS, smtp_url=f"smtp://127.0.0.1:{server.port}")

        def kill_sometimes(_: EmailMessage) -> None:
            if len(server.mails) in (20, 45):
                worker.kill()
                worker.start()

        server.on_data = kill_sometimes
        (await jobs.parts[Mailer].mail(60)).unwrap()
        await eventually(lambda: _all(table, "sent", 60))
        await table.ended()
        assert await worker.terminate() == 0

    arrivals = Counter((str(mail["To"]), str(mail["Message-ID"])) for mail in server.mails)
    assert {to for to, _ in arrivals} == {f"reader-{n}@example.com" for n in range(60)}
    assert len(arrivals) == 60, "a repeated mail has the same Message-ID"
    assert max(arrivals.values()) <= 1 + kills, "both kills can hit the same mail"
    repeated = sum(count - 1 for count in arrivals.values())
    assert kills <= repeated <= kills * 10, "each kill repeats what was under way, at most one mail per slot"
    sent = await table.rows("select message_id from notifications_delivery")
    assert {row.message_id for row in sent} == {message_id for _, message_id in arrivals}


async def test_the_development_outbox_gets_each_mail_once(
    jobs: Jobs, table: Table, jobs_database_url: str, redis_url: str, start_worker: StartWorker
) -> None:
    (await jobs.parts[Mailer].mail(200)).unwrap()
    workers = [start_worker(jobs_database_url, redis_url, CONTEXTS) for _ in range(2)]
    for kill in range(2):
        await eventually(lambda arrived=(kill + 1) * 60: _items(table, arrived))  # type: ignore[misc]
        victim = workers[kill % 2]
        victim.kill()
        victim.start()
    await eventually(lambda: _all(table, "sent", 200))
    await table.ended()
    items = await table.rows("select recipient from notifications_outbox_item")
    assert sorted(row.recipient for row in items) == sorted(f"reader-{n}@example.com" for n in range(200))
    assert await table.rows("select 1 from notifications_delivery where data is not null") == []


async def test_a_mail_server_that_is_away_delays_and_loses_nothing(
    jobs: Jobs, table: Table, jobs_database_url: str, redis_url: str, start_worker: StartWorker
) -> None:
    server = MailServer()
    async with server.running():
        url = f"smtp://127.0.0.1:{server.port}"
    (await jobs.parts[Mailer].mail(10)).unwrap()
    worker = start_worker(jobs_database_url, redis_url, CONTEXTS, smtp_url=url, haste=10)
    await eventually(
        lambda: table.rows("select 1 from core_job where handler = 'notifications.deliver' having min(failures) > 0")
    )
    assert server.mails == []
    async with server.running(port=server.port):
        await eventually(lambda: _all(table, "sent", 10))
    assert sorted(mail["To"] for mail in server.mails) == sorted(f"reader-{n}@example.com" for n in range(10))
    assert len(set(server.ids)) == 10
    assert await worker.terminate() == 0


async def _all(table: Table, state: str, count: int) -> bool:
    found = await table.rows("select 1 from notifications_delivery where state = :state", state=state)
    return len(found) == count


async def _items(table: Table, count: int) -> bool:
    return len(await table.rows("select 1 from notifications_outbox_item")) >= count
