"""Telling people something: written in the caller's transaction, sent by a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from plaza.core.clock import Clock
from plaza.core.crypto import Sealed, Vault
from plaza.core.db import Database
from plaza.core.ids import uuid7
from plaza.core.result import ServiceResult, success
from plaza.core.service import Service, command, flow, query
from plaza.core.settings import PlazaSettings
from plaza.domain_events.notifications import NotificationId
from plaza.notifications.gateways import MailGateway, MailRefused
from plaza.notifications.models import Delivery
from plaza.notifications.rendering import Templates
from plaza.notifications.repository import DeliveryRepository, OutboxRepository
from plaza.notifications.schemas import (
    Deliver,
    EmailRecipient,
    Mail,
    NotificationsSettings,
    NotificationType,
    OutboxItemView,
    OutboxView,
)

_OUTBOX_SHOWS = 500
_ERROR_LENGTH = 300


class NotificationService(Service):
    def __init__(
        self,
        db: Database,
        clock: Clock,
        vault: Vault,
        types: Sequence[NotificationType],
        mail: MailGateway,
        settings: NotificationsSettings,
        plaza: PlazaSettings,
    ) -> None:
        super().__init__(db)
        self.clock, self.vault, self.mail, self.settings = clock, vault, mail, settings
        self.templates = Templates(types, plaza)
        self.deliveries, self.outbox_items = DeliveryRepository(db), OutboxRepository(db)

    @command()
    async def notify(self, kind: str, to: EmailRecipient, data: Mapping[str, str]) -> ServiceResult[NotificationId]:
        """Goes out if and only if the caller's transaction commits. `data` is sealed at once and wiped after sending.

        Raises UnknownNotification.
        """
        self.templates.check(kind)
        delivery_id = NotificationId(uuid7())
        self.deliveries.add(
            Delivery(
                id=delivery_id,
                kind=kind,
                channel="email",
                recipient=to.address,
                recipient_name=to.name,
                data=self.vault.seal(dict(data)).ciphertext,
                created_at=self.clock.now(),
            )
        )
        self.db.enqueue(Deliver(delivery_id=delivery_id))
        return success(delivery_id)

    @flow()
    async def deliver(self, id: NotificationId) -> ServiceResult[None]:
        """Renders and sends. A repetition, after a death between sending and marking it sent, carries the same Message-ID.

        Rendering is no command: a command's result would be stored, and what was rendered is to be nowhere.
        """
        mail = await self._render(id)
        if mail is None:
            return success(None)
        try:
            message_id = await self.mail.send(mail)
        except MailRefused as refused:
            return await self.mark_failed(id, str(refused)[:_ERROR_LENGTH])
        return await self.mark_sent(id, message_id)

    @command()
    async def mark_sent(self, id: NotificationId, message_id: str) -> ServiceResult[None]:
        if (delivery := await self.deliveries.lock(id)) is not None and delivery.is_queued:
            delivery.send(self.clock.now(), message_id)
        return success(None)

    @command()
    async def mark_failed(self, id: NotificationId, error: str) -> ServiceResult[None]:
        if (delivery := await self.deliveries.lock(id)) is not None and delivery.is_queued:
            delivery.fail(self.clock.now(), error)
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

    async def _render(self, id: NotificationId) -> Mail | None:
        """None where there is nothing left to send."""
        found = await self.deliveries.to_send(id)
        if found is None or found.data is None:
            return None
        data: dict[str, str] = self.vault.open(Sealed(found.data), dict[str, str])
        rendered = self.templates.render(found.kind, data)
        to = EmailRecipient(address=found.recipient, name=found.recipient_name)
        return Mail(id=id, to=to, subject=rendered.subject, text=rendered.text, html=rendered.html, at=found.created_at)
