"""Where messages go in development: a table that a page shows."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from plaza.core.db import Database
from plaza.core.service import outside
from plaza.notifications.gateways.mail import message_id
from plaza.notifications.models import OutboxItem
from plaza.notifications.schemas import Mail, NotificationsSettings, TextMessage

_KEPT = 5_000


class DevelopmentOutbox:
    """Exactly once: the delivery's id is unique in the table."""

    def __init__(self, settings: NotificationsSettings, db: Database) -> None:
        self.settings, self.db = settings, db

    @outside
    async def send(self, message: Mail | TextMessage) -> str:
        if isinstance(message, Mail):
            id, channel = message_id(message, self.settings), "email"
            recipient, subject = message.to.address, message.subject
        else:
            id, channel, recipient, subject = str(message.id), "sms", message.to.phone, ""
        row = {
            "delivery_id": message.id,
            "channel": channel,
            "recipient": recipient,
            "subject": subject,
            "body": message.text,
            "at": message.at,
        }
        oldest = select(OutboxItem.id).order_by(OutboxItem.id.desc()).offset(_KEPT).limit(1).scalar_subquery()
        async with self.db.engine.begin() as connection:
            await connection.execute(insert(OutboxItem).values(row).on_conflict_do_nothing())
            await connection.execute(delete(OutboxItem).where(OutboxItem.id <= oldest))
        return id
