from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, bindparam, func, insert, select, text, union_all
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm.attributes import flag_modified

from plaza.core.db import Repository, Swift
from plaza.domain_events.identity import UserId
from plaza.identity.errors import EmailTaken, PhoneTaken, UsernameTaken
from plaza.identity.models import Profile, User, UserStatus
from plaza.identity.schemas import Card, Identifier, LoginCandidate, PasswordOwner, Preferences, ProfileView, UserView

ME = select(
    User.id,
    User.email,
    User.phone,
    User.email_verified_at.is_not(None).label("email_verified"),
    User.phone_verified_at.is_not(None).label("phone_verified"),
    User.status,
    User.is_staff,
    Profile.username,
    Profile.display_name,
    User.created_at,
).join(Profile, Profile.user_id == User.id)

_VIEW = ME.where(User.id == bindparam("id", type_=User.id.type), User.deleted_at.is_(None))

_PASSWORD_OWNER = (
    select(
        User.id.label("user_id"),
        User.email,
        User.phone,
        Profile.username,
        Profile.display_name,
        Profile.first_name,
        Profile.last_name,
        User.password_hash,
    )
    .join(Profile, Profile.user_id == User.id)
    .where(User.deleted_at.is_(None))
)

_CARD = select(User.id, Profile.username, Profile.display_name, Profile.bio).join(Profile, Profile.user_id == User.id)

# One row for any identifier, known or not: the same statement, the same plan.
_CANDIDATE = Swift(
    """select u.id as user_id, u.version, u.status, u.password_hash,
      (select t.password_hash from identity_verification_token t
        where t.address in (:email, :phone) and t.purpose in ('email_verification', 'phone_login')
          and t.used_at is null and t.password_hash is not null
        order by t.created_at desc, t.id desc limit 1) as outstanding_hash,
      exists (select from identity_session s where s.user_id = u.id and s.ip = :ip and s.user_agent = :user_agent
        and s.impersonator_id is null) as on_known_device
    from (select) as one left join identity_user u on u.deleted_at is null and u.id = (
      select id from identity_user where email = :email
      union all select id from identity_user where phone = :phone
      union all select user_id from identity_profile where lower(username) = :username
      limit 1)"""
)


STALE_CHANNEL = "identity_user_stale"


def stale_note(user_id: UserId, token_version: int, is_waitlisted: bool) -> str:
    """What is sent on STALE_CHANNEL, several of them with commas between."""
    return f"{user_id}:{token_version}:{'w' if is_waitlisted else ''}"


_NOTIFY = text("select pg_notify(:channel, :payload)")


class UserRepository(Repository[User]):
    model = User

    async def lock_by_contact(self, *, email: str | None = None, phone: str | None = None) -> User | None:
        """By the one of them that is given. Deleted ones included: their contacts stay theirs until they are wiped."""
        match = User.email == email if email is not None else User.phone == phone
        statement = self.rows(deleted=True).where(match).with_for_update()
        return (await self.db.session.scalars(statement, execution_options={"populate_existing": True})).one_or_none()

    async def id_by_contact(self, *, email: str | None = None, phone: str | None = None) -> UserId | None:
        """By the one of them that is given."""
        match = User.email == email if email is not None else User.phone == phone
        found: UserId | None = await self.db.session.scalar(select(User.id).where(match))
        return found

    async def insert_pending(
        self, id: UserId, *, email: str | None = None, phone: str | None = None, display_name: str, now: datetime
    ) -> None:
        """Nothing where the contact has a row already, also one that is just being committed."""
        await self.insert_many([self._row(id, now, email=email, phone=phone)], {id: display_name})

    async def insert_verified(self, people: Sequence[tuple[UserId, str, str]], now: datetime) -> None:
        """(id, email, display name) each; addresses that are taken are left alone."""
        rows = [
            self._row(user_id, now, email=email, status=UserStatus.ACTIVE, email_verified_at=now)
            for user_id, email, _ in people
        ]
        await self.insert_many(rows, {user_id: name for user_id, _, name in people})

    async def insert_many(self, rows: Sequence[dict[str, Any]], names: dict[UserId, str]) -> None:
        connection = await self.db.session.connection()
        statement = upsert(User).values(list(rows)).on_conflict_do_nothing().returning(User.id)
        made = (await connection.execute(statement)).scalars().all()
        if made:
            profiles = [
                {**_PROFILE_DEFAULTS, "user_id": user_id, "display_name": names[user_id], "preferences": {}}
                for user_id in made
            ]
            await connection.execute(insert(Profile), profiles)

    def _row(self, id: UserId, now: datetime, **values: Any) -> dict[str, Any]:
        return {**_USER_DEFAULTS, "id": id, "created_at": now, **values}

    async def ids_by_email(self, emails: Collection[str]) -> dict[str, UserId]:
        async with self.db.reading() as connection:
            rows = await connection.execute(select(User.email, User.id).where(User.email.in_(emails)))
            return {row.email: row.id for row in rows}

    async def contacts_in_use(self, contacts: Collection[str]) -> set[str]:
        """Those that are anybody's, deleted accounts that are not wiped yet included."""
        held = union_all(
            select(User.email).where(User.email.in_(contacts)), select(User.phone).where(User.phone.in_(contacts))
        )
        async with self.db.reading(fresh=True) as connection:
            return {each for each in (await connection.scalars(held)).all() if each is not None}

    async def outdate(self, user: User, now: datetime) -> int:
        """Makes the access tokens of a locked user stale everywhere, should the transaction commit. Answers the version that counts now."""
        user.token_version, user.token_version_at = user.token_version + 1, now
        await self.tell_standing(user)
        return user.token_version

    async def tell_standing(self, user: User) -> None:
        """To every process: which tokens count, and whether the user waits."""
        await self.db.session.flush()
        note = stale_note(user.id, user.token_version, user.status is UserStatus.WAITLISTED)
        payload = {"channel": STALE_CHANNEL, "payload": note}
        await (await self.db.session.connection()).execute(_NOTIFY, payload)

    async def outdated_since(self, since: datetime) -> list[tuple[UserId, int, bool, datetime]]:
        """(user, token version that counts, whether they are waitlisted, when it changed) each."""
        statement = select(User.id, User.token_version, User.status, User.token_version_at)
        async with self.db.reading(fresh=True) as connection:
            rows = await connection.execute(statement.where(User.token_version_at > since))
            return [
                (row.id, row.token_version, row.status is UserStatus.WAITLISTED, row.token_version_at) for row in rows
            ]

    async def login_candidate(self, identifier: Identifier, *, ip: str, user_agent: str) -> LoginCandidate:
        named = {**msgspec.structs.asdict(identifier), "ip": ip, "user_agent": user_agent}
        row = await self.db.swiftly(_CANDIDATE, named, fresh=True)
        assert row is not None
        return msgspec.convert(dict(zip(LoginCandidate.__struct_fields__, row, strict=True)), LoginCandidate)

    async def password_owner(self, user_id: UserId) -> PasswordOwner | None:
        async with self.db.reading(fresh=True) as connection:
            row = (await connection.execute(_PASSWORD_OWNER.where(User.id == user_id))).mappings().one_or_none()
        return PasswordOwner(**row) if row is not None else None

    async def view(self, user_id: UserId) -> UserView | None:
        async with self.db.reading() as connection:
            row = (await connection.execute(_VIEW, {"id": user_id})).mappings().one_or_none()
        return UserView(**row) if row is not None else None

    async def views(self, user_ids: Collection[UserId]) -> dict[UserId, UserView]:
        async with self.db.reading() as connection:
            rows = (await connection.execute(ME.where(User.id.in_(user_ids)))).mappings().all()
        return {row["id"]: UserView(**row) for row in rows}

    async def token_versions(self, user_ids: Collection[UserId]) -> dict[UserId, int]:
        async with self.db.reading() as connection:
            rows = await connection.execute(select(User.id, User.token_version).where(User.id.in_(user_ids)))
            return {row.id: row.token_version for row in rows}

    async def move_version(self, user_id: UserId) -> None:
        """Of a locked row, where something else that bears on a login has changed: see `SessionRepository.let_in_at_once`."""
        user = await self.lock(user_id)
        if user is not None:
            flag_modified(user, "last_login_at")
            await self.db.session.flush()

    async def lock_profile(self, user_id: UserId) -> Profile | None:
        statement = select(Profile).where(Profile.user_id == user_id).with_for_update()
        return (await self.db.session.scalars(statement, execution_options={"populate_existing": True})).one_or_none()

    async def store_profile(self) -> None:
        """Raises UsernameTaken."""
        try:
            await self.db.session.flush()
        except IntegrityError as error:
            if "identity_profile_username_key" in str(error.orig):
                raise UsernameTaken from error
            raise

    async def store_contacts(self) -> None:
        """Raises EmailTaken and PhoneTaken, should somebody else have been faster."""
        try:
            await self.db.session.flush()
        except IntegrityError as error:
            for constraint, taken in (("identity_user_email_key", EmailTaken), ("identity_user_phone_key", PhoneTaken)):
                if constraint in str(error.orig):
                    raise taken from error
            raise

    async def profile_view(self, user_id: UserId) -> ProfileView | None:
        columns = [Profile.__table__.c[name] for name in ProfileView.__struct_fields__ if name != "avatar_url"]
        statement = (
            select(*columns)
            .join(User, User.id == Profile.user_id)
            .where(Profile.user_id == user_id, User.deleted_at.is_(None))
        )
        async with self.db.reading() as connection:
            row = (await connection.execute(statement)).mappings().one_or_none()
        if row is None:
            return None
        return ProfileView(
            **{**row, "preferences": msgspec.convert(row["preferences"], Preferences), "avatar_url": None}
        )

    async def cards(self, *where: ColumnElement[bool]) -> list[Card]:
        """Of everybody who has ever been verified."""
        async with self.db.reading() as connection:
            rows = (
                (
                    await connection.execute(
                        _CARD.where(User.status != UserStatus.PENDING, User.deleted_at.is_(None), *where)
                    )
                )
                .mappings()
                .all()
            )
        return [Card(**row, avatar_url=None) for row in rows]

    async def who_prefer(self, user_ids: Collection[UserId], preference: str, value: str) -> set[UserId]:
        """Those of them who chose this value."""
        statement = select(Profile.user_id).where(
            Profile.user_id.in_(user_ids), Profile.preferences[preference].as_string() == value
        )
        async with self.db.reading() as connection:
            return set((await connection.scalars(statement)).all())

    async def card_of_active(self, user_id: UserId) -> Card | None:
        found = await self.cards(User.id == user_id, User.status.in_((UserStatus.ACTIVE, UserStatus.WAITLISTED)))
        return found[0] if found else None

    async def lookup(
        self, *, email: str | None = None, phone: str | None = None, username: str | None = None
    ) -> Card | None:
        """Exactly one is given. People who do not want to be found are not."""
        if email is not None:
            match = User.email == email
        elif phone is not None:
            match = User.phone == phone
        else:
            match = func.lower(Profile.username) == username
        discoverable = func.coalesce(Profile.preferences["discoverable"].as_boolean(), True)
        found = await self.cards(match, discoverable, User.status.in_((UserStatus.ACTIVE, UserStatus.WAITLISTED)))
        return found[0] if found else None

    async def lock_waited(self, now: datetime, limit: int) -> Sequence[User]:
        """Those on the waitlist whose time has come, and whom nobody else is promoting just now."""
        statement = (
            self.rows()
            .where(User.status == UserStatus.WAITLISTED, User.waitlisted_until <= now)
            .order_by(User.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return (await self.db.session.scalars(statement, execution_options={"populate_existing": True})).all()

    async def lock_unverified_since(self, before: datetime, limit: int) -> Sequence[User]:
        statement = (
            self.rows()
            .where(User.status == UserStatus.PENDING, User.created_at < before)
            .order_by(User.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return (await self.db.session.scalars(statement)).all()


def _defaults(table: Any) -> dict[str, Any]:
    """What the ORM would fill in, for statements that insert many rows at once."""
    return {
        column.name: column.default.arg
        for column in table.columns
        if column.default is not None and column.default.is_scalar
    }


_USER_DEFAULTS = _defaults(User.__table__)
_PROFILE_DEFAULTS = _defaults(Profile.__table__)
