"""WebAuthn's side of passkeys: what is asked of browsers, and whether what they answer is genuine. It knows no accounts."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
import structlog
import webauthn
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.authentication.verify_authentication_response import VerifiedAuthentication
from webauthn.helpers import base64url_to_bytes, encode_cbor, parse_client_data_json
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import InvalidJSONStructure, WebAuthnException
from webauthn.helpers.options_to_json_dict import options_to_json_dict
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from webauthn.registration.verify_registration_response import VerifiedRegistration

from plaza.core.settings import PlazaSettings
from plaza.identity.schemas import IdentitySettings, NewCredential, UsedCredential

log = structlog.get_logger(__name__)
T = TypeVar("T")

# What authenticators can, the widest spread first.
ALGORITHMS = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
TRANSPORTS = frozenset(each.value for each in AuthenticatorTransport)


class RelyingParty:
    """`id` is the domain that keys are made for: they are asked for nowhere else, which is what phishing fails at."""

    def __init__(self, settings: IdentitySettings, plaza: PlazaSettings) -> None:
        address = urlsplit(plaza.base_url)
        self.id = settings.passkey_rp_id or address.hostname or "localhost"
        self.origins = list(settings.passkey_origins) or [f"{address.scheme}://{address.netloc}"]
        self.name, self.timeout_ms = settings.shown_name, settings.passkey_s * 1000
        self._nobodys_key = _cose_of_nobody()

    def creation_options(
        self, *, user_handle: bytes, user_name: str, display_name: str, have: Iterable[tuple[bytes, list[str]]]
    ) -> dict[str, Any]:
        """In the browser's JSON. `have` are (credential id, transports) of the keys that the person has: no device makes two."""
        options = webauthn.generate_registration_options(
            rp_id=self.id,
            rp_name=self.name,
            user_id=user_handle,
            user_name=user_name,
            user_display_name=display_name,
            challenge=secrets.token_bytes(32),
            timeout=self.timeout_ms,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[
                PublicKeyCredentialDescriptor(id=id, transports=[AuthenticatorTransport(each) for each in transports])
                for id, transports in have
            ],
            supported_pub_key_algs=ALGORITHMS,
        )
        return options_to_json_dict(options)

    def request_options(self) -> dict[str, Any]:
        """In the browser's JSON."""
        options = webauthn.generate_authentication_options(
            rp_id=self.id,
            challenge=secrets.token_bytes(32),
            timeout=self.timeout_ms,
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return options_to_json_dict(options)

    def verify_new(self, credential: NewCredential, challenge: bytes) -> VerifiedRegistration | None:
        def verify() -> VerifiedRegistration:
            _refuse_frames(credential.response.client_data_json)
            return webauthn.verify_registration_response(
                credential=msgspec.to_builtins(credential),
                expected_challenge=challenge,
                expected_rp_id=self.id,
                expected_origin=self.origins,
                require_user_verification=True,
                supported_pub_key_algs=ALGORITHMS,
            )

        return _verified(verify)

    def verify_used(
        self, credential: UsedCredential, challenge: bytes, public_key: bytes | None, sign_count: int
    ) -> VerifiedAuthentication | None:
        """Without a `public_key` it is as much work, and None."""

        def verify() -> VerifiedAuthentication:
            _refuse_frames(credential.response.client_data_json)
            return webauthn.verify_authentication_response(
                credential=msgspec.to_builtins(credential),
                expected_challenge=challenge,
                expected_rp_id=self.id,
                expected_origin=self.origins,
                credential_public_key=public_key or self._nobodys_key,
                credential_current_sign_count=sign_count,
                require_user_verification=True,
            )

        return _verified(verify)


def bytes_of(encoded: str | None) -> bytes:
    """Of base64url; empty where it is none."""
    try:
        return base64url_to_bytes(encoded or "")
    except ValueError:
        return b""


def _verified(verify: Callable[[], T]) -> T | None:
    try:
        return verify()
    except WebAuthnException as refused:
        log.info("passkey_refused", reason=str(refused))
    except Exception as error:  # the bytes are a stranger's, and the library's parsers raise whatever they meet in them
        log.info("passkey_refused", reason=type(error).__name__)
    return None


def _refuse_frames(client_data: str) -> None:
    """Asked for by a page within a page of another place, which our pages never are; the library does not look."""
    if parse_client_data_json(base64url_to_bytes(client_data)).cross_origin:
        raise InvalidJSONStructure("made within another place's page")


def _cose_of_nobody() -> bytes:
    """A key whose other half nobody holds."""
    numbers = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    return encode_cbor({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})
