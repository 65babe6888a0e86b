"""Another e-mail address, or a first one.

    ask       -> a code to the new address, or word to its owner where it belongs to somebody else: the asker sees no difference
    confirm   -> the address is theirs; the old one gets a link that takes it back, good for some days
    undo      -> the old address is back, every session has ended, and a new password is to be set by a mailed link

Who takes over an account changes its address first; from then on notices reach only the thief. The undo therefore trusts the old
mailbox more than anything that came later: whatever was added since to log in with goes (passkeys, device keys, linked accounts, API
keys, a number, a second factor), and changes made after the one that it takes back cannot bring themselves back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from plaza.audit import AuditEntry, AuditService
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Database
from plaza.core.errors import Unauthenticated, Unavailable, ValidationFailed
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command, flow
from plaza.core.settings import PlazaSettings
from plaza.domain_events.identity import UserId
from plaza.identity.errors import CodeInvalid, EmailTaken
from plaza.identity.models import EndReason, Purpose, User
from plaza.identity.repository import ApiKeyRepository, UserRepository, WaysInRepository
from plaza.identity.schemas import (
    CodeInput,
    EmailInput,
    IdentitySettings,
    LinkInput,
    SendEmailChangeCode,
    UserView,
    VerificationSent,
)
from plaza.identity.service.contacts import normalized_email
from plaza.identity.service.factors import FactorService
from plaza.identity.service.messages import Messages
from plaza.identity.service.newcomers import Newcomers
from plaza.identity.service.notices import Change, SecurityNotices
from plaza.identity.service.pace import SendingPace
from plaza.identity.service.password_changes import PasswordService
from plaza.identity.service.sessions import SessionService
from plaza.identity.service.verification import REFUSALS, Refused, VerificationTokens


class EmailChangeService(Service):
    def __init__(
        self,
        db: Database,
        clock: Clock,
        settings: IdentitySettings,
        plaza: PlazaSettings,
        verification: VerificationTokens,
        newcomers: Newcomers,
        pace: SendingPace,
        messages: Messages,
        notices: SecurityNotices,
        audit: AuditService,
        sessions: SessionService,
        passwords: PasswordService,
        factors: FactorService,
    ) -> None:
        super().__init__(db)
        self.clock, self.settings, self.plaza, self.verification = clock, settings, plaza, verification
        self.newcomers, self.pace, self.messages, self.notices = newcomers, pace, messages, notices
        self.audit, self.sessions, self.passwords, self.factors = audit, sessions, passwords, factors
        self.users, self.ways, self.keys = UserRepository(db), WaysInRepository(db), ApiKeyRepository(db)

    @command(ValidationFailed, FactorService.begin_change)
    async def ask(self, actor: Actor, given: EmailInput) -> ServiceResult[VerificationSent]:
        (await self.factors.begin_change(actor)).unwrap()
        self.db.enqueue(SendEmailChangeCode(user_id=UserId(actor.user_id), email=normalized_email(given.email)))
        return success(VerificationSent())

    @flow(*REFUSALS, EmailTaken, Unauthenticated, FactorService.check_shown)
    async def confirm(self, actor: Actor, given: CodeInput) -> ServiceResult[UserView]:
        """The code of the address that was asked for last. EMAIL_TAKEN learns only who can read the mail of that address."""
        outcome = (await self._confirm(actor, given.code)).unwrap()
        return failure(outcome.error()) if isinstance(outcome, Refused) else success(outcome)

    @flow(*REFUSALS, EmailTaken)
    async def undo(self, given: LinkInput) -> ServiceResult[None]:
        outcome = (await self._undo(given.token)).unwrap()
        return failure(outcome.error()) if isinstance(outcome, Refused) else success(None)

    # Job

    @flow(Unavailable)
    async def send_code(self, request: SendEmailChangeCode) -> ServiceResult[None]:
        if await self.pace.may_mail(request.email):
            (await self._send_code(request)).unwrap()
        return success(None)

    # Parts of them

    @command()
    async def _send_code(self, request: SendEmailChangeCode) -> ServiceResult[None]:
        """The code to an address that is somebody else's is made as any other, and told to nobody."""
        holder = await self.users.lock_by_contact(email=request.email)
        if await self.users.get(request.user_id) is None:
            return success(None)
        issued = self.verification.issue(Purpose.EMAIL_CHANGE, request.email, user_id=request.user_id)
        if holder is not None and holder.is_verified and holder.id != request.user_id:
            await self.messages.mail("identity.email_change_taken", request.email, {"url": self.plaza.base_url})
        else:
            data = {"code": issued.code, "minutes": str(self.settings.code_s // 60)}
            await self.messages.mail("identity.email_change_code", request.email, data, good_for_s=self.settings.code_s)
        return success(None)

    @command(EmailTaken, Unauthenticated, FactorService.check_shown)
    async def _confirm(self, actor: Actor, code: str) -> ServiceResult[UserView | Refused]:
        user_id = UserId(actor.user_id)
        address = await self.verification.latest_address(Purpose.EMAIL_CHANGE, user_id)
        if address is None:
            return success(Refused(CodeInvalid.code))
        token = await self.verification.redeem_code(Purpose.EMAIL_CHANGE, address, code, of=user_id)
        if isinstance(token, Refused):
            return success(token)
        await self.verification.void(Purpose.EMAIL_VERIFICATION, address)  # of a registration that gives way
        user = await self.newcomers.displaced_by(user_id, email=address)
        if user is None:
            return failure(Unauthenticated())
        (await self.factors.check_shown(actor)).unwrap()
        if user.email != address:
            await self._move(actor, user, address)
        return success((await self.users.views([user_id]))[user_id])

    async def _move(self, actor: Actor, user: User, address: str) -> None:
        before = user.email
        if before is None:
            (await self.notices.tell(user.id, Change.EMAIL_ADDED)).unwrap()  # still by their phone
        else:
            seconds = self.settings.email_undo_s
            issued = self.verification.issue(Purpose.EMAIL_CHANGE_UNDO, before, user_id=user.id, seconds=seconds)
            data = {"url": f"{self.plaza.base_url}/account#undo={issued.link}", "hours": str(seconds // 3600)}
            await self.messages.mail("identity.email_changed", before, data, good_for_s=seconds)
            (await self.notices.show(user.id, Change.EMAIL_CHANGED)).unwrap()
        await self._store(user, address)
        await self._record("identity.email_changed", actor, user, {"email": before})

    @command(EmailTaken, SessionService.end_all)
    async def _undo(self, link: str) -> ServiceResult[Refused | None]:
        """The person is locked before the link is, so that of two undos the later one sees what the earlier one made void."""
        user_id = await self.verification.owner_of_link(Purpose.EMAIL_CHANGE_UNDO, link)
        if user_id is None or await self.users.lock(user_id) is None:
            return success(Refused(CodeInvalid.code))
        token = await self.verification.redeem_link(Purpose.EMAIL_CHANGE_UNDO, link)
        if isinstance(token, Refused):
            return success(token)
        await self.verification.void_later(token)
        user = await self.newcomers.displaced_by(user_id, email=token.address)
        assert user is not None  # locked above
        before, phone = {"email": user.email}, user.phone
        removed = await self._remove_added_after(user, token.created_at)
        if user.phone is None and phone is not None:
            before["phone"] = phone
        user.password_hash = None
        await self._store(user, token.address)
        (await self.sessions.end_all(user_id, EndReason.CREDENTIALS_CHANGED)).unwrap()
        await self.passwords.mail_reset(user_id, token.address)
        (await self.notices.tell(user_id, Change.EMAIL_RESTORED)).unwrap()
        await self._record("identity.email_change_undone", None, user, before, **removed)
        return success(None)

    async def _remove_added_after(self, user: User, since: datetime) -> dict[str, int]:
        """How many of which kind."""
        removed = await self.ways.remove_added_after(user.id, since)
        if revoked := await self.keys.revoke_made_after(user.id, since, self.clock.now()):
            removed["api_keys"] = revoked
        if user.phone_verified_at is not None and user.phone_verified_at > since:
            user.phone = user.phone_verified_at = None
            removed["phones"] = 1
        return removed

    async def _store(self, user: User, address: str) -> None:
        user.email, user.email_verified_at, user.email_vouched_by = address, self.clock.now(), None
        await self.users.store_contacts()

    async def _record(
        self, action: str, actor: Actor | None, user: User, before: Mapping[str, str | None], **removed: int
    ) -> None:
        entry = AuditEntry(
            action=action,
            subject_type="user",
            subject_id=str(user.id),
            actor=actor,
            user_id=user.id,
            before=before,
            after={"email": user.email, **({"removed": removed} if removed else {})},
        )
        (await self.audit.record(entry)).unwrap()
