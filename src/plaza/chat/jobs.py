"""What chat does in the worker."""

from __future__ import annotations

from plaza.chat.schemas import ForgetPresence
from plaza.chat.schemas.marks import SendScheduled
from plaza.chat.service.presence import PresenceService
from plaza.chat.service.scheduled import ScheduledService
from plaza.core.jobs import job
from plaza.core.result import ServiceResult


@job(outside=True, attempts=12)
async def forget_presence(payload: ForgetPresence, presence: PresenceService) -> ServiceResult[None]:
    return await presence.forget(payload.user_id)


@job(queue="chat")
async def send_scheduled(payload: SendScheduled, scheduled: ScheduledService) -> ServiceResult[None]:
    return await scheduled.send(payload.scheduled_id)
