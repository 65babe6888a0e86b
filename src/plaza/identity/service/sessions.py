"""Sessions and their refresh tokens.

    token T0 --refresh--> T1 --refresh--> T2        one family; each is used once
       └── again within the grace, while T1 is unused: T1 once more, byte for byte
       └── in any other case: somebody has a copy, the whole family ends

What opens and ends a session stands in the audit log; that one goes on does not.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from msgspec.structs import replace

from plaza.audit import AuditEntry, AuditService
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Cursors, Database, Page, PageRequest
from plaza.core.errors import InvalidCursor, Unauthenticated, ValidationFailed
from plaza.core.ids import uuid7
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command, flow, query
from plaza.domain_events.identity import SessionId, UserId
from plaza.identity.errors import SessionNotFound
from plaza.identity.models import EndReason, Session, User
from plaza.identity.repository import MfaRepository, RoleRepository, SessionRepository, UserRepository
from plaza.identity.repository.sessions import AtTheGate, OpenSession
from plaza.identity.schemas import (
    Attempt,
    Device,
    Grant,
    IdentitySettings,
    Origin,
    OutsideToken,
    Proof,
    Rights,
    SessionView,
    TokenPair,
)
from plaza.identity.service.contacts import cleaned_line
from plaza.identity.service.devices import describe_device
from plaza.identity.service.notices import Change, SecurityNotices
from plaza.identity.service.refresh_tokens import PresentedToken, RefreshTokens, hash_of
from plaza.identity.service.session_endings import SessionEndings, session_entry
from plaza.identity.service.tokens import TokenService

log = structlog.get_logger(__name__)

# How long an ended session is still of interest, and how many rows one purging transaction takes.
_KEPT = timedelta(days=30)
_BATCH = 5_000


class SessionService(Service):
    def __init__(
        self,
        db: Database,
        clock: Clock,
        settings: IdentitySettings,
        cursors: Cursors,
        tokens: TokenService,
        refresh_tokens: RefreshTokens,
        endings: SessionEndings,
        notices: SecurityNotices,
        audit: AuditService,
    ) -> None:
        super().__init__(db)
        self.clock, self.settings, self.cursors, self.refresh_tokens = clock, settings, cursors, refresh_tokens
        self.tokens, self.endings, self.notices, self.audit = tokens, endings, notices, audit
        self.sessions, self.users, self.roles = SessionRepository(db), UserRepository(db), RoleRepository(db)
        self.factors = MfaRepository(db)

    async def begin(
        self, user: User, proof: Proof, origin: Origin, attempt: Attempt, kept: OutsideToken | None = None
    ) -> tuple[AtTheGate, Grant | None]:
        """Part of `LoginGate`'s transaction, which has locked the user's row and found the account open: so no session begins behind the

        back of whoever disables it. None where a second factor is to be shown first. A session that this one replaces ends.
        One that an outside issuer keeps lasts as long as its token there, and has no refresh token.
        """
        row = self._row(user.id, origin, proof.methods)
        refresh_token = secrets.token_urlsafe(32) if kept is None else None
        if kept is not None:
            row |= {"authenticated_at": kept.authenticated_at or row["created_at"], "expires_at": kept.expires_at}
        gate, session = await self.sessions.let_in(
            user,
            row,
            attempt,
            token_hash=hash_of(refresh_token) if refresh_token is not None else None,
            is_multi_factor=proof.is_multi_factor,
        )
        if session is None:
            return gate, None
        entry = _opened(row, proof, kept)
        (await self.audit.record(entry)).unwrap()
        if origin.replaces is not None:
            replaced = await self.sessions.lock_many([origin.replaces])
            ids = [each.id for each in replaced if each.user_id == user.id]
            await self.endings.end(ids, EndReason.REAUTHENTICATED, entry.actor)
        return gate, await self._granted(session, refresh_token)

    async def begin_at_once(
        self, user_id: UserId, version: int, proof: Proof, origin: Origin, attempt: Attempt
    ) -> Grant | None:
        """A transaction by itself, for a user whose row has been read at this version. None where `begin` has to look, and nothing is

        written: see `SessionRepository.let_in_at_once`.
        """
        row, refresh_token = self._row(user_id, origin, proof.methods), secrets.token_urlsafe(32)
        session = await self.sessions.let_in_at_once(
            row,
            attempt,
            seen=version,
            token_hash=hash_of(refresh_token),
            entry=self.audit.parameters(_opened(row, proof, None)),
        )
        return await self._granted(session, refresh_token) if session is not None else None

    @command(Unauthenticated)
    async def reissue(self, actor: Actor) -> ServiceResult[Grant]:
        """For a session that goes on although its person's credentials have changed. Its refresh token stays the one it has."""
        session = (
            await self.sessions.lock_live(SessionId(actor.session_id), self.clock.now()) if actor.session_id else None
        )
        user = await self.users.get(session.user_id) if session is not None else None
        if session is None or user is None:
            return failure(Unauthenticated("This session has ended."))
        return success(await self._grant(user, session, None))

    @flow(TokenService.pair)
    async def open_many(self, user_ids: Sequence[UserId], origin: Origin) -> ServiceResult[list[str]]:
        """An access token for each of these active people, in their order; no refresh tokens. Unknown ids raise KeyError."""
        grants = (await self._open_many(user_ids, origin)).unwrap()
        return success([(await self.tokens.pair(grant)).unwrap().access_token for grant in grants])

    @flow(TokenService.pair, Unauthenticated)
    async def refresh(self, refresh_token: str, origin: Origin) -> ServiceResult[TokenPair]:
        """The usual one is written together with others; a repetition takes the long way, which ends a reused token's family although

        the answer is a refusal.
        """
        presented = self.refresh_tokens.presented(refresh_token, origin)
        renewed = (await self.refresh_tokens.rotate(presented)).unwrap()
        if renewed is not None:
            return await self.tokens.pair(await self._granted(renewed, presented.successor))
        grant = (await self._repeated(presented)).unwrap()
        if grant is None:
            return failure(Unauthenticated("This refresh token is not valid any more: log in again."))
        return await self.tokens.pair(grant)

    @command(Unauthenticated)
    async def logout(self, actor: Actor | None, refresh_token: str | None) -> ServiceResult[None]:
        """Ends the session of the access token, that of the refresh token, or both."""
        if actor is None and refresh_token is None:
            return failure(Unauthenticated())
        ids = {SessionId(actor.session_id)} if actor is not None and actor.session_id is not None else set()
        if (
            refresh_token is not None
            and (found := await self.refresh_tokens.rows.session_of(hash_of(refresh_token))) is not None
        ):
            ids.add(found)
        locked = await self.sessions.lock_many(ids)
        if locked:
            owner = Actor(user_id=locked[0].user_id, session_id=locked[0].id)
            await self.endings.end_with_acting(locked, EndReason.LOGOUT, actor or owner)
        return success(None)

    @command()
    async def logout_all(self, actor: Actor) -> ServiceResult[None]:
        return await self.end_all(UserId(actor.user_id), EndReason.LOGOUT_ALL, by=actor)

    @command()
    async def end_all(self, user_id: UserId, reason: EndReason, *, by: Actor | None = None) -> ServiceResult[None]:
        """Part of whatever takes the account's access away. The user's row is locked first: see `LoginGate`.

        Those go too in which they are somebody else, whoever began them, and logins that wait for a second factor. With the account
        itself goes what API keys of theirs is remembered.
        """
        user = await self.users.lock(user_id, deleted=True)
        await self.factors.void_challenges(user_id, self.clock.now())
        if user is not None and reason is EndReason.ACCOUNT_DISABLED:
            await self.endings.outdate(user)
        ids = await self.sessions.lock_of_user(user_id)
        await self.endings.end_acting([user_id], by)
        await self.endings.end(ids, reason, by)
        return success(None)

    @command()
    async def end_these(
        self, ids: Sequence[SessionId], reason: EndReason, *, by: Actor | None = None
    ) -> ServiceResult[None]:
        """Those in which somebody is somebody else: the caller has looked, and has locked them."""
        await self.endings.end(ids, reason, by)
        return success(None)

    @command()
    async def void_waiting(self, user_id: UserId) -> ServiceResult[None]:
        """Logins that wait for a second factor. The caller has locked the user's row."""
        await self.factors.void_challenges(user_id, self.clock.now())
        return success(None)

    @command()
    async def end_others(self, actor: Actor, reason: EndReason) -> ServiceResult[None]:
        """All of the actor's own but the one that they are using, those in which they are somebody else, and logins that wait for a

        second factor.
        """
        await self.users.lock(UserId(actor.user_id))
        await self.factors.void_challenges(UserId(actor.user_id), self.clock.now())
        ids = await self.sessions.lock_of_user(UserId(actor.user_id))
        await self.endings.end_acting([UserId(actor.user_id)], actor)
        await self.endings.end([each for each in ids if each != actor.session_id], reason, actor)
        return success(None)

    @query(InvalidCursor)
    async def live(self, actor: Actor, page: PageRequest) -> ServiceResult[Page[SessionView]]:
        """The open ones, newest first."""
        name = f"identity.sessions:{actor.user_id}"
        after = SessionId(self.cursors.read(name, page.cursor, UUID)) if page.cursor is not None else None
        found = await self.sessions.live(
            UserId(actor.user_id), self.clock.now(), after=after, limit=page.limit + 1, current=actor.session_id
        )
        items = found[: page.limit]
        more = self.cursors.write(name, items[-1].id) if len(found) > page.limit else None
        return success(Page(items, more))

    @query()
    async def live_among(self, ids: Collection[UUID]) -> ServiceResult[set[UUID]]:
        """Those that have neither been ended nor run out. Never a replica's word."""
        return success(await self.sessions.live_among(ids, self.clock.now()))

    @command(SessionNotFound, ValidationFailed)
    async def rename(self, actor: Actor, session_id: SessionId, name: str) -> ServiceResult[SessionView]:
        session = await self._own(actor, session_id)
        before, session.device_name = session.device_name, cleaned_line(name, "name")
        await self.db.session.flush()
        told = {"device": session.device_name}
        entry = session_entry("identity.session_renamed", session.id, session.user_id, actor, told, {"device": before})
        (await self.audit.record(entry)).unwrap()
        return success(_view(session, current=session.id == actor.session_id))

    @command(SessionNotFound)
    async def end(self, actor: Actor, session_id: SessionId) -> ServiceResult[None]:
        await self.endings.end_with_acting([await self._own(actor, session_id)], EndReason.ENDED, actor)
        return success(None)

    @command(SessionNotFound)
    async def end_of(
        self, user_id: UserId, session_id: SessionId, reason: EndReason, *, by: Actor | None = None
    ) -> ServiceResult[None]:
        """One of somebody's, whether it has expired or not. Whether that is `by`'s to do, the caller has asked."""
        session = await self.sessions.lock(session_id)
        if session is None or session.user_id != user_id or session.revoked_at is not None:
            return failure(SessionNotFound())
        await self.endings.end_with_acting([session], reason, by)
        return success(None)

    @flow()
    async def purge(self) -> ServiceResult[None]:
        for batch in (self._purge_tokens, self._purge_sessions):
            while (await batch()).unwrap() == _BATCH:
                pass
        return success(None)

    @command()
    async def _purge_tokens(self) -> ServiceResult[int]:
        return success(await self.sessions.purge_tokens(self.clock.now() - timedelta(days=1), _BATCH))

    @command()
    async def _purge_sessions(self) -> ServiceResult[int]:
        return success(await self.sessions.purge_sessions(self.clock.now() - _KEPT, _BATCH))

    @command()
    async def _repeated(self, presented: PresentedToken) -> ServiceResult[Grant | None]:
        """None refuses. Everything is decided under the session's lock, so that parallel calls see each other's outcome."""
        now = self.clock.now()
        session_id = await self.refresh_tokens.rows.session_of(presented.hash)
        session = await self.sessions.lock_live(session_id, now) if session_id is not None else None
        token = await self.refresh_tokens.rows.by_hash(presented.hash) if session is not None else None
        user = await self.users.get(session.user_id) if session is not None else None
        if session is None or token is None or token.used_at is None or user is None:
            return success(None)
        if not user.may_log_in:
            return success(None)
        follower = await self.refresh_tokens.rows.successor_of(token.id)
        in_grace = token.used_at > now - timedelta(seconds=self.settings.refresh_grace_s)
        if in_grace and follower is not None and follower.used_at is None:
            given = presented.successor_with(follower.hash)
            if given is None:  # under a secret that this process does not know: a refusal, but nobody's theft
                log.warning("refresh_successor_of_another_secret", session_id=str(session.id))
            return success(await self._grant(user, session, given) if given is not None else None)
        log.warning("refresh_token_reused", session_id=str(session.id), user_id=str(user.id))
        await self.endings.end_with_acting([session], EndReason.REFRESH_REUSED, None)
        (await self.notices.tell(user.id, Change.REFRESH_REUSED, detail=session.device_name)).unwrap()
        return success(None)

    @command()
    async def _open_many(self, user_ids: Sequence[UserId], origin: Origin) -> ServiceResult[list[Grant]]:
        rows = [self._row(user_id, origin, ()) for user_id in user_ids]
        await self.sessions.insert_many(rows)
        people, versions = await self.users.views(user_ids), await self.users.token_versions(user_ids)
        return success(
            [
                Grant(
                    session_id=row["id"],
                    authenticated_at=row["authenticated_at"],
                    expires_at=row["expires_at"],
                    refresh_token=None,
                    user=people[row["user_id"]],
                    is_superuser=False,
                    token_version=versions[row["user_id"]],
                )
                for row in rows
            ]
        )

    async def _own(self, actor: Actor, session_id: SessionId) -> Session:
        session = await self.sessions.lock_live(session_id, self.clock.now())
        if session is None or session.user_id != actor.user_id:
            raise SessionNotFound
        return session

    async def _grant(self, user: User, session: Session, refresh_token: str | None) -> Grant:
        await self.db.session.flush()
        view = await self.users.view(user.id)
        assert view is not None  # locked, or read within this transaction
        found = OpenSession(
            user=view,
            session_id=session.id,
            authenticated_at=session.authenticated_at,
            expires_at=session.expires_at,
            methods=session.methods,
            token_version=user.token_version,
            waitlisted_until=user.waitlisted_until,
        )
        return await self._granted(found, refresh_token)

    async def _granted(self, session: OpenSession, refresh_token: str | None) -> Grant:
        """Roles are read after the token version: were they to change in between, the token would be stale from the start."""
        user = session.user
        rights = (await self._rights(user.id)).unwrap() if user.is_staff else Rights()
        return Grant(
            session_id=session.session_id,
            authenticated_at=session.authenticated_at,
            expires_at=session.expires_at,
            refresh_token=refresh_token,
            user=replace(user, is_staff=rights.is_staff),
            is_superuser=rights.is_superuser,
            token_version=session.token_version,
            methods=tuple(session.methods),
            permissions=tuple(sorted(rights.permissions)),
            permissions_until=rights.until,
            waitlisted_until=session.waitlisted_until,
        )

    @command()
    async def _rights(self, user_id: UserId) -> ServiceResult[Rights]:
        """Never a replica's."""
        return success(await self.roles.rights_of(user_id, self.clock.now()))

    def _row(self, user_id: UserId, origin: Origin, methods: Sequence[str]) -> dict[str, Any]:
        now = self.clock.now()
        name, platform = describe_device(origin.user_agent)
        return {
            "id": SessionId(uuid7()),
            "version": 1,
            "user_id": user_id,
            "device_name": name,
            "platform": platform,
            "user_agent": origin.user_agent[:500],
            "ip": origin.ip,
            "methods": list(methods),
            "created_at": now,
            "authenticated_at": now,
            "last_used_at": now,
            "expires_at": now + timedelta(seconds=min(self.settings.refresh_token_s, self.settings.session_s)),
        }


def _opened(row: Mapping[str, Any], proof: Proof, kept: OutsideToken | None) -> AuditEntry:
    person = Actor(user_id=row["user_id"], session_id=row["id"], methods=frozenset(proof.methods))
    told = {"device": row["device_name"], "methods": list(proof.methods)}
    if kept is not None:
        told["issuer"] = kept.issuer
    return session_entry("identity.session_opened", row["id"], row["user_id"], person, told)


def _view(session: Session, *, current: bool) -> SessionView:
    return SessionView(
        id=session.id,
        device=Device(name=session.device_name, platform=session.platform, user_agent=session.user_agent),
        ip=session.ip,
        created_at=session.created_at,
        last_used_at=session.last_used_at,
        current=current,
    )
