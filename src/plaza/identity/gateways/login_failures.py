"""Failed logins, counted in Redis."""

from __future__ import annotations

from redis.asyncio import Redis
from redis.exceptions import RedisError

from plaza.core.clock import Clock
from plaza.core.crypto import Vault
from plaza.core.errors import RateLimited
from plaza.core.ratelimit import RateLimitSettings
from plaza.core.service import outside
from plaza.identity.gateways.parts import unavailable
from plaza.identity.schemas import IdentitySettings

# A try is counted before the password is looked at, so that parallel guesses cannot slip through together. The one that reaches the
# limit sets the time before which nobody may try again; each further failure doubles the wait.
_RESERVE = """
local now, limit, wait, longest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local blocked = tonumber(redis.call('HGET', KEYS[1], 'until') or '0')
if now < blocked then return tostring(blocked - now) end
local tries = redis.call('HINCRBY', KEYS[1], 'tries', 1)
if tries >= limit then
  redis.call('HSET', KEYS[1], 'until', tostring(now + math.min(wait * 2 ^ math.min(tries - limit, 20), longest)))
end
redis.call('EXPIRE', KEYS[1], longest * 2)
return '0'
"""


class LoginFailures:
    """How often an identifier was tried in vain. Whether it belongs to anybody makes no difference."""

    def __init__(
        self, redis: Redis, clock: Clock, vault: Vault, settings: IdentitySettings, limits: RateLimitSettings
    ) -> None:
        self.redis, self.clock, self.vault, self.settings = redis, clock, vault, settings
        self.enabled = limits.enabled
        self._reserve = redis.register_script(_RESERVE)

    def key(self, *parts: str) -> str:
        """No identifier stands in Redis."""
        return f"plaza:login:{self.vault.mac('login-failures', *parts).hex()}"

    @outside
    async def reserve(self, key: str) -> None:
        """Raises RateLimited, and Unavailable where Redis does not answer."""
        if not self.enabled:
            return
        settings = self.settings
        arguments = [
            self.clock.now().timestamp(),
            settings.login_failures,
            settings.login_wait_s,
            settings.login_wait_max_s,
        ]
        with unavailable():
            wait = float(await self._reserve([key], arguments))
        if wait > 0:
            raise RateLimited("Too many failed logins.", retry_after=wait)

    @outside
    async def forget(self, key: str) -> None:
        """After a success. What is not forgotten only makes the next wait come sooner: Redis may be down."""
        if self.enabled:
            try:
                await self.redis.delete(key)
            except (RedisError, OSError):
                return
