"""Telling people that something which guards their account was changed (ASVS 6.3.7), so that they notice where it was not they."""

from __future__ import annotations

from enum import StrEnum

from plaza.core.clock import Clock
from plaza.core.db import Database
from plaza.core.errors import Unavailable
from plaza.core.origin import whence
from plaza.core.result import ServiceResult, success
from plaza.core.service import Service, command, flow
from plaza.core.settings import PlazaSettings
from plaza.domain_events.identity import UserId
from plaza.identity.repository import UserRepository
from plaza.identity.schemas import TextNotice
from plaza.identity.service.devices import describe_device
from plaza.identity.service.messages import Messages
from plaza.identity.service.pace import SendingPace


class Change(StrEnum):
    """What the owner reads."""

    PASSWORD_SET = "A password was set."  # noqa: S105 - a sentence
    PASSWORD_CHANGED = "Your password was changed."  # noqa: S105 - a sentence
    PASSWORD_RESET = "Your password was reset by a mailed link."  # noqa: S105 - a sentence
    EMAIL_CHANGED = "Your e-mail address was changed."
    EMAIL_ADDED = "An e-mail address was added."
    EMAIL_RESTORED = "Your earlier e-mail address is back. All sessions have ended; password and newer keys are void."
    PHONE_CHANGED = "Your phone number was changed."
    PHONE_ADDED = "A phone number was added."
    MFA_ADDED = "An authenticator app was added as your second factor."
    MFA_REMOVED = "Your second factor was removed."
    RECOVERY_CODES_MADE = "New recovery codes were made; the old ones are void."
    RECOVERY_CODE_USED = "Somebody logged in with one of your recovery codes."
    PASSKEY_ADDED = "A passkey was added."
    PASSKEY_REMOVED = "A passkey was removed."
    DEVICE_KEY_ADDED = "A device may now log in with its own key."
    DEVICE_KEY_REMOVED = "A device may no longer log in with its own key."
    ACCOUNT_LINKED = "An outside account may now log in as you."
    ACCOUNT_UNLINKED = "An outside account may no longer log in as you."
    API_KEY_ADDED = "An API key was made."
    API_KEY_REMOVED = "An API key was removed."
    IMPERSONATED = "A member of staff looks into your account to help you."
    NEW_DEVICE = "There was a new login, from a device that we have not seen before."
    REFRESH_REUSED = "A session was ended: a token of it was used a second time, so somebody may have a copy."


class SecurityNotices(Service):
    def __init__(self, db: Database, clock: Clock, plaza: PlazaSettings, messages: Messages, pace: SendingPace) -> None:
        super().__init__(db)
        self.clock, self.plaza, self.messages, self.pace = clock, plaza, messages, pace
        self.users = UserRepository(db)

    @command()
    async def tell(
        self, user_id: UserId, change: Change, *, detail: str = "", former_phone: str | None = None
    ) -> ServiceResult[None]:
        """Part of the transaction that makes the change. To all open devices, and by mail, else by text message, to a contact that is

        proved; a `former_phone` is told too. Where the first address is added, called before it is: else only whoever added it would
        hear. `detail` is what the owner knows it by: the name of a passkey, a provider. Never a secret.
        """
        user = await self.users.get(user_id)
        if user is None:
            return success(None)
        data = self._data(change, detail)
        (await self.show(user.id, change, detail=detail)).unwrap()
        if user.email is not None and user.email_verified_at is not None:
            await self.messages.mail("identity.security_notice", user.email, data)
        elif (
            former_phone is None
            and user.phone is not None
            and user.phone_verified_at is not None
            and self.messages.can_text
        ):
            self.db.enqueue(TextNotice(phone=user.phone, data=data))
        if former_phone is not None and self.messages.can_text:
            self.db.enqueue(TextNotice(phone=former_phone, data=data))
        return success(None)

    @command()
    async def show(self, user_id: UserId, change: Change, *, detail: str = "") -> ServiceResult[None]:
        """To all open devices alone, where a mail of another kind tells it besides."""
        await self.messages.show("identity.security_notice", user_id, self._data(change, detail))
        return success(None)

    @flow(Unavailable)
    async def deliver_text(self, notice: TextNotice) -> ServiceResult[None]:
        """Too many for one number or one country are dropped: whoever owns the number could bring about any number of them."""
        if await self.pace.may_text_notice(notice.phone):
            (await self._text(notice)).unwrap()
        return success(None)

    @command()
    async def _text(self, notice: TextNotice) -> ServiceResult[None]:
        await self.messages.text("identity.security_notice", notice.phone, notice.data)
        return success(None)

    def _data(self, change: Change, detail: str) -> dict[str, str]:
        place = whence()
        return {
            "change": change.value,
            "detail": detail,
            "at": self.clock.now().strftime("%Y-%m-%d %H:%M UTC"),
            "device": describe_device(place.user_agent)[0] if place.user_agent else "",
            "ip": place.ip,
            "url": f"{self.plaza.base_url}/account",
        }
