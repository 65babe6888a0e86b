"""What identity refuses."""

from __future__ import annotations

from plaza.core.result import DomainError


class InvalidCredentials(DomainError):
    """No account has this name and this password."""

    code, status = "INVALID_CREDENTIALS", 401


class MfaRequired(DomainError):
    """This account has a second factor: send `mfa_token` with a code of one of `methods` to mfa/verify."""

    code, status = "MFA_REQUIRED", 401


class TokenStale(DomainError):
    """What you may do has changed: get a new access token with your refresh token."""

    code, status = "TOKEN_STALE", 401


class EmailNotVerified(DomainError):
    """Prove your e-mail address first, with the code that was mailed to it."""

    code, status = "EMAIL_NOT_VERIFIED", 403


class PhoneNotVerified(DomainError):
    """Prove your phone number first, with the code that was sent to it."""

    code, status = "PHONE_NOT_VERIFIED", 403


class OAuthRejected(DomainError):
    """What the provider answered does not prove who you are: begin anew."""

    code, status = "OAUTH_REJECTED", 401


class OAuthDenied(DomainError):
    """The login was cancelled at the provider."""

    code, status = "OAUTH_DENIED", 403


class AccountDisabled(DomainError):
    """This account cannot be used."""

    code, status = "ACCOUNT_DISABLED", 403


class OwnAccount(DomainError):
    """Nobody does this to their own account."""

    code, status = "OWN_ACCOUNT", 403


class BeyondOwnPermissions(DomainError):
    """This needs permissions that you do not hold yourself."""

    code, status = "BEYOND_OWN_PERMISSIONS", 403


class UserNotFound(DomainError):
    """There is no such person, or none who wants to be found."""

    code, status = "USER_NOT_FOUND", 404


class DeviceKeyNotFound(DomainError):
    """You have no such device key."""

    code, status = "DEVICE_KEY_NOT_FOUND", 404


class PasskeyNotFound(DomainError):
    """You have no such passkey."""

    code, status = "PASSKEY_NOT_FOUND", 404


class SessionNotFound(DomainError):
    """You have no such session."""

    code, status = "SESSION_NOT_FOUND", 404


class RoleNotFound(DomainError):
    """There is no such role."""

    code, status = "ROLE_NOT_FOUND", 404


class ApiKeyNotFound(DomainError):
    """You have no such API key."""

    code, status = "API_KEY_NOT_FOUND", 404


class LinkedAccountNotFound(DomainError):
    """You have no such linked account."""

    code, status = "LINKED_ACCOUNT_NOT_FOUND", 404


class AddressNotFound(DomainError):
    """There is no such address in your book."""

    code, status = "ADDRESS_NOT_FOUND", 404


class ProviderNotConfigured(DomainError):
    """This way is not available here: the operator has not set it up."""

    code, status = "PROVIDER_NOT_CONFIGURED", 404


class EmailTaken(DomainError):
    """Another account has this e-mail address."""

    code, status = "EMAIL_TAKEN", 409


class PhoneTaken(DomainError):
    """Another account has this phone number."""

    code, status = "PHONE_TAKEN", 409


class TooManyAddresses(DomainError):
    """Your address book is full: remove an address first."""

    code, status = "TOO_MANY_ADDRESSES", 409


class UsernameTaken(DomainError):
    """Another account has this username."""

    code, status = "USERNAME_TAKEN", 409


class LinkedAccountTaken(DomainError):
    """This outside account is linked to another person here."""

    code, status = "LINKED_ACCOUNT_TAKEN", 409


class LinkRequired(DomainError):
    """Somebody has this e-mail address here already: log in another way, then link the outside account."""

    code, status = "LINK_REQUIRED", 409


class LastLoginMethod(DomainError):
    """This is your last way to log in: add another one first."""

    code, status = "LAST_LOGIN_METHOD", 409


class KeyTaken(DomainError):
    """This key is registered already."""

    code, status = "KEY_TAKEN", 409


class TooManyKeys(DomainError):
    """You have as many keys of this kind as one account may have: remove one first."""

    code, status = "TOO_MANY_KEYS", 409


class MfaNotEnabled(DomainError):
    """You have no second factor: set up an authenticator app first."""

    code, status = "MFA_NOT_ENABLED", 409


class RoleNameTaken(DomainError):
    """Another role has this name."""

    code, status = "ROLE_NAME_TAKEN", 409


class RoleBuiltIn(DomainError):
    """This role comes with Plaza: it stays."""

    code, status = "ROLE_BUILT_IN", 409


class RoleInUse(DomainError):
    """Somebody holds this role: take it from them first."""

    code, status = "ROLE_IN_USE", 409


class LastSuperuser(DomainError):
    """Nobody else could do everything: make another superuser first."""

    code, status = "LAST_SUPERUSER", 409


class CannotImpersonate(DomainError):
    """Staff are not impersonated, nor is anybody whose account cannot be used."""

    code, status = "CANNOT_IMPERSONATE", 409


class TooManyApiKeys(DomainError):
    """You have as many API keys as anybody may have: revoke one first."""

    code, status = "TOO_MANY_API_KEYS", 409


class CodeExpired(DomainError):
    """This code or link is too old: ask for a new one."""

    code, status = "CODE_EXPIRED", 410


class TokenUsed(DomainError):
    """This code or link was used before."""

    code, status = "TOKEN_USED", 410


class ExportNotFound(DomainError):
    """You have no such export, or it is no longer kept."""

    code, status = "EXPORT_NOT_FOUND", 404


class PasskeyRejected(DomainError):
    """What the device answered is not a passkey for this place, or its owner was not verified."""

    code, status = "PASSKEY_REJECTED", 422


class PublicKeyInvalid(DomainError):
    """A device's key is one of the curve P-256, given as base64 of its DER form."""

    code, status = "PUBLIC_KEY_INVALID", 422


class ChallengeInvalid(DomainError):
    """This challenge or login is unknown, too old, or was tried before: begin again."""

    code, status = "CHALLENGE_INVALID", 422


class OAuthEmailMissing(DomainError):
    """The provider did not tell your e-mail address: sign up here first, then link the outside account."""

    code, status = "OAUTH_EMAIL_MISSING", 422


class OAuthStateInvalid(DomainError):
    """This login was not begun in this browser, took too long or has come back before: begin anew."""

    code, status = "OAUTH_STATE_INVALID", 422


class CodeInvalid(DomainError):
    """This code or link is wrong, or was tried too often: ask for a new one."""

    code, status = "CODE_INVALID", 422


class PasswordTooCommon(DomainError):
    """This is one of the passwords that everybody tries first."""

    code, status = "PASSWORD_TOO_COMMON", 422


class PasswordTooWeak(DomainError):
    """A password has 8 to 128 characters and holds neither your name, address or number nor the name of this service."""

    code, status = "PASSWORD_TOO_WEAK", 422


class PermissionUnknown(DomainError):
    """No context declares this permission."""

    code, status = "PERMISSION_UNKNOWN", 422


class ScopeUnknown(DomainError):
    """A scope is <context>:read or <context>:write of a context that API keys can reach."""

    code, status = "SCOPE_UNKNOWN", 422


class UsernameReserved(DomainError):
    """This username is kept for the operators."""

    code, status = "USERNAME_RESERVED", 422
