"""Accounts of addresses that nobody has proved yet, whichever way they came in."""

from __future__ import annotations

from plaza.core.clock import Clock
from plaza.core.db import Database
from plaza.core.ids import uuid7
from plaza.domain_events.identity import UserId, UserRegistered
from plaza.identity.models import User, UserStatus, VerificationToken
from plaza.identity.repository import UserRepository

NAMELESS = "Newcomer"


class Newcomers:
    """Works inside its caller's transaction, on rows that it locks."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self.db, self.clock, self.users = db, clock, UserRepository(db)

    async def account_of(self, *, email: str | None = None, phone: str | None = None, display_name: str) -> User:
        """Whoever has the address; a pending account where nobody has. A registration that had expired is open again."""
        user = await self.users.lock_by_contact(email=email, phone=phone)
        if user is None:
            await self.users.insert_pending(
                UserId(uuid7()), email=email, phone=phone, display_name=display_name, now=self.clock.now()
            )
            user = await self.users.lock_by_contact(email=email, phone=phone)
        assert user is not None  # just inserted, here or by whoever was faster
        if not user.is_verified and user.status is UserStatus.DEACTIVATED:
            user.reopen()
            user.created_at = self.clock.now()
        return user

    async def open(self, user: User, token: VerificationToken) -> None:
        """The address of a pending account is proved, and what rode on the token takes effect. The user's row is locked."""
        profile = await self.users.lock_profile(user.id)
        assert profile is not None  # made with the user
        user.verify(self.clock.now(), phone=user.phone is not None)
        user.password_hash = token.password_hash
        profile.display_name = token.display_name or NAMELESS
        await self.db.session.flush()
        self.db.publish(UserRegistered(user_id=user.id))
