"""Identity: people, what proves who they are, their sessions, and what they may do.

Owns users, profiles and address books, what they log in with and who tried to, sessions and refresh tokens, roles and grants, API keys,
the waitlist, exports and erasures of all that is known of a person, and the keys that sign access tokens.

Invariants:
- an address belongs to one account; a username, compared without case, to one profile;
- nobody can act before a contact is proved, and no answer or its time tells a stranger whether an address has an account;
- of a family of refresh tokens one is unused; a second use of another ends the family;
- an ended session, a revoked API key and a right that was taken away are refused in every process within a second, with Redis down too;
- nobody hands out what they do not hold, nobody acts on those who may do more, and somebody can always do everything;
- whoever acts as somebody else reaches neither credentials nor money, and both names stand in the audit log.

Tells `identity.user_registered`; hears nothing. Implements `core.http.Authenticator`.
"""

from plaza.identity.errors import AccountDisabled, CodeInvalid, EmailTaken, MfaRequired, TokenStale, UserNotFound
from plaza.identity.schemas import (
    BanInput,
    Card,
    IdentitySettings,
    LoginInput,
    MfaVerifyInput,
    NewUser,
    Origin,
    TokenPair,
    UserView,
)
from plaza.identity.service import (
    CallerService,
    KeyService,
    LeavingService,
    LoginService,
    MfaService,
    ProfileService,
    RoleService,
    SessionService,
    SessionWatch,
    StaffService,
    StaleWatch,
    TicketService,
    TokenService,
    UserService,
)

__all__ = [
    "AccountDisabled",
    "BanInput",
    "CallerService",
    "Card",
    "CodeInvalid",
    "EmailTaken",
    "IdentitySettings",
    "KeyService",
    "LeavingService",
    "LoginInput",
    "LoginService",
    "MfaRequired",
    "MfaService",
    "MfaVerifyInput",
    "NewUser",
    "Origin",
    "ProfileService",
    "RoleService",
    "SessionService",
    "SessionWatch",
    "StaffService",
    "StaleWatch",
    "TicketService",
    "TokenPair",
    "TokenService",
    "TokenStale",
    "UserNotFound",
    "UserService",
    "UserView",
]
