"""Pausing an account, and leaving for good.

    DELETE user     one command: closed, every session ended, the will written down            nobody can come back from here
    EraseNext       one job per context and round: its share erased, counted, the next enqueued   a death repeats one round
    the last one    the certificate, its fingerprint in the audit log, a mail to where it all began

Contexts let go from the highest layer down, so that none is left with what refers to nothing; identity keeps a row with an id and no
more, for the references that stay (a message without its sender).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from uuid import UUID

import msgspec

from plaza.audit import AuditEntry, AuditService
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.crypto import Sealed, Vault
from plaza.core.db import Database
from plaza.core.ids import uuid7
from plaza.core.personal_data import Person, PersonalData, PersonalDataHolders
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command
from plaza.domain_events.identity import UserId
from plaza.identity.errors import AccountDisabled, UserNotFound
from plaza.identity.models import EndReason, Erasure, ErasureStep, User, UserStatus
from plaza.identity.repository import ErasureRepository, UserRepository
from plaza.identity.repository.privacy import contacts_of
from plaza.identity.schemas import Certificate, CertificateStep, DeactivateInput, EraseNext, ErasureView
from plaza.identity.service.factors import FactorService
from plaza.identity.service.former_contacts import FormerContacts
from plaza.identity.service.messages import Messages
from plaza.identity.service.roles import RoleService
from plaza.identity.service.sessions import SessionService


class LeavingService(Service):
    def __init__(
        self,
        db: Database,
        clock: Clock,
        vault: Vault,
        sessions: SessionService,
        roles: RoleService,
        messages: Messages,
        holders: PersonalDataHolders,
        audit: AuditService,
        factors: FactorService,
        former_contacts: FormerContacts,
    ) -> None:
        super().__init__(db)
        self.clock, self.vault, self.sessions, self.roles = clock, vault, sessions, roles
        self.messages, self.holders, self.audit = messages, holders, audit
        self.factors, self.former_contacts = factors, former_contacts
        self.users, self.erasures = UserRepository(db), ErasureRepository(db)

    @command(AccountDisabled, RoleService.check_dispensable, FactorService.check_shown)
    async def deactivate(self, actor: Actor, given: DeactivateInput) -> ServiceResult[None]:
        """The data stays; nobody logs in until staff opens the account again."""
        user = await self._close(actor)
        await self._record("identity.user_deactivated", user.id, actor, {"reason": given.reason})
        return success(None)

    @command(AccountDisabled, RoleService.check_dispensable, FactorService.check_shown)
    async def delete(self, actor: Actor, *, erase_texts: bool = False) -> ServiceResult[ErasureView]:
        """Closed at once and for good; erased by jobs. Their contacts are free for others once identity's share is gone."""
        return success(await self._doom(await self._close(actor), actor, erase_texts=erase_texts))

    @command(UserNotFound, RoleService.check_dispensable)
    async def delete_for(self, user_id: UserId, *, erase_texts: bool = False) -> ServiceResult[ErasureView]:
        """By the operator, whatever became of the account: asked for by letter, or once more after an older backup was restored."""
        (await self.roles.check_dispensable(user_id)).unwrap()
        user = await self.users.lock(user_id)
        if user is None:
            return failure(UserNotFound())
        (await self.sessions.end_all(user_id, EndReason.ACCOUNT_DISABLED)).unwrap()
        if user.status is UserStatus.PENDING:
            user.expire()
        elif user.status is UserStatus.BANNED:
            user.reinstate()
        if user.status is not UserStatus.DEACTIVATED:
            user.deactivate()
        return success(await self._doom(user, None, erase_texts=erase_texts))

    @command()
    async def erase_next(self, erasure_id: UUID) -> ServiceResult[None]:
        """One round: a share of the first context that has not finished, or the certificate."""
        erasure = await self.erasures.lock(erasure_id)
        if erasure is None or erasure.sealed_contacts is None:
            return success(None)
        contacts: tuple[str, ...] = self.vault.open(Sealed(erasure.sealed_contacts), tuple[str, ...])
        steps = await self.erasures.steps(erasure.id)
        for context, holder in self.holders.by_context.items():
            if (step := steps.get(context)) is None or step.finished_at is None:
                await self._erase_in(context, holder, erasure, Person(erasure.user_id, contacts, erasure.erase_texts))
                self._enqueue(erasure.id)
                return success(None)
        await self._certify(erasure, list(steps.values()), contacts)
        return success(None)

    async def _close(self, actor: Actor) -> User:
        """Of one command with whatever it is closed for. Raises AccountDisabled, LastSuperuser."""
        user_id = UserId(actor.user_id)
        (await self.roles.check_dispensable(user_id)).unwrap()
        user = await self.users.lock(user_id)
        if user is None or not user.may_log_in:
            raise AccountDisabled
        (await self.factors.check_shown(actor)).unwrap()
        (await self.sessions.end_all(user_id, EndReason.ACCOUNT_DISABLED, by=actor)).unwrap()
        user.deactivate()
        return user

    async def _doom(self, user: User, by: Actor | None, *, erase_texts: bool) -> ErasureView:
        """A closed account; from here on there is no way back. The first of the contacts hears of the end."""
        now, former = self.clock.now(), await self.former_contacts.of(user.id)
        contacts = (*contacts_of(user.email, user.phone), *former)
        user.deleted_at = now
        erasure = self.erasures.add(
            Erasure(
                id=uuid7(),
                user_id=user.id,
                erase_texts=erase_texts,
                sealed_contacts=self.vault.seal(contacts).ciphertext,
                created_at=now,
            )
        )
        told = {"erasure_id": erasure.id, "erase_texts": erase_texts}
        await self._record("identity.user_deletion_requested", user.id, by, told)
        self._enqueue(erasure.id)
        return ErasureView(id=erasure.id)

    async def _erase_in(self, context: str, holder: PersonalData, erasure: Erasure, person: Person) -> None:
        taken = (await holder.erase(person)).unwrap()
        await self.erasures.add_to_step(
            ErasureStep(
                erasure_id=erasure.id,
                context=context,
                counts=taken.counts,
                finished_at=self.clock.now() if taken.finished else None,
            )
        )

    async def _certify(self, erasure: Erasure, steps: Sequence[ErasureStep], contacts: Sequence[str]) -> None:
        erasure.completed_at, erasure.sealed_contacts = self.clock.now(), None
        certificate = Certificate(
            id=erasure.id,
            user_id=erasure.user_id,
            erase_texts=erasure.erase_texts,
            requested_at=erasure.created_at,
            completed_at=erasure.completed_at,
            steps=[
                CertificateStep(context=step.context, counts=step.counts, finished_at=step.finished_at)
                for step in steps
                if step.finished_at is not None
            ],
        )
        erasure.fingerprint = fingerprint_of(certificate)
        told = {"erasure_id": erasure.id, "fingerprint": erasure.fingerprint.hex()}
        await self._record("identity.user_erased", erasure.user_id, None, told)
        await self._tell(contacts[0], erasure.id)

    async def _tell(self, contact: str, erasure_id: UUID) -> None:
        data = {"certificate": str(erasure_id)}
        if "@" in contact:
            await self.messages.mail("identity.account_erased", contact, data)
        elif self.messages.can_text:
            await self.messages.text("identity.account_erased", contact, data)

    async def _record(self, action: str, user_id: UserId, actor: Actor | None, after: dict[str, object]) -> None:
        entry = AuditEntry(
            action=action, subject_type="user", subject_id=str(user_id), actor=actor, user_id=user_id, after=after
        )
        (await self.audit.record(entry)).unwrap()

    def _enqueue(self, erasure_id: UUID) -> None:
        self.db.enqueue(EraseNext(erasure_id=erasure_id), key=f"identity.erasure/{erasure_id}")


def fingerprint_of(certificate: Certificate) -> bytes:
    """SHA-256 over its JSON with sorted keys and no spaces."""
    return hashlib.sha256(msgspec.json.encode(certificate, order="deterministic")).digest()
