"""What people hold in their hands: authenticator apps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyotp
from sqlalchemy import text

from plaza.core.result import Failure, ServiceResult
from plaza.identity import Origin
from plaza.identity.schemas import LoginInput, MfaVerifyInput, TotpConfirmInput
from plaza.identity.service import LoginService, MfaService, TotpService
from tests.identity.builders import HERE, PASSWORD, Person
from tests.support.clock import ManualClock
from tests.support.stage import Stage


@dataclass(frozen=True, slots=True)
class App:
    """An authenticator app, and the recovery codes that came with it."""

    secret: str
    clock: ManualClock
    recovery_codes: tuple[str, ...] = ()

    def code(self, steps: int = 0) -> str:
        """Of the present step of 30 s, or of another."""
        return pyotp.TOTP(self.secret).at(self.clock.now(), counter_offset=steps)


async def an_app(plaza: Stage, person: Person) -> App:
    """Set up and confirmed with the code of the step before, so that the present one is still good."""
    setup = (await plaza[TotpService].begin(person.actor)).unwrap()
    app = App(setup.secret, plaza.clock)
    given = TotpConfirmInput(code=app.code(-1))
    codes = (await plaza[TotpService].confirm(person.actor, given)).unwrap().recovery_codes
    return App(setup.secret, plaza.clock, tuple(codes))


async def half_login(plaza: Stage, person: Person, origin: Origin = HERE) -> str:
    """The `mfa_token` after the right password."""
    result = await plaza[LoginService].login(LoginInput(identifier=person.email, password=PASSWORD), origin)
    assert isinstance(result, Failure)
    assert result.error.code == "MFA_REQUIRED"
    return str(result.error.members["mfa_token"])


async def verify_code(plaza: Stage, mfa_token: str, code: str) -> str:
    return outcome(await plaza[MfaService].verify(MfaVerifyInput(mfa_token=mfa_token, code=code), HERE))


async def verify_recovery(plaza: Stage, mfa_token: str, code: str) -> str:
    return outcome(await plaza[MfaService].verify(MfaVerifyInput(mfa_token=mfa_token, recovery_code=code), HERE))


def outcome(result: ServiceResult[Any]) -> str:
    """The refusal's code, or "OK"."""
    return result.error.code if isinstance(result, Failure) else "OK"


async def rows(plaza: Stage, question: str, **values: object) -> list[Any]:
    """The first column."""
    async with plaza.runtime.db.reader.connect() as connection:
        return list((await connection.execute(text(question), values)).scalars())


async def audited(plaza: Stage, action: str) -> int:
    return len(await rows(plaza, "select id from audit_entry where action = :action", action=action))
