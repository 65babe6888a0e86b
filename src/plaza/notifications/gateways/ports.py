"""What the service asks of whatever sends."""

from __future__ import annotations

from typing import Protocol

from plaza.notifications.schemas import InAppMessage, Mail, TextMessage


class DeliveryRefused(Exception):
    """The recipient will never get this: there is no such mailbox, no such phone. Everything else is worth another try."""


class MailGateway(Protocol):
    async def send(self, message: Mail) -> str:
        """The Message-ID, the same each time the same mail is sent.

        Raises DeliveryRefused; any other exception means "unknown".
        """
        ...


class SmsGateway(Protocol):
    async def send(self, message: TextMessage) -> str:
        """The provider's id of the message. Raises DeliveryRefused; any other exception means "unknown"."""
        ...


class InAppGateway(Protocol):
    async def send(self, message: InAppMessage) -> str:
        """The notification's id. Any exception means "unknown"."""
        ...
