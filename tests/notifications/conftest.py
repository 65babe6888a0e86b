from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from jinja2 import DictLoader
from sqlalchemy import text

from plaza.core.composition import Context
from plaza.core.db import Database
from plaza.core.jobs import Jobs
from plaza.notifications import NotificationService, NotificationsSettings, NotificationType
from plaza.notifications.manifest import context as notifications
from plaza.notifications.rendering import Templates, environment
from tests.support.clock import ManualClock
from tests.support.jobs import compose
from tests.support.servers import TestServers

TYPES = (
    NotificationType(
        name="shop.code", subject="Code for {{ name }}", template="shop/code", channels=("email", "sms", "in_app")
    ),
    NotificationType(
        name="shop.sold", subject="Plaza: sold", title="Sold to {{ name }}", template="shop/code", channels=("in_app",)
    ),
    NotificationType(name="shop.text", template="shop/code", channels=("sms",)),
    NotificationType(name="shop.broken", subject="Broken", template="shop/broken"),
)
FILES = {
    "shop/code.txt": "Hello {{ name }}, your code is {{ code }}.",
    "shop/code.html": "<p>Hello {{ name }}, your code is <b>{{ code }}</b>.</p>",
    "shop/code.sms.txt": "{{ code }} is your code.\n",
    "shop/code.in_app.txt": "Yours is {{ code }}.\n",
    "shop/broken.txt": "{{ nowhere }}",
    "shop/broken.html": "",
    "notifications/mail.html": "<html>{{ subject }}|{{ content }}</html>",
}
shop = Context(name="shop", declares=TYPES)


def use_templates(service: NotificationService) -> None:
    """Those of a context that has no folder."""
    templates: Templates = service.templates
    templates.environment = environment(DictLoader(FILES))


@pytest.fixture(scope="session")
async def database_url(servers: TestServers) -> str:
    return await servers.another_database("notifications")


@pytest.fixture
def settings() -> NotificationsSettings:
    return NotificationsSettings()


@pytest.fixture
async def jobs(
    database_url: str, redis_url: str, clock: ManualClock, settings: NotificationsSettings
) -> AsyncIterator[Jobs]:
    made = compose(database_url, redis_url, clock, [notifications, shop], {NotificationsSettings: settings})
    use_templates(made.parts[NotificationService])
    async with made.parts[Database].engine.begin() as connection:
        await connection.execute(
            text("truncate core_job, core_job_step, notifications_delivery, notifications_outbox_item")
        )
    yield made
    await made.parts[Database].close()


@pytest.fixture
def service(jobs: Jobs) -> NotificationService:
    return jobs.parts[NotificationService]


class Rows:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def __call__(self, statement: str, **parameters: Any) -> list[Any]:
        async with self.db.reader.connect() as connection:
            return list((await connection.execute(text(statement), parameters)).all())


@pytest.fixture
def rows(jobs: Jobs) -> Rows:
    return Rows(jobs.parts[Database])
