"""Accounts made and closed by other means than their owner's mailbox: operators, the command line, time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from plaza.core.clock import Clock
from plaza.core.db import Database
from plaza.core.errors import RateLimited, ValidationFailed
from plaza.core.ids import uuid7
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command, flow, query
from plaza.domain_events.identity import UserId
from plaza.identity.errors import EmailTaken, PasswordTooCommon, PasswordTooWeak, UserNotFound
from plaza.identity.repository import RoleRepository, UserRepository
from plaza.identity.schemas import IdentitySettings, NewUser, UserView
from plaza.identity.service.contacts import cleaned_line, normalized_email
from plaza.identity.service.newcomers import NAMELESS, Newcomers
from plaza.identity.service.passwords import PasswordHasher, canonical, check_password
from plaza.identity.service.roles import RoleService

_BATCH = 500


class UserService(Service):
    def __init__(
        self,
        db: Database,
        clock: Clock,
        settings: IdentitySettings,
        hasher: PasswordHasher,
        newcomers: Newcomers,
        roles: RoleService,
    ) -> None:
        super().__init__(db)
        self.clock, self.settings, self.hasher, self.newcomers = clock, settings, hasher, newcomers
        self.roles = roles
        self.users, self.rights = UserRepository(db), RoleRepository(db)

    @flow(EmailTaken, RoleService.assign, PasswordTooWeak, PasswordTooCommon, RateLimited, ValidationFailed)
    async def create(
        self,
        email: str,
        password: str,
        *,
        is_staff: bool = False,
        is_superuser: bool = False,
        display_name: str | None = None,
    ) -> ServiceResult[UserView]:
        """An active person whose address somebody else vouches for. A pending registration of the address is completed by it.

        Staff hold the role `staff`, superusers the role `superuser`.
        """
        roles = [name for name, is_held in (("staff", is_staff), ("superuser", is_superuser)) if is_held]
        address = normalized_email(email)
        name = cleaned_line(display_name, "display_name") if display_name is not None else NAMELESS
        password = canonical(password)
        check_password(password, words=self.settings.password_words, email=address, names=[display_name])
        return await self._create(address, await self.hasher.hash(password), name, roles)

    @command()
    async def create_many(self, people: Sequence[NewUser]) -> ServiceResult[list[UserId]]:
        """Active people without a password, or those who have the addresses already, in the order given.

        For load tests and demonstrations: the addresses are normal already, and nothing is told to anybody.
        """
        now = self.clock.now()
        await self.users.insert_verified([(UserId(uuid7()), each.email, each.display_name) for each in people], now)
        ids = await self.users.ids_by_email([each.email for each in people])
        return success([ids[each.email] for each in people])

    @query(UserNotFound, ValidationFailed)
    async def find(self, email: str) -> ServiceResult[UserId]:
        """For operators, who know people by their addresses."""
        address = normalized_email(email)
        found = await self.users.ids_by_email([address])
        return success(found[address]) if address in found else failure(UserNotFound())

    @flow()
    async def expire_unverified(self) -> ServiceResult[None]:
        """Addresses that nobody proved in time are free for a new registration."""
        while (await self._expire_unverified()).unwrap() == _BATCH:
            pass
        return success(None)

    @command(EmailTaken, RoleService.assign)
    async def _create(self, email: str, password_hash: str, name: str, roles: Sequence[str]) -> ServiceResult[UserView]:
        if roles:
            await self.rights.hold()
        user = await self.newcomers.account_of(email=email, display_name=name)
        if user.is_verified:
            return failure(EmailTaken())
        await self.newcomers.take_in(user, display_name=name, password_hash=password_hash, by="operator")
        for role in roles:
            (await self.roles.assign(user.id, role)).unwrap()
        return success((await self.users.views([user.id]))[user.id])

    @command()
    async def _expire_unverified(self) -> ServiceResult[int]:
        before = self.clock.now() - timedelta(days=self.settings.unverified_days)
        found = await self.users.lock_unverified_since(before, _BATCH)
        for user in found:
            user.expire()
        return success(len(found))
