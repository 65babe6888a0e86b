"""What identity does in the worker."""

from __future__ import annotations

from plaza.core.jobs import cron, job
from plaza.core.result import ServiceResult
from plaza.identity.schemas import (
    ResendCode,
    SendEmailChangeCode,
    SendMagicLink,
    SendPasswordReset,
    SendPhoneCode,
    StartRegistration,
)
from plaza.identity.service import (
    EmailChangeService,
    ImpersonationService,
    KeyService,
    LoginAttempts,
    MagicLinkService,
    MfaService,
    PasswordService,
    PhoneService,
    RegistrationService,
    RoleService,
    SessionService,
    StaffService,
    UserService,
)


@job(queue="mail", outside=True)
async def start_registration(payload: StartRegistration, registrations: RegistrationService) -> ServiceResult[None]:
    return await registrations.start(payload)


@job(queue="mail", outside=True)
async def resend_code(payload: ResendCode, registrations: RegistrationService) -> ServiceResult[None]:
    return await registrations.resend_code(payload)


@job(queue="mail", outside=True)
async def send_password_reset(payload: SendPasswordReset, passwords: PasswordService) -> ServiceResult[None]:
    return await passwords.send_reset(payload)


@job(queue="mail", outside=True)
async def send_phone_code(payload: SendPhoneCode, phones: PhoneService) -> ServiceResult[None]:
    return await phones.deliver_code(payload)


@job(queue="mail")
async def send_magic_link(payload: SendMagicLink, magic_links: MagicLinkService) -> ServiceResult[None]:
    return await magic_links.send(payload)


@job(queue="mail", outside=True)
async def send_email_change_code(payload: SendEmailChangeCode, changes: EmailChangeService) -> ServiceResult[None]:
    return await changes.send_code(payload)


@cron(hour=3, minute=10, outside=True)
async def purge_verification_tokens(registrations: RegistrationService) -> ServiceResult[None]:
    return await registrations.purge()


@cron(hour=3, minute=20, outside=True)
async def purge_sessions(sessions: SessionService) -> ServiceResult[None]:
    return await sessions.purge()


@cron(hour=3, minute=25, outside=True)
async def purge_login_attempts(attempts: LoginAttempts) -> ServiceResult[None]:
    return await attempts.purge()


@cron(minute=set(range(60)), outside=True)
async def expire_grants(roles: RoleService) -> ServiceResult[None]:
    return await roles.expire()


@cron(minute=set(range(60)))
async def expire_impersonations(impersonations: ImpersonationService) -> ServiceResult[int]:
    return await impersonations.expire()


@cron(minute=set(range(60)), outside=True)
async def lapse_bans(staff: StaffService) -> ServiceResult[None]:
    return await staff.lapse_bans()


@cron(hour=3, minute=30, outside=True)
async def expire_unverified_accounts(users: UserService) -> ServiceResult[None]:
    return await users.expire_unverified()


@cron(hour=3, minute=50, outside=True)
async def purge_mfa(mfa: MfaService) -> ServiceResult[None]:
    return await mfa.purge()


@cron(hour=3, minute=40)
async def purge_signing_keys(keys: KeyService) -> ServiceResult[int]:
    return await keys.purge()
