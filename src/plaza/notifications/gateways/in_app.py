"""To the sockets that somebody has open, in whichever process."""

from __future__ import annotations

import msgspec

from plaza.core.realtime import Hub
from plaza.core.service import outside
from plaza.notifications.frames import NotificationNew
from plaza.notifications.schemas import InAppMessage


class HubGateway:
    """Nobody answers: whether a socket was open, or a word between the processes was lost, is not known."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub

    @outside
    async def send(self, message: InAppMessage) -> str:
        frame = NotificationNew(notification=message.notification)
        await self.hub.to_users([message.to.user_id], msgspec.json.encode(frame))
        return str(message.notification.id)
