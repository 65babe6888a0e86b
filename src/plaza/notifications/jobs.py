from __future__ import annotations

from plaza.core.jobs import cron, job
from plaza.core.result import ServiceResult
from plaza.notifications.schemas import Deliver
from plaza.notifications.service import NotificationService

# Together with the pauses about an hour: what a mail server's restart, or its greylisting, may take.
ATTEMPTS = 12


@job(queue="mail", attempts=ATTEMPTS, outside=True)
async def deliver(payload: Deliver, notifications: NotificationService) -> ServiceResult[None]:
    return await notifications.deliver(payload.delivery_id)


@cron(minute=17)
async def purge(notifications: NotificationService) -> ServiceResult[int]:
    return await notifications.purge()
