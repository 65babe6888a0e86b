"""What people hold in their hands: authenticator apps, authenticators that keep passkeys, phones with keys of their own."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
import pyotp
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fido2 import cbor
from soft_webauthn import SoftWebauthnDevice
from sqlalchemy import text

from plaza.core.result import Failure, ServiceResult
from plaza.identity import Origin, TokenPair
from plaza.identity.schemas import (
    DeviceChallengeInput,
    DeviceKeyInput,
    DeviceKeyView,
    DeviceLogin,
    LoginInput,
    MfaVerifyInput,
    PasskeyInput,
    PasskeyLogin,
    PasskeyOptions,
    TotpConfirmInput,
)
from plaza.identity.service import DeviceKeyService, LoginService, MfaService, PasskeyService, TotpService
from tests.identity.builders import HERE, PASSWORD, Person
from tests.support.clock import ManualClock
from tests.support.stage import Stage


@dataclass(frozen=True, slots=True)
class App:
    """An authenticator app, and the recovery codes that came with it."""

    secret: str
    clock: ManualClock
    recovery_codes: tuple[str, ...] = ()

    def code(self, steps: int = 0) -> str:
        """Of the present step of 30 s, or of another."""
        return pyotp.TOTP(self.secret).at(self.clock.now(), counter_offset=steps)


class Authenticator:
    """A browser with one key of soft-webauthn, in the browser's JSON; it verifies its owner unless told otherwise.

    `overrides` are what it would claim instead of the truth in its client data.
    """

    ORIGIN = "http://localhost:8000"

    def __init__(self, *, verifies: bool = True, is_backed_up: bool = False) -> None:
        self.device = SoftWebauthnDevice()
        self.flags = (0x04 if verifies else 0) | (0x18 if is_backed_up else 0)

    @property
    def id(self) -> str:
        return _encoded(self.device.credential_id)

    def create(self, options: Mapping[str, Any], **overrides: Any) -> dict[str, Any]:
        user = {**options["user"], "id": _decoded(options["user"]["id"])}
        asked = {**options, "challenge": _decoded(options["challenge"]), "user": user}
        made = self.device.create({"publicKey": asked}, self.ORIGIN)["response"]
        attestation = cbor.decode(made["attestationObject"])
        attestation["authData"] = self._flagged(attestation["authData"])
        return self._credential(
            clientDataJSON=_encoded(_claiming(made["clientDataJSON"], overrides)),
            attestationObject=_encoded(cbor.encode(attestation)),
            transports=["internal", "hybrid", "something-new"],
        )

    def get(self, options: Mapping[str, Any], **overrides: Any) -> dict[str, Any]:
        asked = {**options, "challenge": _decoded(options["challenge"])}
        used = self.device.get({"publicKey": asked}, self.ORIGIN)["response"]
        client_data, data = _claiming(used["clientDataJSON"], overrides), self._flagged(used["authenticatorData"])
        digest = Hash(SHA256())
        digest.update(client_data)
        signature = self.device.private_key.sign(data + digest.finalize(), ec.ECDSA(SHA256()))
        return self._credential(
            clientDataJSON=_encoded(client_data),
            authenticatorData=_encoded(data),
            signature=_encoded(signature),
            userHandle=_encoded(used["userHandle"]),
        )

    def _flagged(self, data: bytes) -> bytes:
        return data[:32] + bytes([data[32] | self.flags]) + data[33:]

    def _credential(self, **response: Any) -> dict[str, Any]:
        return {
            "id": self.id,
            "rawId": self.id,
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        }


async def a_passkey(plaza: Stage, person: Person, **kind: bool) -> Authenticator:
    """Registered by this person."""
    authenticator, service = Authenticator(**kind), plaza[PasskeyService]
    asked = (await service.registration_options(person.actor)).unwrap()
    (await service.register(person.actor, passkey_input(asked, authenticator.create(asked.options)), "")).unwrap()
    return authenticator


def passkey_input(asked: PasskeyOptions, credential: dict[str, Any]) -> PasskeyInput:
    return msgspec.convert({"challenge_id": asked.challenge_id, "credential": credential}, PasskeyInput)


async def passkey_login(plaza: Stage, authenticator: Authenticator, **overrides: Any) -> ServiceResult[TokenPair]:
    asked = (await plaza[PasskeyService].authentication_options()).unwrap()
    return await use_passkey(plaza, asked, authenticator.get(asked.options, **overrides))


async def use_passkey(plaza: Stage, asked: PasskeyOptions, credential: dict[str, Any]) -> ServiceResult[TokenPair]:
    given = msgspec.convert({"challenge_id": asked.challenge_id, "credential": credential}, PasskeyLogin)
    return await plaza[PasskeyService].authenticate(given, HERE)


class Phone:
    """An app with a key of its own, as base64."""

    def __init__(self, curve: ec.EllipticCurve | None = None) -> None:
        self._key = ec.generate_private_key(curve or ec.SECP256R1())

    @property
    def public_key(self) -> str:
        return b64encode(self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()

    def sign(self, challenge: str) -> str:
        return b64encode(self._key.sign(b64decode(challenge), ec.ECDSA(SHA256()))).decode()


async def device_challenge(plaza: Stage, *, email: str | None = None, user_id: UUID | None = None) -> str:
    given = DeviceChallengeInput(email=email, user_id=user_id)
    return (await plaza[DeviceKeyService].challenge(given)).unwrap().challenge


async def enroll(
    plaza: Stage, person: Person, phone: Phone, *, name: str = "Phone", challenge: str | None = None
) -> ServiceResult[DeviceKeyView]:
    challenge = challenge or await device_challenge(plaza, user_id=person.id)
    given = DeviceKeyInput(
        device_name=name, public_key=phone.public_key, challenge=challenge, signature=phone.sign(challenge)
    )
    return await plaza[DeviceKeyService].enroll(person.actor, given)


async def device_login(
    plaza: Stage, email: str, phone: Phone, *, challenge: str | None = None, signature: str | None = None
) -> ServiceResult[TokenPair]:
    challenge = challenge or await device_challenge(plaza, email=email)
    given = DeviceLogin(
        email=email, challenge=challenge, signature=phone.sign(challenge) if signature is None else signature
    )
    return await plaza[DeviceKeyService].authenticate(given, HERE)


def _claiming(client_data: bytes, overrides: Mapping[str, Any]) -> bytes:
    return json.dumps({**json.loads(client_data), **overrides}).encode()


def _encoded(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def _decoded(value: str) -> bytes:
    return urlsafe_b64decode(value + "===")


async def an_app(plaza: Stage, person: Person) -> App:
    """Set up and confirmed with the code of the step before, so that the present one is still good."""
    setup = (await plaza[TotpService].begin(person.actor)).unwrap()
    app = App(setup.secret, plaza.clock)
    given = TotpConfirmInput(code=app.code(-1))
    codes = (await plaza[TotpService].confirm(person.actor, given)).unwrap().recovery_codes
    return App(setup.secret, plaza.clock, tuple(codes))


async def half_login(plaza: Stage, person: Person, origin: Origin = HERE) -> str:
    """The `mfa_token` after the right password."""
    result = await plaza[LoginService].login(LoginInput(identifier=person.email, password=PASSWORD), origin)
    assert isinstance(result, Failure)
    assert result.error.code == "MFA_REQUIRED"
    return str(result.error.members["mfa_token"])


async def verify_code(plaza: Stage, mfa_token: str, code: str) -> str:
    return outcome(await plaza[MfaService].verify(MfaVerifyInput(mfa_token=mfa_token, code=code), HERE))


async def verify_recovery(plaza: Stage, mfa_token: str, code: str) -> str:
    return outcome(await plaza[MfaService].verify(MfaVerifyInput(mfa_token=mfa_token, recovery_code=code), HERE))


def outcome(result: ServiceResult[Any]) -> str:
    """The refusal's code, or "OK"."""
    return result.error.code if isinstance(result, Failure) else "OK"


async def rows(plaza: Stage, question: str, **values: object) -> list[Any]:
    """The first column."""
    async with plaza.runtime.db.reader.connect() as connection:
        return list((await connection.execute(text(question), values)).scalars())


async def audited(plaza: Stage, action: str) -> int:
    return len(await rows(plaza, "select id from audit_entry where action = :action", action=action))
