"""The own account and profile, and other people's cards."""

from __future__ import annotations

from uuid import UUID

from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from plaza.core.actor import Actor
from plaza.core.db import Page
from plaza.core.http import CREDENTIALS, NOT_IDEMPOTENT, READING, STEP_UP, WHILE_WAITLISTED, limited
from plaza.domain_events.identity import UserId
from plaza.identity.controllers.parts import PREFIX
from plaza.identity.schemas import (
    Card,
    ErasureView,
    LookupInput,
    ProfilePatch,
    ProfileView,
    UserPatch,
    UserView,
    WayView,
)
from plaza.identity.service import (
    LeavingService,
    ProfileService,
    WaysIn,
)


class UserController(Controller):
    path = PREFIX
    tags = ("users",)
    profiles: ProfileService
    leaving: LeavingService
    ways: WaysIn

    @get("/user")
    async def me(self, actor: NamedDependency[Actor]) -> UserView:
        return (await self.profiles.me(actor)).unwrap()

    @patch("/user")
    async def change_me(self, actor: NamedDependency[Actor], data: JSONBody[UserPatch]) -> UserView:
        return (await self.profiles.change_user(actor, data)).unwrap()

    @delete("/user", status_code=202, opt=STEP_UP)
    async def delete_account(self, actor: NamedDependency[Actor], erase_texts: FromQuery[bool] = False) -> ErasureView:
        """Closes the account at once and for good, and erases the person everywhere. With `erase_texts` also what they wrote to others."""
        return (await self.leaving.delete(actor, erase_texts=erase_texts)).unwrap()

    @get("/ways-in", opt=CREDENTIALS)
    async def ways_in(self, actor: NamedDependency[Actor]) -> Page[WayView]:
        """What lets the person in, and so what proves anew that it is them. All of it on one page."""
        return (await self.ways.mine(actor)).unwrap()

    @get("/profile", opt=WHILE_WAITLISTED)
    async def profile(self, actor: NamedDependency[Actor]) -> ProfileView:
        return (await self.profiles.mine(actor)).unwrap()

    @patch("/profile", opt=WHILE_WAITLISTED)
    async def change_profile(self, actor: NamedDependency[Actor], data: JSONBody[ProfilePatch]) -> ProfileView:
        return (await self.profiles.change_profile(actor, data)).unwrap()

    @get("/users/{user_id:uuid}")
    async def card(self, actor: NamedDependency[Actor], user_id: FromPath[UUID]) -> Card:
        return (await self.profiles.card(actor, UserId(user_id))).unwrap()

    @post("/users/lookup", status_code=200, opt={**READING, **NOT_IDEMPOTENT, **limited("lookup", "30/hour")})
    async def lookup(self, actor: NamedDependency[Actor], data: JSONBody[LookupInput]) -> Card:
        """By exact match, of people who want to be found."""
        return (await self.profiles.lookup(actor, data)).unwrap()
