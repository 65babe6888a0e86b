"""Every statement of identity, a file per aggregate."""

from plaza.identity.repository.addresses import AddressRepository
from plaza.identity.repository.api_keys import ApiKeyRepository
from plaza.identity.repository.attempts import LoginAttemptRepository
from plaza.identity.repository.device_keys import DeviceKeyRepository
from plaza.identity.repository.keys import KeyRepository
from plaza.identity.repository.linked_accounts import LinkedAccountRepository
from plaza.identity.repository.mfa import MfaRepository
from plaza.identity.repository.outside_sessions import OutsideSessionRepository
from plaza.identity.repository.passkeys import PasskeyRepository
from plaza.identity.repository.privacy import ErasureRepository, ExportRepository, PersonalRows
from plaza.identity.repository.refresh_tokens import RefreshTokenRepository
from plaza.identity.repository.roles import RoleRepository
from plaza.identity.repository.sessions import SessionRepository
from plaza.identity.repository.staff import StaffRepository
from plaza.identity.repository.users import UserRepository
from plaza.identity.repository.verification import VerificationRepository
from plaza.identity.repository.ways_in import WaysInRepository

__all__ = [
    "AddressRepository",
    "ApiKeyRepository",
    "DeviceKeyRepository",
    "ErasureRepository",
    "ExportRepository",
    "KeyRepository",
    "LinkedAccountRepository",
    "LoginAttemptRepository",
    "MfaRepository",
    "OutsideSessionRepository",
    "PasskeyRepository",
    "PersonalRows",
    "RefreshTokenRepository",
    "RoleRepository",
    "SessionRepository",
    "StaffRepository",
    "UserRepository",
    "VerificationRepository",
    "WaysInRepository",
]
