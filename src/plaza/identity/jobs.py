"""What identity does in the worker."""

from __future__ import annotations

from plaza.core.jobs import cron, job
from plaza.core.result import ServiceResult
from plaza.identity.schemas import (
    EraseNext,
    MakeExport,
    RemoveExports,
    ResendCode,
    SendEmailChangeCode,
    SendMagicLink,
    SendPasswordReset,
    SendPhoneCode,
    StartRegistration,
    TextNotice,
)
from plaza.identity.service import (
    ApiKeyService,
    EmailChangeService,
    ExportService,
    ImpersonationService,
    KeyService,
    LeavingService,
    LoginAttempts,
    MagicLinkService,
    MfaService,
    OutsideSessionService,
    PasswordService,
    PhoneService,
    RegistrationService,
    RoleService,
    SecurityNotices,
    SessionService,
    StaffService,
    UserService,
    WaitlistService,
)

# Of those that find out whom a mail or a text is for, and what it says. Sending it is a job of notifications, with tries of its own.
MAIL_TRIES = 3


@job(queue="mail", attempts=MAIL_TRIES, outside=True)
async def start_registration(payload: StartRegistration, registrations: RegistrationService) -> ServiceResult[None]:
    return await registrations.start(payload)


@job(queue="mail", attempts=MAIL_TRIES, outside=True)
async def resend_code(payload: ResendCode, registrations: RegistrationService) -> ServiceResult[None]:
    return await registrations.resend_code(payload)


@job(queue="mail", attempts=MAIL_TRIES, outside=True)
async def send_phone_code(payload: SendPhoneCode, phones: PhoneService) -> ServiceResult[None]:
    return await phones.deliver_code(payload)


@job(queue="mail", attempts=MAIL_TRIES, outside=True)
async def text_notice(payload: TextNotice, notices: SecurityNotices) -> ServiceResult[None]:
    return await notices.deliver_text(payload)


@job(queue="mail", attempts=MAIL_TRIES, outside=True)
async def send_password_reset(payload: SendPasswordReset, passwords: PasswordService) -> ServiceResult[None]:
    return await passwords.send_reset(payload)


@job(attempts=12)
async def erase_next(payload: EraseNext, leaving: LeavingService) -> ServiceResult[None]:
    return await leaving.erase_next(payload.erasure_id)


@job(queue="exports", outside=True, timeout_s=3600)
async def make_export(payload: MakeExport, exports: ExportService) -> ServiceResult[None]:
    return await exports.make(payload.export_id)


@job(queue="exports", outside=True, attempts=12)
async def remove_exports(payload: RemoveExports, exports: ExportService) -> ServiceResult[None]:
    return await exports.remove(payload.keys)


@cron(hour=4, minute=0, queue="exports", outside=True)
async def purge_exports(exports: ExportService) -> ServiceResult[None]:
    return await exports.purge()


@job(queue="mail", attempts=MAIL_TRIES)
async def send_magic_link(payload: SendMagicLink, magic_links: MagicLinkService) -> ServiceResult[None]:
    return await magic_links.send(payload)


@job(queue="mail", attempts=MAIL_TRIES, outside=True)
async def send_email_change_code(payload: SendEmailChangeCode, changes: EmailChangeService) -> ServiceResult[None]:
    return await changes.send_code(payload)


@cron(hour=3, minute=10, outside=True)
async def purge_verification_tokens(registrations: RegistrationService) -> ServiceResult[None]:
    return await registrations.purge()


@cron(hour=3, minute=20, outside=True)
async def purge_sessions(sessions: SessionService) -> ServiceResult[None]:
    return await sessions.purge()


@cron(minute=set(range(60)), outside=True)
async def expire_grants(roles: RoleService) -> ServiceResult[None]:
    return await roles.expire()


@cron(minute=set(range(60)))
async def expire_impersonations(impersonations: ImpersonationService) -> ServiceResult[int]:
    return await impersonations.expire()


@cron(minute=set(range(60)), outside=True)
async def lapse_bans(staff: StaffService) -> ServiceResult[None]:
    return await staff.lapse_bans()


@cron(minute=set(range(60)), outside=True)
async def promote_waitlisted(waitlist: WaitlistService) -> ServiceResult[None]:
    return await waitlist.sweep()


@cron(hour=4, minute=20)
async def purge_api_keys(keys: ApiKeyService) -> ServiceResult[int]:
    return await keys.purge()


@cron(hour=3, minute=25, outside=True)
async def purge_login_attempts(attempts: LoginAttempts) -> ServiceResult[None]:
    return await attempts.purge()


@cron(hour=4, minute=30, outside=True)
async def purge_outside_sessions(outside: OutsideSessionService) -> ServiceResult[None]:
    return await outside.purge()


@cron(hour=3, minute=30, outside=True)
async def expire_unverified_accounts(users: UserService) -> ServiceResult[None]:
    return await users.expire_unverified()


@cron(hour=3, minute=50, outside=True)
async def purge_mfa(mfa: MfaService) -> ServiceResult[None]:
    return await mfa.purge()


@cron(hour=3, minute=40)
async def purge_signing_keys(keys: KeyService) -> ServiceResult[int]:
    return await keys.purge()
