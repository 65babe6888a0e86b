"""What identity tells people, inside the transaction that gives the reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

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
        """Which is of no use once the code has expired."""
        data = {"code": code, "minutes": str(self.settings.code_s // 60)}
        good_for = timedelta(seconds=self.settings.code_s)
        to = SmsRecipient(phone=phone)
        (await self.notifications.notify("identity.phone_code", to, data, good_for=good_for)).unwrap()
