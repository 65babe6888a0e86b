"""People whose sessions an outside issuer keeps: their access tokens are accepted as ours are.

    token of the issuer   verified, then known for as long as one of ours would live
    the person            found by the linked account, or made at first sight (just in time)
    the session           a row here for each session there, so that its owner sees it and staff can end it within a second
    roles                 the issuer's, as far as the operator maps them; what somebody was granted here counts in sessions of ours only

A second factor is the issuer's to ask for: whoever has one here is let in only where the token says that one was shown (`amr` with mfa).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from datetime import datetime, timedelta
from uuid import NAMESPACE_URL, UUID, uuid5
from weakref import WeakValueDictionary

import msgspec

from plaza.audit import AuditEntry, AuditService
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Database
from plaza.core.errors import Unauthenticated
from plaza.core.origin import whence
from plaza.core.result import Failure, ServiceResult, failure, success
from plaza.core.service import Service, command, flow
from plaza.domain_events.identity import SessionId, UserId
from plaza.identity.errors import EmailTaken
from plaza.identity.gateways.oauth import OutsideIssuers
from plaza.identity.models import OutsideSession, User
from plaza.identity.repository import (
    MfaRepository,
    OutsideSessionRepository,
    RoleRepository,
    SessionRepository,
    UserRepository,
)
from plaza.identity.schemas import (
    Grant,
    IdentitySettings,
    JwtIssuer,
    Origin,
    OutsideIdentity,
    OutsideToken,
    Proof,
)
from plaza.identity.service.contacts import cleaned_email
from plaza.identity.service.factors import MULTI_FACTOR
from plaza.identity.service.gate import LoginGate
from plaza.identity.service.linked_accounts import LinkedAccountService
from plaza.identity.service.newcomers import Newcomers
from plaza.identity.service.notices import Change, SecurityNotices
from plaza.identity.service.watch import RoleWatch, SessionWatch, StaleWatch

# How long after its beginning a session's name is remembered, so that none that was ended here is taken for a new one.
_REMEMBERED = timedelta(days=400)
_BATCH = 5_000


class Known(msgspec.Struct, frozen=True):
    """`role_changes` is what `RoleWatch` had counted when the roles were looked up."""

    actor: Actor
    token_version: int
    role_changes: int
    until: datetime


class OutsideSessionService(Service):
    REMEMBERED = 20_000

    def __init__(
        self,
        db: Database,
        clock: Clock,
        settings: IdentitySettings,
        issuers: OutsideIssuers,
        accounts: LinkedAccountService,
        gate: LoginGate,
        audit: AuditService,
        watch: SessionWatch,
        stale: StaleWatch,
        role_watch: RoleWatch,
        newcomers: Newcomers,
        notices: SecurityNotices,
    ) -> None:
        super().__init__(db)
        self.clock, self.settings, self.issuers, self.accounts = clock, settings, issuers, accounts
        self.gate, self.newcomers, self.notices = gate, newcomers, notices
        self.audit, self.watch, self.stale, self.role_watch = audit, watch, stale, role_watch
        self.users, self.sessions, self.roles = UserRepository(db), SessionRepository(db), RoleRepository(db)
        self.outside, self.factors = OutsideSessionRepository(db), MfaRepository(db)
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._arriving: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def issuer_of(self, token: str) -> JwtIssuer | None:
        return self.issuers.issuer_of(token)

    async def authenticate(self, issuer: JwtIssuer, token: str) -> Actor:
        """Raises Unauthenticated, and Unavailable where the issuer's keys cannot be had."""
        known = self._known.get(token)
        if known is None or not await self._is_current(known):
            lock = self._arriving.setdefault(token, asyncio.Lock())
            async with lock:  # of many requests with a new token, one looks it up
                known = self._known.get(token)
                if known is None or not await self._is_current(known):
                    known = await self._arrive(issuer, token)
        assert known.actor.session_id is not None
        if await self.watch.has_ended(known.actor.session_id):
            self._known.pop(token, None)
            raise Unauthenticated("This session has ended.")
        return known.actor

    @flow()
    async def purge(self) -> ServiceResult[None]:
        while (await self._purge()).unwrap() == _BATCH:
            pass
        return success(None)

    async def _is_current(self, known: Known) -> bool:
        """Somebody whose status has changed is looked up anew, and everybody when a role has: their tokens are not ours to call stale."""
        is_stale = await self.stale.is_stale(known.actor.user_id, known.token_version)
        return known.until > self.clock.now() and known.role_changes == self.role_watch.changes and not is_stale

    async def _arrive(self, issuer: JwtIssuer, token: str) -> Known:
        found = await self.issuers.verify(issuer, token)
        result = await self._sync(found)
        if isinstance(result, Failure):
            self._known.pop(token, None)
            raise result.error if isinstance(result.error, Unauthenticated) else Unauthenticated(result.error.detail)
        self._remember(token, result.value)
        return result.value

    @command(Unauthenticated, LinkedAccountService.admit)
    async def _sync(self, found: OutsideToken) -> ServiceResult[Known]:
        user = await self._person(found.identity)
        if not user.may_log_in:
            return failure(Unauthenticated("This account cannot be used."))
        if MULTI_FACTOR not in found.methods and await self.factors.has_app(user.id):
            return failure(Unauthenticated("This account asks for a second factor: show it to your identity provider."))
        session_id = await self._session(user, found)
        role_changes = self.role_watch.changes
        permissions = await self.roles.permissions_of_roles(found.roles)
        actor = Actor(
            user_id=user.id,
            session_id=session_id,
            is_staff=bool(permissions),
            permissions=permissions,
            outside_roles=frozenset(found.roles),
            methods=frozenset({"fed", *found.methods}),
            organization_id=organization_id(found),
            authenticated_at=found.authenticated_at,
            waitlisted_until=user.waitlisted_until,
        )
        until = min(found.expires_at, self.clock.now() + timedelta(seconds=self.settings.access_token_s))
        return success(Known(actor, user.token_version, role_changes, until))

    async def _person(self, identity: OutsideIdentity) -> User:
        """Locked. Raises Unauthenticated, and what `LinkedAccountService.person` raises."""
        owner_id = await self.accounts.owner_of(identity)
        if owner_id is not None:
            await self._follow(owner_id, identity)
        elif not identity.is_vouched:
            raise Unauthenticated("Your identity provider vouches for no e-mail address of yours.")
        user_id = await self.accounts.person(identity)
        user = await self.users.lock(user_id)
        if user is None:
            raise Unauthenticated("This account cannot be used.")
        return user

    async def _follow(self, user_id: UserId, identity: OutsideIdentity) -> None:
        """An address that came from this issuer changes with it; one that its owner has proved here does not, nor to another's."""
        email = cleaned_email(identity.email)
        user = await self.users.get(user_id)
        if email is None or user is None or not _follows(user, identity, email):
            return
        try:
            user = await self.newcomers.displaced_by(user_id, email=email)
        except EmailTaken:
            return
        if user is not None and _follows(user, identity, email):
            await self.db.attempt(self._move(user, email, identity.provider))

    @command(EmailTaken)
    async def _move(self, user: User, email: str, provider: str) -> ServiceResult[None]:
        """The address that they know hears of it."""
        (await self.notices.tell(user.id, Change.EMAIL_CHANGED, detail=provider)).unwrap()
        entry = AuditEntry(
            action="identity.email_changed",
            subject_type="user",
            subject_id=str(user.id),
            actor=None,
            user_id=user.id,
            before={"email": user.email},
            after={"email": email},
        )
        user.email, user.email_verified_at = email, self.clock.now()
        await self.users.store_contacts()
        (await self.audit.record(entry)).unwrap()
        return success(None)

    async def _session(self, user: User, found: OutsideToken) -> SessionId:
        """The one here that stands for theirs. Raises Unauthenticated where it has ended, or goes on for longer than ours may."""
        now, hashed = self.clock.now(), hashlib.sha256(f"{found.issuer}\0{found.session}".encode()).digest()
        kept = await self.outside.lock_by_hash(hashed)
        if kept is None:
            return await self._open(user, found, hashed)
        session = await self.sessions.lock(kept.session_id)
        is_over = kept.created_at + timedelta(seconds=self.settings.session_s) <= now
        if session is None or session.revoked_at is not None or session.user_id != user.id or is_over:
            raise Unauthenticated("This session has ended.")
        session.last_used_at, session.expires_at = now, max(session.expires_at, found.expires_at)
        await self.db.session.flush()
        return session.id

    async def _open(self, user: User, found: OutsideToken, hashed: bytes) -> SessionId:
        """By the gate, which need not ask for a second factor: each token is asked for it."""
        place, email = whence(), cleaned_email(found.identity.email)
        proof = Proof(methods=("fed", *found.methods), identifier=email or "", is_multi_factor=True)
        origin = Origin(ip=place.ip, user_agent=place.user_agent)
        admitted = (await self.gate.let_in(user, proof, origin, found)).unwrap()
        assert isinstance(admitted, Grant)  # nothing more to show
        id = admitted.session_id
        self.outside.add(OutsideSession(hash=hashed, session_id=id, created_at=self.clock.now()))
        await self.db.session.flush()
        return id

    @command()
    async def _purge(self) -> ServiceResult[int]:
        kept = _REMEMBERED + timedelta(seconds=self.settings.session_s)
        return success(await self.outside.purge(self.clock.now() - kept, _BATCH))

    def _remember(self, token: str, known: Known) -> None:
        while len(self._known) >= self.REMEMBERED:
            self._known.popitem(last=False)
        self._known[token] = known


def _follows(user: User, identity: OutsideIdentity, email: str) -> bool:
    return identity.is_vouched and user.email_vouched_by == identity.provider and user.email != email


def organization_id(found: OutsideToken) -> UUID | None:
    """Ours for theirs: always the same, and never that of an organisation which another issuer, or Plaza itself, names."""
    if found.organization is None:
        return None
    return uuid5(NAMESPACE_URL, f"plaza:{found.issuer}:{found.organization}")
