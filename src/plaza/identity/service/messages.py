"""What identity tells people, inside the transaction that gives the reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from plaza.domain_events.identity import UserId
from plaza.identity.schemas import IdentitySettings
from plaza.notifications import EmailRecipient, InAppRecipient, NotificationService, Recipient, SmsRecipient

_NEWS_S = 300


class Messages:
    """What carries a code or a link tells for how many seconds that is good (`good_for_s`): later it is not sent any more."""

    def __init__(self, notifications: NotificationService, settings: IdentitySettings) -> None:
        self.notifications, self.settings = notifications, settings

    @property
    def can_text(self) -> bool:
        """Whether there is a way to send text messages; without one the routes for phones are not there."""
        return self.notifications.can_send("sms")

    async def mail(
        self, kind: str, email: str, data: Mapping[str, str] | None = None, *, good_for_s: int | None = None
    ) -> None:
        await self._notify(kind, EmailRecipient(address=email), data, good_for_s)

    async def text(self, kind: str, phone: str, data: Mapping[str, str] | None = None) -> None:
        await self._notify(kind, SmsRecipient(phone=phone), data, None)

    async def show(self, kind: str, user_id: UserId, data: Mapping[str, str]) -> None:
        """To whatever they have open. After minutes it is no news any more, and something else has told it."""
        await self._notify(kind, InAppRecipient(user_id=user_id), data, _NEWS_S)

    async def text_code(self, phone: str, code: str) -> None:
        seconds = self.settings.code_s
        data = {"code": code, "minutes": str(seconds // 60)}
        await self._notify("identity.phone_code", SmsRecipient(phone=phone), data, seconds)

    async def _notify(self, kind: str, to: Recipient, data: Mapping[str, str] | None, good_for_s: int | None) -> None:
        good_for = timedelta(seconds=good_for_s) if good_for_s is not None else None
        (await self.notifications.notify(kind, to, data or {}, good_for=good_for)).unwrap()
