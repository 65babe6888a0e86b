"""`/api/v1/admin/users`: what staff see of people, and do about accounts."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from plaza.core.actor import Actor
from plaza.core.db import Page, PageRequest
from plaza.core.http import NOT_IDEMPOTENT, Client, permission
from plaza.domain_events.identity import SessionId, UserId
from plaza.identity.controllers.parts import origin_of
from plaza.identity.models import UserStatus
from plaza.identity.schemas import (
    USERS_BAN,
    USERS_DEACTIVATE,
    USERS_IMPERSONATE,
    USERS_READ,
    USERS_ROLES,
    USERS_SESSIONS,
    BanInput,
    GrantInput,
    GrantView,
    ImpersonationView,
    ReasonInput,
    StaffSessionView,
    StaffUserView,
    UserSearch,
)
from plaza.identity.service import ImpersonationService, RoleService, StaffService

Text = Annotated[str | None, QueryParameter(min_length=1, max_length=254)]


class StaffController(Controller):
    path = "/api/v1/admin/users"
    tags = ("staff",)
    staff: StaffService
    roles: RoleService
    impersonations: ImpersonationService

    @get("/", opt=permission(USERS_READ.name))
    async def search(
        self,
        page: NamedDependency[PageRequest],
        q: Text = None,
        status: FromQuery[UserStatus | None] = None,
        role: Text = None,
    ) -> Page[StaffUserView]:
        """The newest first. `q` is an id, a phone number, or a part of an e-mail address, username or name."""
        return (await self.staff.search(UserSearch(text=q, status=status, role=role), page)).unwrap()

    @get("/{user_id:uuid}", opt=permission(USERS_READ.name))
    async def view(self, user_id: FromPath[UUID]) -> StaffUserView:
        return (await self.staff.view(UserId(user_id))).unwrap()

    @post("/{user_id:uuid}/ban", status_code=200, opt=permission(USERS_BAN.name))
    async def ban(
        self, actor: NamedDependency[Actor], user_id: FromPath[UUID], data: JSONBody[BanInput]
    ) -> StaffUserView:
        """Ends all their sessions. With `until` it is lifted within a minute of that time."""
        return (await self.staff.ban(actor, UserId(user_id), data)).unwrap()

    @post("/{user_id:uuid}/unban", status_code=200, opt=permission(USERS_BAN.name))
    async def unban(self, actor: NamedDependency[Actor], user_id: FromPath[UUID]) -> StaffUserView:
        return (await self.staff.unban(actor, UserId(user_id))).unwrap()

    @post("/{user_id:uuid}/deactivate", status_code=200, opt=permission(USERS_DEACTIVATE.name))
    async def deactivate(
        self, actor: NamedDependency[Actor], user_id: FromPath[UUID], data: JSONBody[ReasonInput]
    ) -> StaffUserView:
        """Ends all their sessions."""
        return (await self.staff.deactivate(actor, UserId(user_id), data)).unwrap()

    @post("/{user_id:uuid}/reinstate", status_code=200, opt=permission(USERS_DEACTIVATE.name))
    async def reinstate(self, actor: NamedDependency[Actor], user_id: FromPath[UUID]) -> StaffUserView:
        """Opens an account that staff or its owner had closed."""
        return (await self.staff.reinstate(actor, UserId(user_id))).unwrap()

    @post("/{user_id:uuid}/roles", status_code=200, opt=permission(USERS_ROLES.name))
    async def grant(
        self, actor: NamedDependency[Actor], user_id: FromPath[UUID], data: JSONBody[GrantInput]
    ) -> Page[GrantView]:
        """Answers all roles that the person holds now, on one page.

        Their access tokens are stale: a refresh gives them what they may do.
        """
        return Page((await self.roles.grant(actor, UserId(user_id), data)).unwrap(), None)

    @delete("/{user_id:uuid}/roles/{role:str}", opt=permission(USERS_ROLES.name))
    async def revoke(self, actor: NamedDependency[Actor], user_id: FromPath[UUID], role: FromPath[str]) -> None:
        (await self.roles.revoke(actor, UserId(user_id), role)).unwrap()

    @get("/{user_id:uuid}/sessions", opt=permission(USERS_SESSIONS.name))
    async def sessions(self, user_id: FromPath[UUID], page: NamedDependency[PageRequest]) -> Page[StaffSessionView]:
        """The open ones, those of impersonators included, newest first."""
        return (await self.staff.open_sessions(UserId(user_id), page)).unwrap()

    @delete("/{user_id:uuid}/sessions", opt=permission(USERS_SESSIONS.name))
    async def end_sessions(self, actor: NamedDependency[Actor], user_id: FromPath[UUID]) -> None:
        (await self.staff.end_sessions(actor, UserId(user_id))).unwrap()

    @delete("/{user_id:uuid}/sessions/{session_id:uuid}", opt=permission(USERS_SESSIONS.name))
    async def end_session(
        self, actor: NamedDependency[Actor], user_id: FromPath[UUID], session_id: FromPath[UUID]
    ) -> None:
        (await self.staff.end_session(actor, UserId(user_id), SessionId(session_id))).unwrap()

    @post(
        "/{user_id:uuid}/impersonate",
        status_code=200,
        opt={**permission(USERS_IMPERSONATE.name), **NOT_IDEMPOTENT},
    )
    async def impersonate(
        self,
        actor: NamedDependency[Actor],
        user_id: FromPath[UUID],
        data: JSONBody[ReasonInput],
        client: NamedDependency[Client],
    ) -> Response[ImpersonationView]:
        """An access token as this person, without permissions, credentials or money. It ends by itself, or by logout with it."""
        started = (await self.impersonations.start(actor, UserId(user_id), data, origin_of(client))).unwrap()
        return Response(started, headers={"Cache-Control": "no-store"})
