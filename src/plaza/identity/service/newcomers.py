"""Accounts of addresses that nobody has proved yet, whichever way they came in."""

from __future__ import annotations

from plaza.audit import AuditEntry, AuditService
from plaza.core.clock import Clock
from plaza.core.db import Database
from plaza.core.ids import uuid7
from plaza.domain_events.identity import UserId, UserRegistered
from plaza.identity.errors import EmailTaken, PhoneTaken
from plaza.identity.models import User, UserStatus, VerificationToken
from plaza.identity.repository import UserRepository
from plaza.identity.service.links import AccountLinks

NAMELESS = "Newcomer"


class Newcomers:
    """Works inside its caller's transaction, on rows that it locks."""

    def __init__(self, db: Database, clock: Clock, links: AccountLinks, audit: AuditService) -> None:
        self.db, self.clock, self.links, self.audit, self.users = db, clock, links, audit, UserRepository(db)

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

    async def displaced_by(self, user_id: UserId, *, email: str | None = None, phone: str | None = None) -> User | None:
        """That person, locked, once the contact is nobody else's: a registration that nobody proved gives way to a proof.

        None where they are gone. Raises EmailTaken and PhoneTaken.
        """
        holder_id = await self.users.id_by_contact(email=email, phone=phone)
        ids = {user_id, holder_id} if holder_id is not None else {user_id}
        locked = {each.id: each for each in await self.users.lock_many(ids, deleted=True)}
        user, holder = locked.pop(user_id, None), next(iter(locked.values()), None)
        if holder is not None and (holder.email if email is not None else holder.phone) == (email or phone):
            if holder.is_verified:
                raise EmailTaken if email is not None else PhoneTaken
            await self.db.session.delete(holder)
            await self.db.session.flush()
        return user if user is not None and user.deleted_at is None else None

    async def open(self, user: User, token: VerificationToken) -> None:
        """The address of a pending account is proved, and what rode on the token takes effect. The user's row is locked."""
        name = token.display_name or NAMELESS
        await self.take_in(user, display_name=name, password_hash=token.password_hash, by="code")
        if (
            token.linked is not None and await self.links.find(*token.linked) is None
        ):  # else somebody else has linked it meanwhile
            await self.links.add(user.id, *token.linked, email=token.address)

    async def take_in(self, user: User, *, display_name: str, password_hash: str | None, by: str) -> None:
        """A pending account, locked, whose address is proved: by a `code`, or by word of a provider or of the `operator`."""
        profile = await self.users.lock_profile(user.id)
        assert profile is not None  # made with the user
        user.verify(self.clock.now(), phone=user.phone is not None)
        user.password_hash = password_hash
        profile.display_name = display_name
        await self.db.session.flush()
        self.db.publish(UserRegistered(user_id=user.id))
        entry = AuditEntry(
            action="identity.account_opened",
            subject_type="user",
            subject_id=str(user.id),
            actor=None,
            user_id=user.id,
            after={"email": user.email, "phone": user.phone, "by": by, "has_password": password_hash is not None},
        )
        (await self.audit.record(entry)).unwrap()
