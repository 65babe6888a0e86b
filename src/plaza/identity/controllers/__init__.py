"""`/api/v1/auth` and the key set, a file per aggregate: decode, one service call, encode. Only the refresh cookie is decided here."""

from plaza.identity.controllers.addresses import AddressController
from plaza.identity.controllers.api_keys import ApiKeyController
from plaza.identity.controllers.device_keys import DeviceKeyController, DeviceLoginController
from plaza.identity.controllers.emails import EmailController
from plaza.identity.controllers.leaving import LeavingController
from plaza.identity.controllers.logins import LoginController
from plaza.identity.controllers.magic_links import MagicLinkController
from plaza.identity.controllers.mfa import MfaController, MfaLoginController
from plaza.identity.controllers.oauth import LinkedAccountController, OAuthController
from plaza.identity.controllers.passkeys import PasskeyController, PasskeyLoginController
from plaza.identity.controllers.passwords import PasswordController
from plaza.identity.controllers.phones import PhoneController
from plaza.identity.controllers.registration import RegistrationController
from plaza.identity.controllers.roles import RoleController
from plaza.identity.controllers.sessions import SessionController
from plaza.identity.controllers.signing_keys import KeyController
from plaza.identity.controllers.staff import StaffController
from plaza.identity.controllers.users import UserController

__all__ = [
    "AddressController",
    "ApiKeyController",
    "DeviceKeyController",
    "DeviceLoginController",
    "EmailController",
    "KeyController",
    "LeavingController",
    "LinkedAccountController",
    "LoginController",
    "MagicLinkController",
    "MfaController",
    "MfaLoginController",
    "OAuthController",
    "PasskeyController",
    "PasskeyLoginController",
    "PasswordController",
    "PhoneController",
    "RegistrationController",
    "RoleController",
    "SessionController",
    "StaffController",
    "UserController",
]
