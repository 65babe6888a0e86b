from __future__ import annotations

from plaza.core.composition import Context
from plaza.core.http import Authenticator
from plaza.identity import admin, controllers, jobs
from plaza.identity.gateways import LoginFailures, TicketStore
from plaza.identity.schemas import IdentitySettings
from plaza.identity.service import (
    CallerService,
    FactorService,
    KeyService,
    LoginGate,
    LoginService,
    Messages,
    MfaService,
    Newcomers,
    PasswordHasher,
    PasswordService,
    PhoneService,
    ProfileService,
    RecoveryCodeService,
    RegistrationService,
    SecurityNotices,
    SendingPace,
    SessionService,
    SessionWatch,
    StaleWatch,
    TicketService,
    TokenService,
    TotpService,
    UserService,
    VerificationTokens,
    WaysIn,
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
        SecurityNotices,
        SessionService,
        LoginGate,
        WaysIn,
        LoginService,
        RegistrationService,
        PhoneService,
        PasswordService,
        ProfileService,
        UserService,
        TicketService,
        FactorService,
        RecoveryCodeService,
        TotpService,
        MfaService,
    ),
    ports={Authenticator: CallerService},
    controllers=(
        controllers.RegistrationController,
        controllers.LoginController,
        controllers.PhoneController,
        controllers.PasswordController,
        controllers.SessionController,
        controllers.UserController,
        controllers.MfaLoginController,
        controllers.MfaController,
        controllers.KeyController,
    ),
    jobs=(jobs.start_registration, jobs.resend_code, jobs.send_phone_code, jobs.send_password_reset),
    crons=(
        jobs.purge_verification_tokens,
        jobs.purge_sessions,
        jobs.expire_unverified_accounts,
        jobs.purge_mfa,
        jobs.purge_signing_keys,
    ),
    declares=(
        admin.USERS,
        admin.SESSIONS,
        admin.ROLES,
        admin.GRANTS,
        NotificationType(name="identity.email_code", subject="Your Plaza code", template="identity/email_code"),
        NotificationType(
            name="identity.address_taken", subject="You already have a Plaza account", template="identity/address_taken"
        ),
        NotificationType(
            name="identity.password_reset", subject="Set a new Plaza password", template="identity/password_reset"
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
