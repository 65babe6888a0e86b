"""People, as their owners and as others see them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from plaza.core.schemas import Input, Patch, View
from plaza.domain_events.identity import UserId
from plaza.identity.models import UserStatus
from plaza.identity.schemas.fields import EmailAddress, Line, PhoneNumber, Username


class UserPatch(Patch, frozen=True, kw_only=True):
    display_name: Line | UnsetType = UNSET
    username: Username | UnsetType | None = UNSET


class PreferencesPatch(Patch, frozen=True, kw_only=True):
    theme: Literal["system", "light", "dark"] | UnsetType = UNSET
    language: Annotated[str, Meta(min_length=2, max_length=35)] | UnsetType = UNSET
    email_frequency: Literal["immediate", "daily", "weekly", "never"] | UnsetType = UNSET
    discoverable: bool | UnsetType = UNSET
    group_invites: Literal["everybody", "ask"] | UnsetType = UNSET
    last_seen: Literal["everybody", "nobody"] | UnsetType = UNSET


class ProfilePatch(Patch, frozen=True, kw_only=True):
    """`preferences` are merged: what is left out stays."""

    first_name: Annotated[str, Meta(max_length=100)] | UnsetType = UNSET
    last_name: Annotated[str, Meta(max_length=100)] | UnsetType = UNSET
    display_name: Line | UnsetType = UNSET
    username: Username | UnsetType | None = UNSET
    bio: Annotated[str, Meta(max_length=500)] | UnsetType = UNSET
    birth_date: date | UnsetType | None = UNSET
    timezone: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET
    locale: Annotated[str, Meta(min_length=2, max_length=35)] | UnsetType = UNSET
    preferences: PreferencesPatch | UnsetType = UNSET


class LookupInput(Input, frozen=True, kw_only=True):
    """Exactly one of them; only an exact match is found."""

    username: Annotated[str, Meta(max_length=30)] | None = None
    email: EmailAddress | None = None
    phone: PhoneNumber | None = None


class UserView(View, frozen=True, kw_only=True):
    """For its owner."""

    id: UserId
    email: str | None
    phone: str | None
    email_verified: bool
    phone_verified: bool
    status: UserStatus
    is_staff: bool
    username: str | None
    display_name: str
    created_at: datetime


class Preferences(View, frozen=True, kw_only=True):
    """`discoverable` people are found by lookup; the others only by those who have their id.

    `group_invites`: whether anybody may add one to a group, or has to ask first. `last_seen`: whether those who see one's presence see
    since when, too.
    """

    theme: Literal["system", "light", "dark"] = "system"
    language: str = "en"
    email_frequency: Literal["immediate", "daily", "weekly", "never"] = "immediate"
    discoverable: bool = True
    group_invites: Literal["everybody", "ask"] = "everybody"
    last_seen: Literal["everybody", "nobody"] = "everybody"


class ProfileView(View, frozen=True, kw_only=True):
    """For its owner."""

    first_name: str
    last_name: str
    display_name: str
    username: str | None
    avatar_url: str | None
    bio: str
    birth_date: date | None
    timezone: str
    locale: str
    preferences: Preferences
    storage_quota_bytes: int


class Card(View, frozen=True, kw_only=True):
    """What anybody signed in may see of a person."""

    id: UserId
    username: str | None
    display_name: str
    avatar_url: str | None
    bio: str


class NewUser(msgspec.Struct, frozen=True, kw_only=True):
    email: str
    display_name: str
