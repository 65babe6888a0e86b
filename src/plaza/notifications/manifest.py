from __future__ import annotations

from plaza.core.composition import Context
from plaza.notifications import admin, controllers, jobs
from plaza.notifications.gateways import HubGateway, InAppGateway, MailGateway, SmsGateway, mail_gateway, sms_gateway
from plaza.notifications.schemas import NotificationsSettings
from plaza.notifications.service import NotificationService

context = Context(
    name="notifications",
    settings=NotificationsSettings,
    gateways={MailGateway: mail_gateway, SmsGateway: sms_gateway, InAppGateway: HubGateway},
    services=(NotificationService,),
    personal_data=NotificationService,
    development=(controllers.OutboxController,),
    jobs=(jobs.deliver,),
    crons=(jobs.purge,),
    declares=(admin.READ, admin.DELIVERIES),
)
