"""Accounts elsewhere that their owners log in with.

    known account                         its person is let in
    vouched address, free or pending      an account is made of it: nobody else's code opens it any more
    vouched address, somebody's proved    linked to that person; to staff, and where they have removed it, only while they are signed in
    address that nobody vouches for       a code is mailed there, and the link takes effect with that code
    no address                            refused: an account needs a contact

"Vouched" means that the provider has verified the address, and is trusted by the operator to say so.
"""

from __future__ import annotations

from uuid import UUID

import msgspec

from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Database, Page
from plaza.core.errors import ValidationFailed
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command, query
from plaza.core.settings import PlazaSettings
from plaza.domain_events.identity import SessionId, UserId
from plaza.identity.errors import (
    LinkedAccountNotFound,
    LinkedAccountTaken,
    LinkRequired,
    OAuthEmailMissing,
    OAuthRejected,
    OAuthStateInvalid,
)
from plaza.identity.models import EndReason, Purpose, User, UserStatus
from plaza.identity.repository import LinkedAccountRepository, SessionRepository, UserRepository
from plaza.identity.schemas import (
    Admission,
    LinkedAccountView,
    Origin,
    OutsideIdentity,
    Proof,
    StartRegistration,
)
from plaza.identity.service.contacts import cleaned_email, cleaned_line
from plaza.identity.service.factors import FactorService
from plaza.identity.service.gate import LoginGate
from plaza.identity.service.links import AccountLinks
from plaza.identity.service.messages import Messages
from plaza.identity.service.newcomers import NAMELESS, Newcomers
from plaza.identity.service.notices import Change, SecurityNotices
from plaza.identity.service.sessions import SessionService
from plaza.identity.service.verification import VerificationTokens
from plaza.identity.service.ways_in import WaysIn

_NAME_LENGTH = 100


class CodeMailed(msgspec.Struct, frozen=True, tag="code_mailed"):
    """Nobody is let in yet, and that has to be committed: the job that mails the code is part of it."""


class LinkedAccountService(Service):
    def __init__(
        self,
        db: Database,
        clock: Clock,
        plaza: PlazaSettings,
        sessions: SessionService,
        gate: LoginGate,
        factors: FactorService,
        ways: WaysIn,
        newcomers: Newcomers,
        verification: VerificationTokens,
        messages: Messages,
        notices: SecurityNotices,
        links: AccountLinks,
    ) -> None:
        super().__init__(db)
        self.clock, self.plaza, self.gate, self.factors, self.ways = clock, plaza, gate, factors, ways
        self.newcomers, self.verification, self.messages, self.notices = newcomers, verification, messages, notices
        self.links = links
        self.sessions, self.users = sessions, UserRepository(db)
        self.session_rows, self.accounts = SessionRepository(db), LinkedAccountRepository(db)

    @query()
    async def mine(self, actor: Actor) -> ServiceResult[Page[LinkedAccountView]]:
        return success(Page(await self.accounts.of_user(UserId(actor.user_id)), None))

    @command(LinkedAccountNotFound, FactorService.begin_change, WaysIn.check_remains)
    async def remove(self, actor: Actor, id: UUID, *, end_other_sessions: bool = False) -> ServiceResult[None]:
        (await self.factors.begin_change(actor)).unwrap()
        account = await self.accounts.lock(id)
        if account is None or account.user_id != actor.user_id:
            return failure(LinkedAccountNotFound())
        (await self.ways.check_remains(account.user_id, without=[id])).unwrap()
        await self.links.remove(account, by=actor)
        (await self.notices.tell(account.user_id, Change.ACCOUNT_UNLINKED, detail=account.provider)).unwrap()
        if end_other_sessions:
            (await self.sessions.end_others(actor, EndReason.CREDENTIALS_CHANGED)).unwrap()
        return success(None)

    @command(OAuthStateInvalid, LinkedAccountTaken, FactorService.begin_change)
    async def link(self, actor: Actor, identity: OutsideIdentity) -> ServiceResult[None]:
        """By somebody who was signed in when they set out, and still is. What is linked to them already, stays."""
        (await self.factors.begin_change(actor)).unwrap()
        session_id = SessionId(actor.session_id) if actor.session_id is not None else None
        if session_id is None or await self.session_rows.lock_live(session_id, self.clock.now()) is None:
            return failure(OAuthStateInvalid())
        account, user_id = await self.links.find(identity.provider, identity.subject), UserId(actor.user_id)
        if account is None:
            await self.links.add(
                user_id, identity.provider, identity.subject, email=cleaned_email(identity.email), by=actor
            )
            (await self.notices.tell(user_id, Change.ACCOUNT_LINKED, detail=identity.provider)).unwrap()
        elif account.user_id != actor.user_id:
            return failure(LinkedAccountTaken())
        return success(None)

    @command(LinkRequired, LinkedAccountTaken, OAuthEmailMissing, OAuthRejected, LoginGate.admit)
    async def admit(self, identity: OutsideIdentity, origin: Origin) -> ServiceResult[Admission | CodeMailed]:
        email = cleaned_email(identity.email)
        if email is not None and not identity.is_vouched and await self.owner_of(identity) is None:
            self._ask_for_a_code(identity, email)
            return success(CodeMailed())
        proof = Proof(methods=("fed",), identifier=email or "")
        return success((await self.gate.admit(await self.person(identity), proof, origin)).unwrap())

    async def owner_of(self, identity: OutsideIdentity) -> UserId | None:
        return await self.accounts.owner(identity.provider, identity.subject)

    async def person(self, identity: OutsideIdentity) -> UserId:
        """Whose account this is, or is from now on; part of the caller's transaction, with the user's row locked.

        Raises LinkRequired, LinkedAccountTaken, OAuthEmailMissing and OAuthRejected.
        """
        email = cleaned_email(identity.email)
        user_id = await self.owner_of(identity)
        if user_id is None:
            if email is None or not identity.is_vouched:
                raise OAuthEmailMissing
            user_id = await self._person(identity, email)
        await self.users.lock(user_id, deleted=True)
        account = await self.links.find(identity.provider, identity.subject)
        if account is None or account.user_id != user_id:
            raise OAuthRejected  # it was unlinked at this moment
        account.email, account.last_used_at = email or account.email, self.clock.now()
        await self.db.session.flush()
        return user_id

    async def _person(self, identity: OutsideIdentity, email: str) -> UserId:
        """Whose vouched address this is from now on, with the account linked. Raises LinkRequired and LinkedAccountTaken.

        Codes that were mailed to the address, and passwords that ride on them, open nothing any more; they are locked before any person.
        """
        await self.verification.void(Purpose.EMAIL_VERIFICATION, email)
        user = await self.newcomers.account_of(email=email, display_name=_name(identity))
        is_new = user.status is UserStatus.PENDING
        if is_new:
            await self._welcome(user, identity, email)
        elif (
            user.email_verified_at is None
            or user.is_staff
            or user.is_superuser
            or await self.accounts.is_unlinked(user.id, identity.provider, identity.subject)
        ):
            raise LinkRequired
        if await self.links.find(identity.provider, identity.subject) is None:
            await self.links.add(user.id, identity.provider, identity.subject, email=email)
            if not is_new:
                (await self.notices.tell(user.id, Change.ACCOUNT_LINKED, detail=identity.provider)).unwrap()
        return user.id

    async def _welcome(self, user: User, identity: OutsideIdentity, email: str) -> None:
        user.email_vouched_by = identity.provider
        await self.newcomers.take_in(user, display_name=_name(identity), password_hash=None, by=identity.provider)
        await self.messages.mail("identity.welcome", email, {"url": self.plaza.base_url})

    def _ask_for_a_code(self, identity: OutsideIdentity, email: str) -> None:
        """As at any registration: whether somebody has the address already is the job's to find out, and nobody else's."""
        request = StartRegistration(
            email=email,
            password_hash=None,
            display_name=_name(identity),
            linked=(identity.provider, identity.subject),
        )
        self.db.enqueue(request)


def _name(identity: OutsideIdentity) -> str:
    try:
        return cleaned_line((identity.name or "")[:_NAME_LENGTH], "name")
    except ValidationFailed:
        return NAMELESS
