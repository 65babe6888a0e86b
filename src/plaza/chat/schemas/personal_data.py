from __future__ import annotations

from uuid import UUID

from plaza.core.messages import JobPayload


class ForgetPresence(JobPayload, frozen=True, kw_only=True, tag="chat.forget_presence"):
    user_id: UUID
