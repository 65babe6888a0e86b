"""Tables of identity, a file per aggregate.

A user row may stand for an address that nobody has proved yet; whoever reads people for others leaves `pending` ones out.
Secrets are never stored: passwords as argon2id, one-time codes as HMAC, random tokens as SHA-256, private keys and TOTP secrets sealed.
"""

from plaza.identity.models.addresses import Address
from plaza.identity.models.api_keys import ApiKey
from plaza.identity.models.linked_accounts import LinkedAccount, UnlinkedAccount
from plaza.identity.models.logins import LET_IN, LoginAttempt
from plaza.identity.models.mfa import MfaChallenge, RecoveryCode, TotpDevice
from plaza.identity.models.outside_sessions import OutsideSession
from plaza.identity.models.passkeys import DeviceKey, Passkey
from plaza.identity.models.privacy import EXPORT, Erasure, ErasureStep, Export, ExportStatus
from plaza.identity.models.roles import Role, RolePermission, UserRole
from plaza.identity.models.sessions import EndReason, RefreshToken, Session
from plaza.identity.models.signing_keys import SigningKey
from plaza.identity.models.users import (
    ACCOUNT,
    STORAGE_QUOTA_BYTES,
    NeverVerified,
    Profile,
    User,
    UserStatus,
    Way,
)
from plaza.identity.models.verification import Purpose, VerificationToken

__all__ = [
    "ACCOUNT",
    "EXPORT",
    "LET_IN",
    "STORAGE_QUOTA_BYTES",
    "Address",
    "ApiKey",
    "DeviceKey",
    "EndReason",
    "Erasure",
    "ErasureStep",
    "Export",
    "ExportStatus",
    "LinkedAccount",
    "LoginAttempt",
    "MfaChallenge",
    "NeverVerified",
    "OutsideSession",
    "Passkey",
    "Profile",
    "Purpose",
    "RecoveryCode",
    "RefreshToken",
    "Role",
    "RolePermission",
    "Session",
    "SigningKey",
    "TotpDevice",
    "UnlinkedAccount",
    "User",
    "UserRole",
    "UserStatus",
    "VerificationToken",
    "Way",
]
