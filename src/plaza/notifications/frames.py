"""What open sockets are told."""

from __future__ import annotations

from plaza.core.realtime import Told
from plaza.notifications.schemas import NotificationView


class NotificationNew(Told, frozen=True, kw_only=True, tag="notification.new"):
    """To all devices that the person has open then. It has no seq: who was away is not told later. A repetition has the same id."""

    notification: NotificationView
