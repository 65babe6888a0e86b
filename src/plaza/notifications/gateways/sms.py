"""Text messages over the HTTP interface of Twilio, which others speak too."""

from __future__ import annotations

import ssl
from functools import cached_property

import httpx2
import msgspec

from plaza.core.service import outside
from plaza.notifications.gateways.ports import DeliveryRefused
from plaza.notifications.schemas import NotificationsSettings, TextMessage

# https://www.twilio.com/docs/api/errors: what is wrong with the recipient, and stays so. What is wrong with the account (no money,
# a wrong token, a region that it may not write to) its operator can repair while the message waits.
_FINAL = frozenset(
    {
        21211,  # not a phone number
        21214,  # cannot be reached
        21217,  # does not appear to be valid
        21265,  # a short code
        21266,  # the sender itself
        21610,  # has unsubscribed
        21612,  # cannot be reached by text
        21614,  # not a mobile number
        21617,  # the text is too long
        21635,  # a landline
    }
)
_MESSAGING_SERVICE = "MG"
# How long Twilio may be told to try.
_LONGEST_S = 14_400


class SmsNotSent(Exception):
    """Whether the provider took the message is not known, or it did not, for a reason that may pass."""


class _Accepted(msgspec.Struct):
    sid: str


class _Problem(msgspec.Struct):
    code: int | None = None
    message: str = ""


class TwilioGateway:
    """A connection per message. The delivery's id travels as Idempotency-Key: Twilio itself ignores it, others heed it."""

    def __init__(self, settings: NotificationsSettings) -> None:
        self.settings = settings

    @outside
    async def send(self, message: TextMessage) -> str:
        settings = self.settings
        sender = "MessagingServiceSid" if settings.sms_sender.startswith(_MESSAGING_SERVICE) else "From"
        form = {"To": message.to.phone, sender: settings.sms_sender, "Body": message.text}
        if message.good_for_s is not None:
            form["ValidityPeriod"] = str(min(max(message.good_for_s, 1), _LONGEST_S))
        async with httpx2.AsyncClient(
            base_url=settings.sms_url,
            auth=(settings.sms_account, settings.sms_token),
            timeout=settings.sms_timeout_s,
            verify=self._trust,
        ) as client:
            answer = await client.post(
                f"/2010-04-01/Accounts/{settings.sms_account}/Messages.json",
                data=form,
                headers={"Idempotency-Key": str(message.id)},
            )
        if answer.is_success:
            return _sid(answer.content)
        problem = _problem(answer.content)
        if answer.is_client_error and problem.code in _FINAL:
            raise DeliveryRefused(f"{problem.code} {problem.message}")
        raise SmsNotSent(f"{answer.status_code}, code {problem.code}")

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        """Reading the certificates takes longer than sending a message."""
        return httpx2.create_ssl_context()


class NoSmsGateway:
    """Production without a provider: `NotificationService.can_send` says so beforehand."""

    async def send(self, message: TextMessage) -> str:
        raise DeliveryRefused("no SMS provider is configured")


def _sid(content: bytes) -> str:
    try:
        return msgspec.json.decode(content, type=_Accepted).sid
    except msgspec.MsgspecError:
        raise SmsNotSent("an answer that no provider gives") from None


def _problem(content: bytes) -> _Problem:
    try:
        return msgspec.json.decode(content, type=_Problem)
    except msgspec.MsgspecError:
        return _Problem()
