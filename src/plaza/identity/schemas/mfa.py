"""Second factors: an authenticator app, recovery codes, and the login that asks for one of them."""

from __future__ import annotations

from datetime import datetime

from plaza.core.schemas import Input, View


class MfaVerifyInput(Input, frozen=True, kw_only=True):
    """`mfa_token` came with MFA_REQUIRED. Either `code`, of the app, or `recovery_code`."""

    mfa_token: str
    code: str | None = None
    recovery_code: str | None = None


class TotpConfirmInput(Input, frozen=True, kw_only=True):
    code: str
    end_other_sessions: bool = False


class TotpSetup(View, frozen=True, kw_only=True):
    """For an authenticator app: `secret` (base32) by hand, `uri` (otpauth:) by link, `qr_svg` (an SVG document) by camera."""

    secret: str
    uri: str
    qr_svg: str


class RecoveryCodes(View, frozen=True, kw_only=True):
    """Shown this once. Each gets somebody in once who has lost the app."""

    recovery_codes: list[str]


class MfaView(View, frozen=True, kw_only=True):
    """With an authenticator app every login of a single factor asks for a code. A login by passkey is of two factors by itself."""

    totp: bool
    totp_confirmed_at: datetime | None
    recovery_codes_left: int
