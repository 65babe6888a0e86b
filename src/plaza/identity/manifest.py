from __future__ import annotations

from plaza.core.composition import Context
from plaza.core.http import Authenticator
from plaza.identity import controllers, jobs
from plaza.identity.gateways import LoginFailures, TicketStore
from plaza.identity.schemas import IdentitySettings
from plaza.identity.service import (
    CallerService,
    KeyService,
    LoginGate,
    LoginService,
    Messages,
    Newcomers,
    PasswordHasher,
    ProfileService,
    RegistrationService,
    SecurityNotices,
    SendingPace,
    SessionService,
    SessionWatch,
    StaleWatch,
    TicketService,
    TokenService,
    UserService,
    VerificationTokens,
)
from plaza.notifications import NotificationType

context = Context(
    name="identity",
    settings=IdentitySettings,
    gateways={
        LoginFailures: LoginFailures,
        TicketStore: TicketStore,
        PasswordHasher: PasswordHasher,
        SendingPace: SendingPace,
        VerificationTokens: VerificationTokens,
        Newcomers: Newcomers,
        Messages: Messages,
        SessionWatch: SessionWatch,
        StaleWatch: StaleWatch,
    },
    services=(
        KeyService,
        TokenService,
        CallerService,
        SessionService,
        SecurityNotices,
        LoginGate,
        LoginService,
        RegistrationService,
        ProfileService,
        UserService,
        TicketService,
    ),
    ports={Authenticator: CallerService},
    controllers=(
        controllers.RegistrationController,
        controllers.LoginController,
        controllers.SessionController,
        controllers.UserController,
        controllers.KeyController,
    ),
    jobs=(jobs.start_registration, jobs.resend_code),
    crons=(
        jobs.purge_verification_tokens,
        jobs.purge_sessions,
        jobs.expire_unverified_accounts,
        jobs.purge_signing_keys,
    ),
    declares=(
        NotificationType(name="identity.email_code", subject="Your Plaza code", template="identity/email_code"),
        NotificationType(
            name="identity.address_taken", subject="You already have a Plaza account", template="identity/address_taken"
        ),
        NotificationType(name="identity.phone_code", template="identity/phone_code", channels=("sms",)),
        NotificationType(name="identity.phone_taken", template="identity/phone_taken", channels=("sms",)),
        NotificationType(
            name="identity.security_notice",
            subject="Plaza: {{ change }}",
            template="identity/security_notice",
            channels=("email", "sms"),
        ),
        NotificationType(name="identity.welcome", subject="Welcome to Plaza", template="identity/welcome"),
    ),
)
