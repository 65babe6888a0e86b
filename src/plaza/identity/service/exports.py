"""Taking one's data along: a zip of what every context knows of a person, made by a job, kept for some days.

The file appears under its key whole or not at all, and the export is done only after that: a link always leads to a whole file. Whoever
dies in between makes it once more. An account that goes meanwhile takes its exports with it, the one being made included.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import structlog
from msgspec.structs import replace

from plaza import __version__
from plaza.audit import AuditEntry, AuditService
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Database
from plaza.core.errors import InternalError
from plaza.core.ids import uuid7
from plaza.core.personal_data import Person, PersonalDataHolders, document
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command, flow
from plaza.core.storage import Storage
from plaza.core.storage.archive import zipped
from plaza.domain_events.identity import UserId
from plaza.identity.errors import AccountDisabled, ExportNotFound
from plaza.identity.models import Export, ExportStatus
from plaza.identity.models.privacy import export_key
from plaza.identity.repository import ExportRepository, UserRepository
from plaza.identity.schemas import ExportProblem, ExportView, IdentitySettings, MakeExport
from plaza.identity.service.former_contacts import FormerContacts

log = structlog.get_logger(__name__)

TRIES = 5
_PAUSE = timedelta(minutes=1)  # doubled each time
_STUCK = timedelta(days=1)  # nothing takes that long: its job was given up
_BATCH = 200
_FAILED = ExportProblem(code=InternalError.code, detail="The export could not be made. Ask for a new one later.")


class ExportService(Service):
    def __init__(
        self,
        db: Database,
        clock: Clock,
        settings: IdentitySettings,
        storage: Storage,
        holders: PersonalDataHolders,
        audit: AuditService,
        former_contacts: FormerContacts,
    ) -> None:
        super().__init__(db)
        self.clock, self.settings, self.storage, self.holders, self.audit = clock, settings, storage, holders, audit
        self.former_contacts, self.exports, self.users = former_contacts, ExportRepository(db), UserRepository(db)

    @command(AccountDisabled)
    async def request(self, actor: Actor) -> ServiceResult[ExportView]:
        """One at a time: while one is made, that one is the answer."""
        user = await self.users.lock(UserId(actor.user_id))
        if user is None:
            return failure(AccountDisabled())
        export = await self.exports.lock_open(user.id)
        if export is None:
            export = self.exports.add(Export(id=uuid7(), user_id=user.id, created_at=self.clock.now()))
            await self.db.session.flush()
            await self._record("identity.export_requested", export.id, actor)
            self.db.enqueue(MakeExport(export_id=export.id))
        return success(ExportView(id=export.id, status=export.status))

    @flow(ExportNotFound)
    async def view(self, actor: Actor, export_id: UUID) -> ServiceResult[ExportView]:
        status = await self.exports.state_of(export_id, UserId(actor.user_id))
        match status:
            case None:
                return failure(ExportNotFound())
            case ExportStatus.DONE:
                (await self._hand_out(actor, export_id)).unwrap()
                url = await self.storage.signed_url(
                    export_key(export_id), expires_s=self.settings.export_link_s, filename="plaza-export.zip"
                )
                return success(ExportView(id=export_id, status=ExportStatus.DONE, url=url))
            case ExportStatus.FAILED:
                return success(ExportView(id=export_id, status=ExportStatus.FAILED, problem=_FAILED))
        return success(ExportView(id=export_id, status=status))

    # Jobs

    @flow()
    async def make(self, export_id: UUID) -> ServiceResult[None]:
        """Whose it is, is asked anew by every try: they may be gone by then."""
        (await self._start(export_id)).unwrap()
        order, key = await self.exports.order(export_id), export_key(export_id)
        if order is None:
            await self.storage.delete(key)
            return success(None)
        status, person = order
        if status is not ExportStatus.RUNNING:
            return success(None)
        former = await self.former_contacts.of(UserId(person.user_id))
        try:
            size = await self._write(key, replace(person, contacts=(*person.contacts, *former)))
        except Exception:  # storage or a context's share: whatever it is, the person is told in the end
            log.exception("export_failed", export_id=str(export_id))
            (await self._put_off(export_id)).unwrap()
            return success(None)
        if not (await self._finish(export_id, size)).unwrap():
            await self.storage.delete(key)
        return success(None)

    @flow()
    async def purge(self) -> ServiceResult[None]:
        """Files first: a row that is left without one is met again by the next purge."""
        (await self._fail_stuck()).unwrap()
        before = self.clock.now() - timedelta(days=self.settings.export_days)
        while ids := await self.exports.ended_before(before, _BATCH):
            for each in ids:
                await self.storage.delete(export_key(each))
            (await self._forget(list(ids))).unwrap()
        return success(None)

    @flow()
    async def remove(self, keys: list[str]) -> ServiceResult[None]:
        for key in keys:
            await self.storage.delete(key)
        return success(None)

    # Parts of them

    async def _write(self, key: str, person: Person) -> int:
        """Bytes written."""
        size = 0

        async def counted() -> AsyncIterator[bytes]:
            nonlocal size
            async for chunk in zipped(self._files(person), self.clock.now()):
                size += len(chunk)
                yield chunk

        await self.storage.put(key, counted(), "application/zip")
        return size

    async def _files(self, person: Person) -> AsyncIterator[tuple[str, AsyncIterator[bytes]]]:
        """`<context>/<piece>`, and on top what this is."""
        holders = dict(reversed(list(self.holders.by_context.items())))
        about = {
            "user_id": person.user_id,
            "made_at": self.clock.now(),
            "plaza": __version__,
            "contexts": list(holders),
        }
        yield document("export", about)
        for context, holder in holders.items():
            async for piece in holder.export(person):
                yield f"{context}/{piece.name}", piece.content

    @command()
    async def _start(self, export_id: UUID) -> ServiceResult[None]:
        export = await self.exports.lock(export_id)
        if export is not None and export.is_open:
            export.start()
        return success(None)

    @command()
    async def _finish(self, export_id: UUID, size: int) -> ServiceResult[bool]:
        """False where nobody waits for it any more."""
        export = await self.exports.lock(export_id)
        user = await self.users.get(export.user_id) if export is not None else None
        if export is None or user is None or not export.is_open:
            return success(False)
        export.finish(self.clock.now(), size)
        await self._record("identity.export_made", export.id, None, user_id=export.user_id, size=size)
        return success(True)

    @command()
    async def _put_off(self, export_id: UUID) -> ServiceResult[bool]:
        """Another try later, or the end. Answers as `_finish` does: a job that was retried may be given the one for the other."""
        export = await self.exports.lock(export_id)
        if export is not None and export.status is ExportStatus.RUNNING:
            if export.failures + 1 >= TRIES:
                export.fail(self.clock.now())
            else:
                export.put_off()
                later = self.clock.now() + _PAUSE * 2 ** (export.failures - 1)
                self.db.enqueue(MakeExport(export_id=export.id), at=later)
        return success(False)

    @command()
    async def _fail_stuck(self) -> ServiceResult[None]:
        now = self.clock.now()
        for export in await self.exports.lock_open_since(now - _STUCK, _BATCH):
            export.start()
            export.fail(now)
        return success(None)

    @command()
    async def _forget(self, ids: list[UUID]) -> ServiceResult[None]:
        await self.exports.remove(ids)
        return success(None)

    @command()
    async def _hand_out(self, actor: Actor, export_id: UUID) -> ServiceResult[None]:
        await self._record("identity.export_handed_out", export_id, actor)
        return success(None)

    async def _record(
        self, action: str, export_id: UUID, actor: Actor | None, *, user_id: UserId | None = None, **after: object
    ) -> None:
        entry = AuditEntry(
            action=action,
            subject_type="export",
            subject_id=str(export_id),
            actor=actor,
            user_id=user_id,
            after=after or None,
        )
        (await self.audit.record(entry)).unwrap()
