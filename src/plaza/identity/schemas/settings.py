"""PLAZA_IDENTITY_*."""

from __future__ import annotations

import re

from limits import parse

from plaza.identity.schemas.providers import ProviderSettings

_PREFIX = re.compile(r"\+[1-9][0-9]{0,14}")
_PASSKEY_ORIGIN = re.compile(r"https://[^/]+|http://localhost(:[0-9]+)?|android:apk-key-hash:[\w-]+")


class IdentitySettings(ProviderSettings, frozen=True):
    """Times in seconds. `hash_queue` is how many passwords may wait for one of the `hash_threads`, which let everything else on the
    machine go first while `hash_yields`: off where other busy programs share its cores, or logins wait for those.

    `code_mails`, `code_texts`, `notice_texts` and `magic_links` are what one address may be sent, `country_texts_*` what all numbers of
    one country together may. Of the `sms_*_prefixes` the longest that fits decides; with a list of allowed ones all others are closed.
    `password_words` are names of the operator and the product, which no password may hold.

    `staff_mfa` lets nobody use a permission who logged in with one factor only. `impersonation_notice` mails those who are impersonated.
    `api_keys` is how many one person may have.

    `mfa_tries` wrong codes end one login; `mfa_failures` of one person, in `mfa_failures_s`, all of theirs for that long. `shown_name` is
    what authenticators call this place. `passkey_rp_id` is the domain that passkeys are made for, else that of PLAZA_PUBLIC_URL, and
    `passkey_origins` where they may be used: pages, and apps as android:apk-key-hash:... spells them.
    A finished export is kept for `export_days`; each link to it is good for `export_link_s`.
    """

    access_token_s: int = 900
    refresh_token_s: int = 7 * 86_400
    refresh_grace_s: int = 30
    session_s: int = 90 * 86_400
    code_s: int = 600
    code_tries: int = 3
    code_mails: str = "5 per 15 minute"
    code_texts: str = "3 per hour"
    notice_texts: str = "5 per hour"
    country_texts_hourly: str = "200 per hour"
    country_texts_daily: str = "1000 per day"
    sms_allowed_prefixes: tuple[str, ...] = ()
    sms_denied_prefixes: tuple[str, ...] = ()
    magic_link_s: int = 900
    magic_links: str = "5 per 15 minute"
    email_undo_s: int = 72 * 3600
    mfa_s: int = 300
    staff_mfa: bool = False
    impersonation_s: int = 1800
    impersonation_notice: bool = False
    waitlist: bool = False
    waitlist_min_s: int = 12_600
    waitlist_max_s: int = 14_400
    api_keys: int = 50
    export_link_s: int = 4 * 3600
    export_days: int = 3
    mfa_tries: int = 5
    mfa_failures: int = 10
    mfa_failures_s: int = 3600
    totp_setup_s: int = 900
    shown_name: str = "Plaza"
    device_challenge_s: int = 300
    passkey_s: int = 300
    passkey_rp_id: str = ""
    passkey_origins: tuple[str, ...] = ()
    ticket_s: int = 60
    login_failures: int = 5
    login_wait_s: int = 30
    login_wait_max_s: int = 900
    password_words: tuple[str, ...] = ("plaza",)
    hash_threads: int = 2
    hash_queue: int = 64
    hash_yields: bool = True
    unverified_days: int = 30
    attempts_kept_days: int = 90

    def __post_init__(self) -> None:
        self.check_providers()
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if type(value) is int and value < (0 if name in ("hash_queue", "refresh_grace_s") else 1):
                raise ValueError(f"{name} is too small")
        if self.waitlist_min_s > self.waitlist_max_s:
            raise ValueError("waitlist_max_s is less than waitlist_min_s")
        for name in (
            "code_mails",
            "code_texts",
            "notice_texts",
            "magic_links",
            "country_texts_hourly",
            "country_texts_daily",
        ):
            try:
                parse(getattr(self, name))
            except ValueError:
                raise ValueError(f"{name} must read like 5 per 15 minute") from None
        if not all(_PASSKEY_ORIGIN.fullmatch(each) for each in self.passkey_origins):
            raise ValueError("passkey_origins must read like https://app.example.com,android:apk-key-hash:...")
        if any(len(each) < 4 for each in self.password_words):
            raise ValueError("password_words have 4 letters or more: shorter ones hide in too many words")
        for name in ("sms_allowed_prefixes", "sms_denied_prefixes"):
            if not all(_PREFIX.fullmatch(each) for each in getattr(self, name)):
                raise ValueError(f"{name} must read like +49,+1876")
