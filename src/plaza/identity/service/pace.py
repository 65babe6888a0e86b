"""How often an address may be sent something. Nobody is told: the request has long been answered when this is asked.

Text messages cost money, and there are people who earn by having them sent to numbers of their own, by the thousand ("SMS pumping").
Beside the limit per number each country has a budget, and whole prefixes can be left out.
"""

from __future__ import annotations

import phonenumbers
import structlog

from plaza.core.crypto import Vault
from plaza.core.errors import RateLimited
from plaza.core.ratelimit import RateLimits
from plaza.identity.schemas import IdentitySettings

log = structlog.get_logger(__name__)


class SendingPace:
    def __init__(self, limits: RateLimits, settings: IdentitySettings, vault: Vault) -> None:
        self.limits, self.settings, self.vault = limits, settings, vault

    async def may_mail(self, email: str) -> bool:
        """A stranger cannot fill somebody's mailbox. Raises Unavailable."""
        return await self._may("code-mails", self._hidden("code-mails", email), self.settings.code_mails)

    async def count_magic_link(self, email: str) -> None:
        """Raises RateLimited, whether anybody has the address or not, and Unavailable."""
        await self.limits.hit("magic-links", self._hidden("magic-links", email), self.settings.magic_links)

    async def may_text_code(self, phone: str) -> bool:
        """Raises Unavailable."""
        return await self._may_text(phone, "code-texts", self.settings.code_texts)

    async def may_text_notice(self, phone: str) -> bool:
        """Counted apart: nobody's codes are used up by what happens to their account. Raises Unavailable."""
        return await self._may_text(phone, "notice-texts", self.settings.notice_texts)

    async def _may_text(self, phone: str, name: str, limit: str) -> bool:
        """The number's own limit comes first, so that one number cannot use up its country's budget."""
        settings = self.settings
        if not reachable(phone, settings.sms_allowed_prefixes, settings.sms_denied_prefixes):
            log.info("text_dropped", reason="prefix")
            return False
        country = country_of(phone)
        return (
            await self._may(name, self._hidden(name, phone), limit)
            and await self._may("country-texts-hourly", country, settings.country_texts_hourly)
            and await self._may("country-texts-daily", country, settings.country_texts_daily)
        )

    async def _may(self, name: str, key: str, limit: str) -> bool:
        try:
            await self.limits.hit(name, key, limit)
        except RateLimited:
            log.info("message_dropped", reason=name)
            return False
        return True

    def _hidden(self, name: str, address: str) -> str:
        """No address stands in Redis."""
        return self.vault.mac(name, address).hex()


def reachable(phone: str, allowed: tuple[str, ...], denied: tuple[str, ...]) -> bool:
    """The longest prefix that fits decides; without one, everything is open unless there is a list of what is allowed."""
    fitting = [(len(prefix), prefix in denied) for prefix in (*allowed, *denied) if phone.startswith(prefix)]
    if not fitting:
        return not allowed
    return not max(fitting)[1]


def country_of(phone: str) -> str:
    """The calling code and, where several countries share one, the country: +49/DE, +1/JM."""
    number = phonenumbers.parse(phone)
    return f"+{number.country_code}/{phonenumbers.region_code_for_number(number)}"
