"""How far each person's devices have got: sockets tell what was written to them, and once in a while the markers follow in one statement.

A marker that gets lost here (a killed process, a full list) is made up for by the next entry, or by reading.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from uuid import UUID

import structlog

from plaza.chat.frames import DeliveredUpdated
from plaza.chat.repository import Delivery, ReceiptRepository
from plaza.chat.schemas import ChatSettings
from plaza.chat.service.announcing import Announcer
from plaza.core.db import Database
from plaza.core.realtime import Hub
from plaza.core.result import ServiceResult, success
from plaza.core.service import Service, command

log = structlog.get_logger(__name__)


class DeliveryService(Service):
    EVERY_S = 1.0
    WAITING = 20_000  # markers kept between two settlements; what comes beyond that waits for its next entry

    def __init__(self, db: Database, hub: Hub, settings: ChatSettings) -> None:
        super().__init__(db)
        self.settings, self.receipts, self.announcer = settings, ReceiptRepository(db), Announcer(db, hub)
        self._reached: dict[tuple[UUID, UUID], int] = {}
        self._due = asyncio.Event()
        hub.on_written(self.reached)

    def reached(self, user_id: UUID, conversation_id: UUID, seq: int) -> None:
        """An entry was written to a socket of this person. Never waits."""
        key = conversation_id, user_id
        before = self._reached.get(key)
        if before is None and len(self._reached) >= self.WAITING:
            return
        if before is None or before < seq:
            self._reached[key] = seq
            self._due.set()

    @command()
    async def settle(self, reached: Mapping[tuple[UUID, UUID], int]) -> ServiceResult[list[Delivery]]:
        """Raises the markers of (conversation, user); answers those that somebody held just now, to be tried again.

        In small conversations everybody is told.
        """
        waiting = []
        for each in await self.receipts.raise_delivered(reached):
            if not each.has_moved:
                waiting.append(each)
            elif not each.is_parted and each.participant_count <= self.settings.delivery_frames_up_to:
                frame = DeliveredUpdated(conversation_id=each.conversation_id, user_id=each.user_id, up_to=each.seq)
                self.announcer.to_topic(each.conversation_id, frame)
        return success(waiting)

    async def settle_all(self) -> None:
        """Whatever has gathered."""
        reached, self._reached = self._reached, {}
        if not reached:
            return
        for each in (await self.settle(reached)).unwrap():
            self.reached(each.user_id, each.conversation_id, each.seq)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._due.wait()
            await asyncio.sleep(self.EVERY_S)
            self._due.clear()
            try:
                await self.settle_all()
            except Exception as error:  # without a database: the next entries bring the markers up
                log.warning("deliveries_not_settled", error=repr(error))
