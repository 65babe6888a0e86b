"""What identity tells people, inside the transaction that gives the reason."""

from __future__ import annotations

from collections.abc import Mapping

from plaza.identity.schemas import IdentitySettings
from plaza.notifications import EmailRecipient, NotificationService, SmsRecipient


class Messages:
    def __init__(self, notifications: NotificationService, settings: IdentitySettings) -> None:
        self.notifications, self.settings = notifications, settings

    @property
    def can_text(self) -> bool:
        """Whether there is a way to send text messages; without one the routes for phones are not there."""
        return self.notifications.can_send("sms")

    async def mail(self, kind: str, email: str, data: Mapping[str, str] | None = None) -> None:
        (await self.notifications.notify(kind, EmailRecipient(address=email), data or {})).unwrap()

    async def text(self, kind: str, phone: str, data: Mapping[str, str] | None = None) -> None:
        (await self.notifications.notify(kind, SmsRecipient(phone=phone), data or {})).unwrap()

    async def text_code(self, phone: str, code: str) -> None:
        await self.text("identity.phone_code", phone, {"code": code, "minutes": str(self.settings.code_s // 60)})
