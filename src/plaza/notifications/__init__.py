"""Telling people something, by mail, by text message or in the app: declared by any context, written in the caller's transaction, sent
by a job.

Owns deliveries and the development outbox. Invariants:
- a notification goes out if and only if the transaction that asked for it commits;
- its data is sealed on its way and gone once it was sent, was refused for good, or could not be delivered for days;
- what was rendered is stored nowhere (but in the development outbox, whose purpose that is);
- a message is sent once; where a process died between sending and writing that down, once more with the same id;
- in the app (`notification.new`) it reaches the sockets that are open then, and is kept for no others;
- the development outbox does not exist in production, which has a mail server or does not start, and may do without text messages.

It knows no context: who is told what is declared to it (`NotificationType`) and asked of it (`NotificationService.notify`).
"""

from plaza.notifications.rendering import UnknownNotification
from plaza.notifications.schemas import (
    Channel,
    EmailRecipient,
    InAppRecipient,
    NotificationsSettings,
    NotificationType,
    Recipient,
    SmsRecipient,
)
from plaza.notifications.service import NotificationService

__all__ = [
    "Channel",
    "EmailRecipient",
    "InAppRecipient",
    "NotificationService",
    "NotificationType",
    "NotificationsSettings",
    "Recipient",
    "SmsRecipient",
    "UnknownNotification",
]
