from __future__ import annotations

from datetime import timedelta

from plaza.core.jobs import cron, job
from plaza.core.result import ServiceResult
from plaza.notifications.schemas import Deliver
from plaza.notifications.service import NotificationService

# Three tries: the second after a mail server's restart, the third after its greylisting (300 s from the first try, the defaults of
# postgrey's --delay and of rspamd) and, however the pauses are jittered, while a code of ten minutes is still good.
PAUSES = (timedelta(seconds=30), timedelta(minutes=7))


@job(queue="mail", pauses=PAUSES, outside=True)
async def deliver(payload: Deliver, notifications: NotificationService) -> ServiceResult[None]:
    return await notifications.deliver(payload.delivery_id)


@cron(minute=17)
async def purge(notifications: NotificationService) -> ServiceResult[int]:
    return await notifications.purge()
