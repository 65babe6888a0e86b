"""The views that contexts declare, read and acted on as one staff member: every question and every action is weighed here."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import LargeBinary

from plaza.admin import forms
from plaza.admin.errors import ActionNotOffered, RowNotFound
from plaza.admin.repository import RowRepository, python_type, source
from plaza.admin.schemas import MAX_OFFSET, Listing, Question
from plaza.core.actor import Actor
from plaza.core.admin import Action, AdminView, Column
from plaza.core.composition import Parts
from plaza.core.db import Database
from plaza.core.errors import NotFound, PermissionDenied, ValidationFailed
from plaza.core.http import Permission
from plaza.core.result import DomainError, ServiceResult, failure, success
from plaza.core.service import Service, query

_SECRET = re.compile(r"password|secret|sealed|token|hash|private_key|public_key|credential")


class BadView(RuntimeError):
    """A declaration that cannot work, or that would show a secret."""


class Related(NamedTuple):
    """The rows of `view` whose `column` holds the key of another view's row."""

    view: AdminView
    column: Column


class BrowsingService(Service):
    """`views` are those of all contexts; what their actions ask for is looked up once, at start."""

    def __init__(
        self, db: Database, views: Sequence[AdminView], permissions: Sequence[Permission], parts: Parts
    ) -> None:
        super().__init__(db)
        self.rows = RowRepository(db)
        self.views = {view.name: view for view in views}
        if len(self.views) < len(views):
            raise BadView("two views have the same name")
        for view in views:
            _check(view, self.views, {each.name for each in permissions})
        self._services = {
            (view.name, action.name): parts.arguments(action.run, skip=3 if action.given else 2)
            for view in views
            for action in view.actions
        }

    def visible_to(self, actor: Actor) -> list[AdminView]:
        return [view for view in self.views.values() if actor.may(view.permission)]

    def related_to(self, actor: Actor, view: AdminView) -> list[Related]:
        return [
            Related(each, column)
            for each in self.visible_to(actor)
            for column in each.columns
            if column.links_to == view.name
        ]

    def offered(self, actor: Actor, view: AdminView, row: Any) -> list[Action]:
        return [each for each in view.actions if actor.may(each.permission) and each.when(row)]

    @query(NotFound, PermissionDenied, ValidationFailed)
    async def page(self, actor: Actor, name: str, question: Question) -> ServiceResult[Listing]:
        view = self._view(actor, name)
        if (question.page - 1) * question.size > MAX_OFFSET:
            return failure(ValidationFailed("This list is not paged that far: search or filter instead."))
        if unknown := set(question.filters) - filters_of(view):
            return failure(ValidationFailed(f"This list cannot be filtered by {', '.join(sorted(unknown))}."))
        return success(await self.rows.page(view, question))

    @query(NotFound, PermissionDenied, RowNotFound)
    async def row(self, actor: Actor, name: str, key: str) -> ServiceResult[Any]:
        row = await self.rows.one(self._view(actor, name), key)
        return success(row) if row is not None else failure(RowNotFound())

    @query(row, ActionNotOffered)
    async def action(self, actor: Actor, name: str, action_name: str, key: str) -> ServiceResult[tuple[Action, Any]]:
        """An action that is offered to this actor for this row, and the row."""
        view = self._view(actor, name)
        action = next((each for each in view.actions if each.name == action_name), None)
        if action is None:
            return failure(NotFound())
        if not actor.may(action.permission):
            return failure(PermissionDenied())
        row = (await self.row(actor, name, key)).unwrap()
        return success((action, row)) if action.when(row) else failure(ActionNotOffered())

    async def act(
        self, actor: Actor, name: str, action_name: str, key: str, form: Mapping[str, str]
    ) -> ServiceResult[Any]:
        """Of no kind of its own, so that what the action's service refuses is passed on as it is."""
        try:
            action, row = (await self.action(actor, name, action_name, key)).unwrap()
            arguments = [actor, row]
            if action.given is not None:
                arguments.append(forms.read(action.given, form))
        except DomainError as refused:
            return failure(refused)
        return await action.run(*arguments, **self._services[name, action.name])

    def _view(self, actor: Actor, name: str) -> AdminView:
        view = self.views.get(name)
        if view is None:
            raise NotFound
        if not actor.may(view.permission):
            raise PermissionDenied
        return view


def filters_of(view: AdminView) -> set[str]:
    """The columns that a list can be narrowed by."""
    return {each.name for each in view.columns if each.links_to or options_of(view, each)}


def options_of(view: AdminView, column: Column) -> Sequence[tuple[str, str]]:
    """What a column can be filtered by, each with how people read it."""
    if python_type(source(view).c[column.name]) is bool:
        return (("true", "yes"), ("false", "no"))
    return [(each, each) for each in column.choices]


def _check(view: AdminView, views: Mapping[str, AdminView], permissions: Collection[str]) -> None:
    selected = source(view).c
    for name in (*(each.name for each in view.columns), view.key, *view.order, *view.search):
        if name not in selected:
            raise BadView(f"{view.name}: {name} is not selected")
    for column in selected:
        if _SECRET.search(column.name) or isinstance(column.type, LargeBinary):
            raise BadView(f"{view.name}: {column.name} looks like a secret")
    for each in view.columns:
        if each.links_to and each.links_to not in views:
            raise BadView(f"{view.name}: {each.name} leads to {each.links_to}, which is no view")
    for name in (view.permission, *(each.permission for each in view.actions)):
        if name not in permissions:
            raise BadView(f"{view.name}: no context declares the permission {name}")
