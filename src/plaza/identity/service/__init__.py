"""Rules of identity, a file per aggregate. The face is the package's: `from plaza.identity import ...`."""

from plaza.identity.service.addresses import AddressService
from plaza.identity.service.api_keys import ApiKeyService
from plaza.identity.service.attempts import LoginAttempts
from plaza.identity.service.callers import CallerService
from plaza.identity.service.device_keys import DeviceKeyService
from plaza.identity.service.email_changes import EmailChangeService
from plaza.identity.service.exports import ExportService
from plaza.identity.service.factors import FactorService
from plaza.identity.service.former_contacts import FormerContacts
from plaza.identity.service.gate import LoginGate
from plaza.identity.service.impersonation import ImpersonationService
from plaza.identity.service.keys import KeyService
from plaza.identity.service.leaving import LeavingService
from plaza.identity.service.linked_accounts import LinkedAccountService
from plaza.identity.service.links import AccountLinks
from plaza.identity.service.logins import LoginService
from plaza.identity.service.magic_links import MagicLinkService
from plaza.identity.service.messages import Messages
from plaza.identity.service.mfa import MfaService
from plaza.identity.service.newcomers import Newcomers
from plaza.identity.service.notices import Change, SecurityNotices
from plaza.identity.service.oauth import OAuthService
from plaza.identity.service.outside_sessions import OutsideSessionService
from plaza.identity.service.pace import SendingPace
from plaza.identity.service.passkeys import PasskeyService
from plaza.identity.service.password_changes import PasswordService
from plaza.identity.service.passwords import PasswordHasher
from plaza.identity.service.personal_data import IdentityData
from plaza.identity.service.phones import PhoneService
from plaza.identity.service.profiles import ProfileService
from plaza.identity.service.recovery_codes import RecoveryCodeService
from plaza.identity.service.refresh_tokens import RefreshTokens
from plaza.identity.service.registration import RegistrationService
from plaza.identity.service.relying_party import RelyingParty
from plaza.identity.service.roles import RoleService
from plaza.identity.service.session_endings import SessionEndings
from plaza.identity.service.sessions import SessionService
from plaza.identity.service.staff import StaffService
from plaza.identity.service.tickets import TicketService
from plaza.identity.service.tokens import TokenService
from plaza.identity.service.totp import TotpService
from plaza.identity.service.users import UserService
from plaza.identity.service.verification import VerificationTokens
from plaza.identity.service.waitlist import WaitlistService
from plaza.identity.service.watch import ApiKeyWatch, RoleWatch, SessionWatch, StaleWatch
from plaza.identity.service.ways_in import WaysIn

__all__ = [
    "AccountLinks",
    "AddressService",
    "ApiKeyService",
    "ApiKeyWatch",
    "CallerService",
    "Change",
    "DeviceKeyService",
    "EmailChangeService",
    "ExportService",
    "FactorService",
    "FormerContacts",
    "IdentityData",
    "ImpersonationService",
    "KeyService",
    "LeavingService",
    "LinkedAccountService",
    "LoginAttempts",
    "LoginGate",
    "LoginService",
    "MagicLinkService",
    "Messages",
    "MfaService",
    "Newcomers",
    "OAuthService",
    "OutsideSessionService",
    "PasskeyService",
    "PasswordHasher",
    "PasswordService",
    "PhoneService",
    "ProfileService",
    "RecoveryCodeService",
    "RefreshTokens",
    "RegistrationService",
    "RelyingParty",
    "RoleService",
    "RoleWatch",
    "SecurityNotices",
    "SendingPace",
    "SessionEndings",
    "SessionService",
    "SessionWatch",
    "StaffService",
    "StaleWatch",
    "TicketService",
    "TokenService",
    "TotpService",
    "UserService",
    "VerificationTokens",
    "WaitlistService",
    "WaysIn",
]
