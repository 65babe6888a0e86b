"""Device keys: an app makes an EC P-256 key behind the fingerprint or face of its device, and signs challenges with it.

Enrolment happens signed in and proves that the key is held; a login is a single factor, like a password. Nothing tells whether an account
exists or has keys: a challenge is made for anybody, nobody being looked up, and a login does the same work whoever is named: one
statement, and as many verifications as one account may have keys.
"""

from __future__ import annotations

import base64
import secrets
from datetime import timedelta
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.crypto import Vault
from plaza.core.db import Database
from plaza.core.errors import Unavailable, ValidationFailed
from plaza.core.ids import uuid7
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command, flow, query
from plaza.domain_events.identity import UserId
from plaza.identity.errors import (
    ChallengeInvalid,
    DeviceKeyNotFound,
    InvalidCredentials,
    KeyTaken,
    PublicKeyInvalid,
    TooManyKeys,
)
from plaza.identity.gateways import ChallengeStore
from plaza.identity.repository import DeviceKeyRepository, UserRepository
from plaza.identity.schemas import (
    Admission,
    ChallengeKind,
    DeviceChallenge,
    DeviceChallengeInput,
    DeviceKeyInput,
    DeviceKeyRemoval,
    DeviceKeyStatus,
    DeviceKeyView,
    DeviceLogin,
    IdentitySettings,
    Origin,
    Proof,
    StoredChallenge,
    TokenPair,
)
from plaza.identity.service.attempts import LoginAttempts, noted
from plaza.identity.service.contacts import cleaned_line, normalized_email
from plaza.identity.service.factors import FactorService
from plaza.identity.service.gate import LoginGate
from plaza.identity.service.notices import Change
from plaza.identity.service.tokens import TokenService
from plaza.identity.service.ways_in import WaysIn


class DeviceKeyService(Service):
    MOST = 5

    def __init__(
        self,
        db: Database,
        clock: Clock,
        settings: IdentitySettings,
        vault: Vault,
        challenges: ChallengeStore,
        changes: FactorService,
        ways_in: WaysIn,
        gate: LoginGate,
        tokens: TokenService,
        attempts: LoginAttempts,
    ) -> None:
        super().__init__(db)
        self.clock, self.settings, self.vault, self.challenges = clock, settings, vault, challenges
        self.changes, self.ways_in = changes, ways_in
        self.gate, self.tokens, self.attempts = gate, tokens, attempts
        self.users, self.keys = UserRepository(db), DeviceKeyRepository(db)
        nobodys = ec.generate_private_key(ec.SECP256R1()).public_key()
        self._nobodys_key = nobodys.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @flow(ValidationFailed, Unavailable)
    async def challenge(self, given: DeviceChallengeInput) -> ServiceResult[DeviceChallenge]:
        """For anybody: whether there is such an account is not looked up."""
        email, user_id = _named(given.email, given.user_id)
        challenge, seconds = secrets.token_bytes(32), self.settings.device_challenge_s
        stored = StoredChallenge(
            kind=ChallengeKind.DEVICE_KEY,
            challenge=challenge,
            subject=self._subject(email, user_id),
            expires_at=self.clock.now() + timedelta(seconds=seconds),
        )
        await self.challenges.put(challenge.hex(), stored, seconds)
        return success(DeviceChallenge(challenge=base64.b64encode(challenge).decode(), expires_in=seconds))

    @flow(
        ChallengeInvalid,
        PublicKeyInvalid,
        KeyTaken,
        TooManyKeys,
        ValidationFailed,
        Unavailable,
        FactorService.begin_change,
    )
    async def enroll(self, actor: Actor, given: DeviceKeyInput) -> ServiceResult[DeviceKeyView]:
        name = cleaned_line(given.device_name, "device_name")
        challenge = await self._take(given.challenge)
        der = _canonical(_decoded(given.public_key))
        if der is None:
            return failure(PublicKeyInvalid())
        if not _has_signed(der, challenge.challenge, _decoded(given.signature)):
            return failure(ChallengeInvalid("The signature is not that of this key over this challenge."))
        return await self._add(actor, name, der, challenge.subject, end_other_sessions=given.end_other_sessions)

    @flow(ChallengeInvalid, InvalidCredentials, ValidationFailed, Unavailable, LoginGate.admit, TokenService.answer)
    @noted("pop", by="email")
    async def authenticate(self, given: DeviceLogin, origin: Origin) -> ServiceResult[TokenPair]:
        email, user_id = _named(given.email, given.user_id)
        challenge = await self._take(given.challenge)
        owner, keys = await self.keys.of_claimed(email=email, user_id=user_id, limit=self.MOST)
        signature = _decoded(given.signature)
        padded = [*keys, *[(None, self._nobodys_key)] * (self.MOST - len(keys))]
        signed = [id for id, der in padded if _has_signed(der, challenge.challenge, signature)]
        subjects = (self._subject(email, user_id), self._subject(None, owner))
        if owner is None or not signed or signed[0] is None or challenge.subject not in subjects:
            return failure(_unknown())
        return await self.tokens.answer((await self._admit(owner, signed[0], email, origin)).unwrap())

    @query()
    async def status(self, actor: Actor) -> ServiceResult[DeviceKeyStatus]:
        keys = await self.keys.views(UserId(actor.user_id))
        return success(DeviceKeyStatus(enabled=bool(keys), keys=keys))

    @command(DeviceKeyNotFound, FactorService.begin_change, WaysIn.check_remains)
    async def disable(self, actor: Actor, given: DeviceKeyRemoval) -> ServiceResult[None]:
        (await self.changes.begin_change(actor)).unwrap()
        user_id = UserId(actor.user_id)
        keys = await self.keys.lock_of_user(user_id, given.key_id)
        if not keys:
            return success(None) if given.key_id is None else failure(DeviceKeyNotFound())
        (await self.ways_in.check_remains(user_id, without=[key.id for key in keys])).unwrap()
        for key in keys:
            await self.db.session.delete(key)
            (
                await self.changes.end_change(
                    actor,
                    "identity.device_key_removed",
                    Change.DEVICE_KEY_REMOVED,
                    subject=("device_key", key.id),
                    detail=key.device_name,
                    before={"device_name": key.device_name},
                    end_other_sessions=given.end_other_sessions,
                )
            ).unwrap()
        return success(None)

    async def _take(self, challenge: str) -> StoredChallenge:
        """Raises ChallengeInvalid."""
        stored = await self.challenges.take(_decoded(challenge).hex())
        if stored is None or stored.kind is not ChallengeKind.DEVICE_KEY or stored.expires_at <= self.clock.now():
            raise ChallengeInvalid
        return stored

    @command(ChallengeInvalid, KeyTaken, TooManyKeys, FactorService.begin_change)
    async def _add(
        self, actor: Actor, name: str, der: bytes, subject: str, *, end_other_sessions: bool
    ) -> ServiceResult[DeviceKeyView]:
        (await self.changes.begin_change(actor)).unwrap()
        user_id = UserId(actor.user_id)
        me = (await self.users.views([user_id]))[user_id]
        own = [self._subject(None, user_id), *([self._subject(me.email, None)] if me.email is not None else [])]
        if subject not in own:
            return failure(ChallengeInvalid())
        if await self.keys.count(user_id) >= self.MOST:
            return failure(TooManyKeys())
        made = DeviceKeyView(id=uuid7(), device_name=name, created_at=self.clock.now(), last_used_at=None)
        if not await self.keys.insert(**msgspec.structs.asdict(made), user_id=user_id, public_key=der):
            return failure(KeyTaken())
        (
            await self.changes.end_change(
                actor,
                "identity.device_key_added",
                Change.DEVICE_KEY_ADDED,
                subject=("device_key", made.id),
                detail=name,
                after={"device_name": name},
                end_other_sessions=end_other_sessions,
            )
        ).unwrap()
        return success(made)

    @command(InvalidCredentials, LoginGate.admit)
    async def _admit(
        self, user_id: UserId, key_id: UUID, email: str | None, origin: Origin
    ) -> ServiceResult[Admission]:
        await self.users.lock(user_id)
        key = await self.keys.lock(key_id)
        if key is None:  # removed since it was read
            return failure(_unknown())
        key.last_used_at = self.clock.now()
        await self.db.session.flush()
        # Proof of possession of a key (RFC 8176); what unlocked it, only the device knows.
        return await self.gate.admit(user_id, Proof(methods=("pop",), identifier=email or ""), origin)

    def _subject(self, email: str | None, user_id: UUID | None) -> str:
        """For whom a challenge is. No address stands in Redis."""
        if email is not None:
            return f"email:{self.vault.mac('device-challenge', email).hex()}"
        return f"user:{user_id}"


def _unknown() -> InvalidCredentials:
    return InvalidCredentials("No account has this key.")


def _named(email: str | None, user_id: UUID | None) -> tuple[str | None, UUID | None]:
    """Raises ValidationFailed."""
    if (email is None) == (user_id is None):
        raise ValidationFailed("Give either an e-mail address or a user id.")
    return (normalized_email(email) if email is not None else None), user_id


def _decoded(given: str) -> bytes:
    """Of base64 in either alphabet, padded or not; empty where it is none."""
    try:
        plain = given.strip().rstrip("=").translate(str.maketrans("-_", "+/"))
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except ValueError:
        return b""


def _p256(der: bytes) -> ec.EllipticCurvePublicKey | None:
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1) else None


def _canonical(der: bytes) -> bytes | None:
    """The one spelling in which a key is stored; None where it is not of the curve P-256."""
    key = _p256(der)
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) if key is not None else None


def _has_signed(der: bytes, challenge: bytes, signature: bytes) -> bool:
    key = _p256(der)
    try:
        if key is not None:
            key.verify(signature, challenge, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return key is not None
