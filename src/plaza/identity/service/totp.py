"""Authenticator apps: time-based one-time passwords (RFC 6238; SHA-1, six digits, 30 s, which is what all apps can)."""

from __future__ import annotations

import hmac
import io
from datetime import datetime, timedelta

import pyotp
import segno

from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.crypto import Sealed, Vault
from plaza.core.db import Database
from plaza.core.ids import uuid7
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command
from plaza.domain_events.identity import UserId
from plaza.identity.errors import CodeExpired, CodeInvalid, MfaNotEnabled
from plaza.identity.models import TotpDevice
from plaza.identity.repository import MfaRepository, UserRepository
from plaza.identity.schemas import IdentitySettings, RecoveryCodes, TotpConfirmInput, TotpSetup
from plaza.identity.service.factors import FactorService
from plaza.identity.service.notices import Change
from plaza.identity.service.recovery_codes import RecoveryCodeService

# One step of 30 s to either side: clocks differ, people type slowly.
_STEPS = (0, -1, 1)


class TotpService(Service):
    def __init__(
        self,
        db: Database,
        clock: Clock,
        settings: IdentitySettings,
        vault: Vault,
        changes: FactorService,
        recovery_codes: RecoveryCodeService,
    ) -> None:
        super().__init__(db)
        self.clock, self.settings, self.vault = clock, settings, vault
        self.changes, self.recovery_codes = changes, recovery_codes
        self.users, self.factors = UserRepository(db), MfaRepository(db)

    @command(FactorService.begin_change)
    async def begin(self, actor: Actor) -> ServiceResult[TotpSetup]:
        """Nothing is asked of logins until a code confirms the app; until then an app confirmed earlier stays."""
        (await self.changes.begin_change(actor)).unwrap()
        user_id, secret = UserId(actor.user_id), pyotp.random_base32()
        await self.factors.remove_devices(user_id, confirmed=False)
        self.factors.add_device(
            TotpDevice(
                id=uuid7(),
                user_id=user_id,
                sealed_secret=self.vault.seal(secret).ciphertext,
                created_at=self.clock.now(),
            )
        )
        me = (await self.users.views([user_id]))[user_id]
        name = me.email or me.phone or me.username or me.display_name
        uri = pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=self.settings.shown_name)
        return success(TotpSetup(secret=secret, uri=uri, qr_svg=_qr(uri)))

    @command(CodeInvalid, CodeExpired, FactorService.begin_change)
    async def confirm(self, actor: Actor, given: TotpConfirmInput) -> ServiceResult[RecoveryCodes]:
        """From now on this app is the second factor, in place of an earlier one, and there are new recovery codes.

        The session counts as having shown the second factor.
        """
        (await self.changes.begin_change(actor)).unwrap()
        user_id, now = UserId(actor.user_id), self.clock.now()
        device = await self.factors.unconfirmed(user_id, now - timedelta(seconds=self.settings.totp_setup_s))
        if device is None:
            return failure(CodeExpired("Begin the set-up of the app again."))
        step = self._step(device, given.code, now)
        if step is None:
            return failure(CodeInvalid())
        replaced = await self.factors.confirmed(user_id)
        await self.factors.remove_devices(user_id, confirmed=True)
        device.confirmed_at, device.last_used_step = now, step
        await self.db.session.flush()
        await self.users.move_version(user_id)
        (await self.changes.shown(actor, "otp")).unwrap()
        (
            await self.changes.end_change(
                actor,
                "identity.mfa_enabled",
                Change.MFA_ADDED,
                subject=("totp_device", device.id),
                before={"replaced_id": replaced.id} if replaced is not None else None,
                end_other_sessions=given.end_other_sessions,
            )
        ).unwrap()
        return success(await self.recovery_codes.make(user_id))

    @command(MfaNotEnabled, FactorService.begin_change)
    async def remove(self, actor: Actor, *, end_other_sessions: bool) -> ServiceResult[None]:
        """Recovery codes go with it: without the app nothing asks for them."""
        (await self.changes.begin_change(actor)).unwrap()
        user_id = UserId(actor.user_id)
        device = await self.factors.confirmed(user_id)
        if device is None:
            return failure(MfaNotEnabled())
        for confirmed in (True, False):
            await self.factors.remove_devices(user_id, confirmed=confirmed)
        await self.factors.replace_codes(user_id, (), self.clock.now())
        return await self.changes.end_change(
            actor,
            "identity.mfa_disabled",
            Change.MFA_REMOVED,
            subject=("totp_device", device.id),
            end_other_sessions=end_other_sessions,
        )

    async def accept(self, user_id: UserId, code: str) -> bool:
        """Whether a login's code is right, and not older than the last one that was. Under the lock of the user's row."""
        device = await self.factors.confirmed(user_id)
        step = self._step(device, code, self.clock.now()) if device is not None else None
        if device is None or step is None:
            return False
        device.last_used_step = step
        # Under the present secret of the installation: what is in use outlives the earlier ones.
        device.sealed_secret = self.vault.seal(self._secret(device)).ciphertext
        await self.db.session.flush()
        return True

    def _secret(self, device: TotpDevice) -> str:
        return self.vault.open(Sealed[str](device.sealed_secret))

    def _step(self, device: TotpDevice, code: str, now: datetime) -> int | None:
        """The time step whose code this is, if no code of it or of a later one was accepted."""
        totp = pyotp.TOTP(self._secret(device))
        current, used = totp.timecode(now), device.last_used_step
        given = "".join(code.split()).encode()
        matching = [step for step in (current + each for each in _STEPS) if _matches(totp, step, given)]
        return next((step for step in matching if used is None or step > used), None)


def _matches(totp: pyotp.TOTP, step: int, given: bytes) -> bool:
    return hmac.compare_digest(totp.generate_otp(step).encode(), given)


def _qr(uri: str) -> str:
    """A document of its own, on white: as an image or within a page, on any background."""
    out = io.BytesIO()
    segno.make(uri, error="m", micro=False).save(out, kind="svg", light="#fff", omitsize=True, xmldecl=False)
    return out.getvalue().decode().strip()
