"""Where messages go: to servers that send them, in development to a table that a page shows, and to open sockets."""

from __future__ import annotations

from plaza.core.db import Database
from plaza.core.settings import PlazaSettings, SettingsError
from plaza.notifications.gateways.in_app import HubGateway
from plaza.notifications.gateways.mail import SmtpGateway
from plaza.notifications.gateways.outbox import DevelopmentOutbox
from plaza.notifications.gateways.ports import DeliveryRefused, InAppGateway, MailGateway, SmsGateway
from plaza.notifications.gateways.sms import NoSmsGateway, TwilioGateway
from plaza.notifications.schemas import NotificationsSettings

__all__ = [
    "DeliveryRefused",
    "DevelopmentOutbox",
    "HubGateway",
    "InAppGateway",
    "MailGateway",
    "NoSmsGateway",
    "SmsGateway",
    "SmtpGateway",
    "TwilioGateway",
    "mail_gateway",
    "sms_gateway",
]


def mail_gateway(settings: NotificationsSettings, plaza: PlazaSettings, db: Database) -> MailGateway:
    """Raises SettingsError: production has a mail server, or it does not start."""
    if settings.smtp_url:
        return SmtpGateway(settings)
    if plaza.is_production:
        raise SettingsError("PLAZA_NOTIFICATIONS_SMTP_URL must name a mail server in production")
    return DevelopmentOutbox(settings, db)


def sms_gateway(settings: NotificationsSettings, plaza: PlazaSettings, db: Database) -> SmsGateway:
    """Phones are an offer that an installation may leave out, mail is not."""
    if settings.sms_account:
        return TwilioGateway(settings)
    return NoSmsGateway() if plaza.is_production else DevelopmentOutbox(settings, db)
