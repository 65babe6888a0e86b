"""Telling people something: written in the caller's transaction, sent by a job."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from plaza.core.clock import Clock
from plaza.core.crypto import Sealed, Vault
from plaza.core.db import Database
from plaza.core.ids import uuid7
from plaza.core.personal_data import Erased, Person, Piece, lines
from plaza.core.result import ServiceResult, success
from plaza.core.service import Service, command, flow, query
from plaza.core.settings import PlazaSettings
from plaza.domain_events.notifications import NotificationId
from plaza.notifications.gateways import DeliveryRefused, InAppGateway, MailGateway, NoSmsGateway, SmsGateway
from plaza.notifications.models import Delivery
from plaza.notifications.rendering import Templates
from plaza.notifications.repository import DeliveryRepository, OutboxRepository, Waiting
from plaza.notifications.schemas import (
    Channel,
    Deliver,
    EmailRecipient,
    InAppMessage,
    InAppRecipient,
    Mail,
    NotificationsSettings,
    NotificationType,
    NotificationView,
    OutboxItemView,
    OutboxView,
    Recipient,
    SmsRecipient,
    TextMessage,
)

_OUTBOX_SHOWS = 500
_ERROR_LENGTH = 300
_ERASED_AT_ONCE = 5_000


class NotificationService(Service):
    def __init__(
        self,
        db: Database,
        clock: Clock,
        vault: Vault,
        types: Sequence[NotificationType],
        mail: MailGateway,
        sms: SmsGateway,
        in_app: InAppGateway,
        settings: NotificationsSettings,
        plaza: PlazaSettings,
    ) -> None:
        super().__init__(db)
        self.clock, self.vault, self.settings = clock, vault, settings
        self.mail, self.sms, self.in_app = mail, sms, in_app
        self.templates = Templates(types, plaza)
        self.deliveries, self.outbox_items = DeliveryRepository(db), OutboxRepository(db)

    def can_send(self, channel: Channel) -> bool:
        """Text messages where a provider is configured, and in development; else always. What is sent all the same ends as refused."""
        return channel != "sms" or not isinstance(self.sms, NoSmsGateway)

    @command()
    async def notify(
        self, kind: str, to: Recipient, data: Mapping[str, str], *, good_for: timedelta | None = None
    ) -> ServiceResult[NotificationId]:
        """Goes out if and only if the caller's transaction commits. `data` is sealed at once and wiped after sending.

        What could not be sent for as long as it is `good_for` is not sent any more.

        Raises UnknownNotification.
        """
        channel, recipient, name = _addressed(to)
        self.templates.check(kind, channel)
        delivery_id, now = NotificationId(uuid7()), self.clock.now()
        self.deliveries.add(
            Delivery(
                id=delivery_id,
                kind=kind,
                channel=channel,
                recipient=recipient,
                recipient_name=name,
                data=self.vault.seal(dict(data)).ciphertext,
                created_at=now,
                expires_at=now + good_for if good_for is not None else None,
            )
        )
        self.db.enqueue(Deliver(delivery_id=delivery_id))
        return success(delivery_id)

    @flow()
    async def deliver(self, id: NotificationId) -> ServiceResult[None]:
        """Renders and sends. A repetition, after a death between sending and marking it sent, carries the same id.

        Rendering is no command: a command's result would be stored, and what was rendered is to be nowhere.
        """
        found = await self.deliveries.to_send(id)
        if found is None:
            return success(None)
        if found.expires_at is not None and found.expires_at <= self.clock.now():
            return await self.mark_failed(id, "too late")
        try:
            message_id = await self._send(id, found)
        except DeliveryRefused as refused:
            return await self.mark_failed(id, str(refused)[:_ERROR_LENGTH])
        return await self.mark_sent(id, message_id)

    @command()
    async def mark_sent(self, id: NotificationId, message_id: str) -> ServiceResult[None]:
        if (delivery := await self.deliveries.lock(id)) is not None and delivery.is_queued:
            delivery.send(self.clock.now(), message_id)
            self._forget(delivery)
        return success(None)

    @command()
    async def mark_failed(self, id: NotificationId, error: str) -> ServiceResult[None]:
        if (delivery := await self.deliveries.lock(id)) is not None and delivery.is_queued:
            delivery.fail(self.clock.now(), error)
            self._forget(delivery)
        return success(None)

    @command()
    async def purge(self) -> ServiceResult[int]:
        """Ends what could not be delivered for days, with its data; forgets who was told what after months."""
        now, settings = self.clock.now(), self.settings
        ended = await self.deliveries.give_up(now - timedelta(days=settings.undelivered_kept_days), now)
        return success(ended + await self.deliveries.purge(now - timedelta(days=settings.kept_days)))

    @query()
    async def outbox(self) -> ServiceResult[OutboxView]:
        """The development outbox, the newest first."""
        items = [
            OutboxItemView(channel=row.channel, to=row.recipient, subject=row.subject, body=row.body, at=row.at)
            for row in await self.outbox_items.latest(_OUTBOX_SHOWS)
        ]
        return success(OutboxView(items=items))

    async def export(self, person: Person) -> AsyncIterator[Piece]:
        """What was sent to their contacts or told to their devices, and when; what it said is kept nowhere."""
        yield lines("messages", self.deliveries.of(_recipients(person)))

    @command()
    async def erase(self, person: Person) -> ServiceResult[Erased]:
        """Also what still waits to be sent."""
        messages = await self.deliveries.erase(_recipients(person), _ERASED_AT_ONCE)
        items = await self.outbox_items.erase(person.contacts)
        counts = {"messages": messages, "outbox_items": items}
        return success(Erased(counts, finished=messages < _ERASED_AT_ONCE))

    def _forget(self, delivery: Delivery) -> None:
        if not self.templates.keeps_recipient(delivery.kind):
            delivery.forget_recipient()

    async def _send(self, id: NotificationId, waiting: Waiting) -> str:
        data: dict[str, str] = self.vault.open(Sealed(waiting.data), dict[str, str])
        if waiting.channel == "in_app":
            title, words = self.templates.in_app(waiting.kind, data)
            shown = NotificationView(id=id, kind=waiting.kind, title=title, text=words, created_at=waiting.created_at)
            recipient = InAppRecipient(user_id=UUID(waiting.recipient))
            return await self.in_app.send(InAppMessage(to=recipient, notification=shown))
        if waiting.channel == "sms":
            text = self.templates.sms(waiting.kind, data)
            to = SmsRecipient(phone=waiting.recipient)
            left = (waiting.expires_at - self.clock.now()) // timedelta(seconds=1) if waiting.expires_at else None
            return await self.sms.send(TextMessage(id=id, to=to, text=text, at=waiting.created_at, good_for_s=left))
        rendered = self.templates.mail(waiting.kind, data)
        return await self.mail.send(
            Mail(
                id=id,
                to=EmailRecipient(address=waiting.recipient, name=waiting.recipient_name),
                subject=rendered.subject,
                text=rendered.text,
                html=rendered.html,
                at=waiting.created_at,
            )
        )


def _addressed(to: Recipient) -> tuple[Channel, str, str]:
    match to:
        case EmailRecipient(address=address, name=name):
            return "email", address, name
        case SmsRecipient(phone=phone):
            return "sms", phone, ""
        case InAppRecipient(user_id=user_id):
            return "in_app", str(user_id), ""


def _recipients(person: Person) -> tuple[str, ...]:
    """By all channels."""
    return (*person.contacts, str(person.user_id))
