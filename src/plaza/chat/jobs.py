"""What chat does in the worker."""

from __future__ import annotations

from plaza.chat.schemas import ForgetPresence
from plaza.chat.service.presence import PresenceService
from plaza.core.jobs import job
from plaza.core.result import ServiceResult


@job(outside=True, attempts=12)
async def forget_presence(payload: ForgetPresence, presence: PresenceService) -> ServiceResult[None]:
    return await presence.forget(payload.user_id)
