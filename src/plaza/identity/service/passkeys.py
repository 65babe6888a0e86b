"""Passkeys (WebAuthn): keys that an authenticator holds, and uses once it has verified its owner.

    registration-options -> the browser makes a key -> register
    authentication-options -> the browser has one sign -> authenticate

The challenge of either is good for one try. Keys are discoverable, so a login names nobody: the options are the same for everybody, and
who it is, the signed answer says. Having the device and unlocking it are two factors: no code is asked for.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from webauthn.helpers.structs import CredentialDeviceType
from webauthn.registration.verify_registration_response import VerifiedRegistration

from plaza.audit import AuditEntry, AuditService
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Cursors, Database, Page, PageRequest
from plaza.core.errors import InvalidCursor, Unavailable, ValidationFailed
from plaza.core.ids import uuid7
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command, flow, query
from plaza.domain_events.identity import UserId
from plaza.identity.errors import (
    ChallengeInvalid,
    InvalidCredentials,
    KeyTaken,
    PasskeyNotFound,
    PasskeyRejected,
    TooManyKeys,
)
from plaza.identity.gateways import ChallengeStore
from plaza.identity.models import Passkey
from plaza.identity.repository import PasskeyRepository, UserRepository
from plaza.identity.schemas import (
    Admission,
    ChallengeKind,
    IdentitySettings,
    Origin,
    PasskeyInput,
    PasskeyLogin,
    PasskeyOptions,
    PasskeyView,
    Proof,
    StoredChallenge,
    TokenPair,
    UsedCredential,
)
from plaza.identity.service.attempts import LoginAttempts, noted
from plaza.identity.service.contacts import cleaned_line
from plaza.identity.service.devices import describe_device
from plaza.identity.service.factors import MULTI_FACTOR, FactorService
from plaza.identity.service.gate import LoginGate
from plaza.identity.service.notices import Change
from plaza.identity.service.relying_party import TRANSPORTS, RelyingParty, bytes_of
from plaza.identity.service.tokens import TokenService
from plaza.identity.service.ways_in import WaysIn


class PasskeyService(Service):
    MOST = 20

    def __init__(
        self,
        db: Database,
        clock: Clock,
        settings: IdentitySettings,
        cursors: Cursors,
        party: RelyingParty,
        challenges: ChallengeStore,
        changes: FactorService,
        ways_in: WaysIn,
        gate: LoginGate,
        tokens: TokenService,
        attempts: LoginAttempts,
        audit: AuditService,
    ) -> None:
        super().__init__(db)
        self.clock, self.settings, self.cursors, self.party = clock, settings, cursors, party
        self.challenges, self.changes, self.ways_in = challenges, changes, ways_in
        self.gate, self.tokens, self.attempts, self.audit = gate, tokens, attempts, audit
        self.users, self.passkeys = UserRepository(db), PasskeyRepository(db)

    # Making one

    @flow(Unavailable, FactorService.begin_change)
    async def registration_options(self, actor: Actor) -> ServiceResult[PasskeyOptions]:
        options = (await self._registration_options(actor)).unwrap()
        return success(await self._issue(ChallengeKind.PASSKEY_REGISTRATION, str(actor.session_id), options))

    @flow(
        ChallengeInvalid,
        PasskeyRejected,
        KeyTaken,
        TooManyKeys,
        ValidationFailed,
        Unavailable,
        FactorService.begin_change,
    )
    async def register(self, actor: Actor, given: PasskeyInput, user_agent: str) -> ServiceResult[PasskeyView]:
        """By the session that asked for the options."""
        name = cleaned_line(given.name, "name") if given.name is not None else describe_device(user_agent)[0]
        challenge = await self._take(given.challenge_id, ChallengeKind.PASSKEY_REGISTRATION)
        if challenge.subject != str(actor.session_id):
            return failure(ChallengeInvalid())
        verified = self.party.verify_new(given.credential, challenge.challenge)
        if verified is None:
            return failure(PasskeyRejected())
        told = given.credential.response.transports
        transports = [each for each in dict.fromkeys(told) if each in TRANSPORTS]
        return await self._add(actor, name, verified, transports, end_other_sessions=given.end_other_sessions)

    # Using one

    @flow(Unavailable)
    async def authentication_options(self) -> ServiceResult[PasskeyOptions]:
        options = self.party.request_options()
        return success(await self._issue(ChallengeKind.PASSKEY_AUTHENTICATION, "", options))

    @flow(ChallengeInvalid, InvalidCredentials, Unavailable, LoginGate.admit, TokenService.answer)
    @noted("hwk")
    async def authenticate(self, given: PasskeyLogin, origin: Origin) -> ServiceResult[TokenPair]:
        challenge = await self._take(given.challenge_id, ChallengeKind.PASSKEY_AUTHENTICATION)
        admission = (await self._authenticate(given.credential, challenge.challenge, origin)).unwrap()
        return await self.tokens.answer(admission)

    # Keeping them

    @query(InvalidCursor)
    async def mine(self, actor: Actor, page: PageRequest) -> ServiceResult[Page[PasskeyView]]:
        """The newest first."""
        name = f"identity.passkeys:{actor.user_id}"
        after = self.cursors.read(name, page.cursor, UUID) if page.cursor is not None else None
        found = await self.passkeys.views(UserId(actor.user_id), after=after, limit=page.limit + 1)
        items = found[: page.limit]
        return success(Page(items, self.cursors.write(name, items[-1].id) if len(found) > page.limit else None))

    @command(PasskeyNotFound, ValidationFailed)
    async def rename(self, actor: Actor, id: UUID, name: str) -> ServiceResult[PasskeyView]:
        passkey = await self._own(actor, id)
        before, passkey.name = passkey.name, cleaned_line(name, "name")
        await self.db.session.flush()
        entry = AuditEntry(
            action="identity.passkey_renamed",
            subject_type="passkey",
            subject_id=str(id),
            actor=actor,
            before={"name": before},
            after={"name": passkey.name},
        )
        (await self.audit.record(entry)).unwrap()
        return success(PasskeyView(**{each: getattr(passkey, each) for each in PasskeyView.__struct_fields__}))

    @command(PasskeyNotFound, FactorService.begin_change, WaysIn.check_remains)
    async def remove(self, actor: Actor, id: UUID, *, end_other_sessions: bool) -> ServiceResult[None]:
        (await self.changes.begin_change(actor)).unwrap()
        passkey = await self._own(actor, id)
        (await self.ways_in.check_remains(UserId(actor.user_id), without=[id])).unwrap()
        await self.db.session.delete(passkey)
        return await self.changes.end_change(
            actor,
            "identity.passkey_removed",
            Change.PASSKEY_REMOVED,
            subject=("passkey", id),
            detail=passkey.name,
            before={"name": passkey.name, "aaguid": passkey.aaguid},
            end_other_sessions=end_other_sessions,
        )

    # Parts of them

    async def _issue(self, kind: ChallengeKind, subject: str, options: dict[str, Any]) -> PasskeyOptions:
        handle, seconds = secrets.token_urlsafe(32), self.settings.passkey_s
        stored = StoredChallenge(
            kind=kind,
            challenge=bytes_of(options["challenge"]),
            subject=subject,
            expires_at=self.clock.now() + timedelta(seconds=seconds),
        )
        await self.challenges.put(handle, stored, seconds)
        return PasskeyOptions(challenge_id=handle, options=options)

    async def _take(self, handle: str, kind: ChallengeKind) -> StoredChallenge:
        """Raises ChallengeInvalid."""
        challenge = await self.challenges.take(handle)
        if challenge is None or challenge.kind is not kind or challenge.expires_at <= self.clock.now():
            raise ChallengeInvalid
        return challenge

    @command(FactorService.begin_change)
    async def _registration_options(self, actor: Actor) -> ServiceResult[dict[str, Any]]:
        """Refuses before a device makes a key that would be refused."""
        (await self.changes.begin_change(actor)).unwrap()
        user_id = UserId(actor.user_id)
        me = (await self.users.views([user_id]))[user_id]
        options = self.party.creation_options(
            user_handle=user_id.bytes,
            user_name=me.email or me.phone or me.username or me.display_name,
            display_name=me.display_name,
            have=await self.passkeys.credentials_of(user_id),
        )
        return success(options)

    @command(KeyTaken, TooManyKeys, FactorService.begin_change)
    async def _add(
        self,
        actor: Actor,
        name: str,
        verified: VerifiedRegistration,
        transports: list[str],
        *,
        end_other_sessions: bool,
    ) -> ServiceResult[PasskeyView]:
        (await self.changes.begin_change(actor)).unwrap()
        user_id = UserId(actor.user_id)
        if await self.passkeys.count(user_id) >= self.MOST:
            return failure(TooManyKeys())
        made = PasskeyView(
            id=uuid7(),
            name=name,
            transports=transports,
            aaguid=UUID(verified.aaguid),
            backed_up=verified.credential_backed_up,
            created_at=self.clock.now(),
            last_used_at=None,
        )
        is_new = await self.passkeys.insert(
            **msgspec.structs.asdict(made),
            user_id=user_id,
            credential_id=verified.credential_id,
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
            backup_eligible=verified.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
        )
        if not is_new:
            return failure(KeyTaken())
        (
            await self.changes.end_change(
                actor,
                "identity.passkey_added",
                Change.PASSKEY_ADDED,
                subject=("passkey", made.id),
                detail=name,
                after={"name": name, "aaguid": made.aaguid},
                end_other_sessions=end_other_sessions,
            )
        ).unwrap()
        return success(made)

    @command(InvalidCredentials, LoginGate.admit)
    async def _authenticate(
        self, credential: UsedCredential, challenge: bytes, origin: Origin
    ) -> ServiceResult[Admission]:
        """Under the locks of person and key, so that no sign count is read twice. A key that nobody has is verified all the same."""
        found = await self.passkeys.owner_of(bytes_of(credential.raw_id))
        passkey = None
        if found is not None:
            await self.users.lock(found[1])
            passkey = await self.passkeys.lock(found[0])
        public_key, sign_count = (passkey.public_key, passkey.sign_count) if passkey is not None else (None, 0)
        verified = self.party.verify_used(credential, challenge, public_key, sign_count)
        if (
            passkey is None
            or verified is None
            or bytes_of(credential.response.user_handle) != passkey.user_id.bytes
            or (verified.credential_device_type is CredentialDeviceType.MULTI_DEVICE) != passkey.backup_eligible
        ):
            return failure(InvalidCredentials("No account knows this passkey."))
        passkey.sign_count, passkey.backed_up = verified.new_sign_count, verified.credential_backed_up
        passkey.last_used_at = self.clock.now()
        await self.db.session.flush()
        # A key that can be copied to other devices is one that software holds (RFC 8176).
        methods = ("swk" if passkey.backup_eligible else "hwk", "user", MULTI_FACTOR)
        return await self.gate.admit(passkey.user_id, Proof(methods=methods, is_multi_factor=True), origin)

    async def _own(self, actor: Actor, id: UUID) -> Passkey:
        passkey = await self.passkeys.lock(id)
        if passkey is None or passkey.user_id != actor.user_id:
            raise PasskeyNotFound
        return passkey
