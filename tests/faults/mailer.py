"""A context that only mails."""

from __future__ import annotations

from plaza.core.composition import Context
from plaza.core.db import Database
from plaza.core.result import ServiceResult, success
from plaza.core.service import Service, command
from plaza.notifications import EmailRecipient, NotificationService, NotificationType


class Mailer(Service):
    def __init__(self, db: Database, notifications: NotificationService) -> None:
        super().__init__(db)
        self.notifications = notifications

    @command()
    async def mail(self, count: int) -> ServiceResult[None]:
        """To reader-0@example.com and so on."""
        for n in range(count):
            to = EmailRecipient(address=f"reader-{n}@example.com")
            (
                await self.notifications.notify("mailer.code", to, {"code": "123456", "minutes": "10", "url": ""})
            ).unwrap()
        return success(None)


context = Context(
    name="mailer",
    services=(Mailer,),
    declares=(NotificationType(name="mailer.code", subject="Code", template="identity/email_code"),),
)
