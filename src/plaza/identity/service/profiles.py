"""How people present themselves, and how others find them."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Collection
from datetime import date
from functools import cache
from typing import Any

import msgspec

from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Database
from plaza.core.errors import ValidationFailed
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command, query
from plaza.domain_events.identity import UserId
from plaza.identity.errors import UsernameReserved, UsernameTaken, UserNotFound
from plaza.identity.models import Profile, User
from plaza.identity.repository import UserRepository
from plaza.identity.schemas import Card, LookupInput, Preferences, ProfilePatch, ProfileView, UserPatch, UserView
from plaza.identity.service.contacts import cleaned_line, normalized_email, normalized_phone
from plaza.identity.service.waitlist import WaitlistService

_USERNAME = re.compile(r"[A-Za-z0-9_-]{3,30}")
_LOCALE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")
_OLDEST = date(1900, 1, 1)

# Names that would look like the operators' own, or like a part of an address.
_RESERVED = """
about abuse account accounts admin administrator all anonymous api app assets auth billing blog bot contact dev docs everyone faq
guest guests health help here host info jobs legal login logout mail me metrics mod moderator news no-reply nobody none noreply null
official ops owner payments plaza postmaster press privacy register registration root sales schema security settings shop signup
staff static status superuser support sysadmin system team terms test undefined user users webmaster well-known www
"""
RESERVED = frozenset(_RESERVED.split())


class ProfileService(Service):
    def __init__(self, db: Database, clock: Clock, waitlist: WaitlistService) -> None:
        super().__init__(db)
        self.clock, self.waitlist, self.users = clock, waitlist, UserRepository(db)

    @query(UserNotFound)
    async def me(self, actor: Actor) -> ServiceResult[UserView]:
        found = await self.users.view(UserId(actor.user_id))
        return success(found) if found is not None else failure(UserNotFound())

    @query(UserNotFound)
    async def mine(self, actor: Actor) -> ServiceResult[ProfileView]:
        found = await self.users.profile_view(UserId(actor.user_id))
        return success(found) if found is not None else failure(UserNotFound())

    @command(UserNotFound, UsernameTaken, UsernameReserved, ValidationFailed)
    async def change_user(self, actor: Actor, patch: UserPatch) -> ServiceResult[UserView]:
        await self._change(actor, patch.changes())
        return await self.me(actor)

    @command(UserNotFound, UsernameTaken, UsernameReserved, ValidationFailed)
    async def change_profile(self, actor: Actor, patch: ProfilePatch) -> ServiceResult[ProfileView]:
        await self._change(actor, patch.changes())
        return await self.mine(actor)

    @query(UserNotFound)
    async def card(self, actor: Actor, user_id: UserId) -> ServiceResult[Card]:
        found = await self.users.card_of_active(user_id)
        return success(found) if found is not None else failure(UserNotFound())

    @query(UserNotFound, ValidationFailed)
    async def lookup(self, actor: Actor, given: LookupInput) -> ServiceResult[Card]:
        """By exact match, of people who want to be found."""
        if sum(each is not None for each in (given.username, given.email, given.phone)) != 1:
            return failure(ValidationFailed("Give one of username, email and phone."))
        email = normalized_email(given.email) if given.email is not None else None
        phone = normalized_phone(given.phone) if given.phone is not None else None
        username = given.username.strip().casefold() if given.username is not None else None
        found = await self.users.lookup(email=email, phone=phone, username=username)
        return success(found) if found is not None else failure(UserNotFound())

    @query()
    async def cards(self, user_ids: Collection[UserId]) -> ServiceResult[dict[UserId, Card]]:
        """Of those that exist, closed accounts included: what they wrote is still shown with a name."""
        found = await self.users.cards(User.id.in_(user_ids))
        return success({card.id: card for card in found})

    @query()
    async def ask_before_groups(self, user_ids: Collection[UserId]) -> ServiceResult[set[UserId]]:
        """Those of them who want to be asked before they are added to a group."""
        return success(await self.users.who_prefer(user_ids, "group_invites", "ask"))

    @query()
    async def hide_last_seen(self, user_ids: Collection[UserId]) -> ServiceResult[set[UserId]]:
        """Those of them who tell nobody when they were here last."""
        return success(await self.users.who_prefer(user_ids, "last_seen", "nobody"))

    async def _change(self, actor: Actor, changes: dict[str, object]) -> None:
        """Raises UserNotFound, UsernameTaken, UsernameReserved, ValidationFailed."""
        user = await self.users.lock(UserId(actor.user_id))
        profile = await self.users.lock_profile(UserId(actor.user_id))
        if user is None or profile is None:
            raise UserNotFound
        for name, value in changes.items():
            setattr(profile, name, self._checked(profile, name, value))
        await self.users.store_profile()
        (await self.waitlist.note_completed(user, profile)).unwrap()

    def _checked(self, profile: Profile, name: str, value: Any) -> object:
        match name:
            case "username":
                return _checked_username(value)
            case "display_name":
                return cleaned_line(value, name)
            case "first_name" | "last_name":
                return cleaned_line(value, name) if value.strip() else ""
            case "birth_date" if value is not None and not _OLDEST <= value <= self.clock.now().date():
                raise ValidationFailed(errors={name: ["Lies in the future, or too long ago."]})
            case "timezone" if value not in _timezones():
                raise ValidationFailed(errors={name: ["Is no IANA time zone."]})
            case "locale" if not _LOCALE.fullmatch(value):
                raise ValidationFailed(errors={name: ["Is no language tag, such as en or pt-BR."]})
            case "preferences":
                merged = {**profile.preferences, **value.changes()}
                if not _LOCALE.fullmatch(str(merged.get("language", "en"))):
                    raise ValidationFailed(
                        errors={"preferences.language": ["Is no language tag, such as en or pt-BR."]}
                    )
                return msgspec.to_builtins(msgspec.convert(merged, Preferences))
        return value


def _checked_username(value: str | None) -> str | None:
    if value is None:
        return None
    if not _USERNAME.fullmatch(value):
        raise ValidationFailed(errors={"username": ["Takes 3 to 30 of the letters A to Z, digits, _ and -."]})
    if value.lower() in RESERVED:
        raise UsernameReserved
    return value


@cache
def _timezones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())
