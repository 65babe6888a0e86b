from typing import NewType
from uuid import UUID

NotificationId = NewType("NotificationId", UUID)
