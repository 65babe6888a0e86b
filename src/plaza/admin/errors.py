"""What the staff site refuses."""

from __future__ import annotations

from plaza.core.result import DomainError


class NotStaff(DomainError):
    """This account has no access to the staff site."""

    code, status = "STAFF_ONLY", 403


class RowNotFound(DomainError):
    """There is no such row, or not any more."""

    code, status = "ROW_NOT_FOUND", 404


class ActionNotOffered(DomainError):
    """This cannot be done with this row as it is now."""

    code, status = "ACTION_NOT_OFFERED", 409


class ForeignForm(DomainError):
    """This form was not sent from the staff site: open the page again."""

    code, status = "FOREIGN_FORM", 403
