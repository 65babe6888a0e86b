"""What can go wrong:

PlazaError                      everything below
├── Unreachable                 no answer, whatever was tried: whether the request was done is not known
├── Misunderstood               an answer that is none of Plaza's (a proxy's page, say)
├── Refused                     a problem document; `code` says which, as in docs/errors.md
│   ├── BadRequest              400, 413, 422: what was asked cannot be done, now or later
│   ├── Unauthenticated         401
│   │   └── SessionOver         the session has ended, or was never opened: log in
│   ├── Forbidden               403
│   ├── NotFound                404, 410
│   ├── Conflict                409, 412: not as things stand
│   ├── Limited                 429, for longer than was worth waiting: `retry_after`
│   └── Failed                  5xx, again and again
└── LineClosed                  a line that is over: `status` is the close code, `detail` the reason
"""

from __future__ import annotations

from typing import Any

import msgspec

from plaza.client.codes import STATUS_OF
from plaza.client.models import Problem


class PlazaError(Exception):
    """`code` is what programs look at. `status` is the answer's, or a close code, or 0 where there was none.

    `errors` maps fields to what is wrong with them; `members` is what a problem says besides (the `mfa_token` of MFA_REQUIRED).
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        status: int = 0,
        errors: dict[str, list[str]] | None = None,
        retry_after: float | None = None,
        correlation_id: str = "",
        members: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code, self.detail, self.status = code, detail, status
        self.errors = errors or {}
        self.retry_after, self.correlation_id = retry_after, correlation_id
        self.members = members or {}


class Unreachable(PlazaError):
    """No answer, whatever was tried: whether the request was done is not known."""


class Misunderstood(PlazaError):
    """An answer that is none of Plaza's."""


class LineClosed(PlazaError):
    """A line that is over."""


class Refused(PlazaError):
    """A problem document, or an `error` frame."""


class BadRequest(Refused):
    """What was asked cannot be done, now or later."""


class Unauthenticated(Refused):
    """Who is asking?"""


class SessionOver(Unauthenticated):
    """The session has ended, or was never opened: log in."""


class Forbidden(Refused):
    """Not for this person."""


class NotFound(Refused):
    """It is not there, or not for this person."""


class Conflict(Refused):
    """Not as things stand."""


class Limited(Refused):
    """Too much, for longer than was worth waiting."""


class Failed(Refused):
    """The server's own trouble, again and again."""


_KINDS = {
    400: BadRequest,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: NotFound,
    412: Conflict,
    413: BadRequest,
    422: BadRequest,
    429: Limited,
}


def kind_of(status: int) -> type[Refused]:
    return _KINDS.get(status, Failed if status >= 500 else Refused)


def of_answer(status: int, body: bytes, retry_after: float | None = None) -> PlazaError:
    """Of an answer of 400 and above."""
    try:
        problem = msgspec.json.decode(body, type=Problem)
        members = {name: value for name, value in msgspec.json.decode(body).items() if not hasattr(problem, name)}
    except msgspec.DecodeError:
        return Misunderstood("NOT_PLAZA", f"status {status}", status=status, retry_after=retry_after)
    return kind_of(status)(
        problem.code,
        problem.detail,
        status=status,
        errors=problem.errors,
        retry_after=retry_after,
        correlation_id=problem.correlation_id,
        members=members,
    )


def of_frame(code: str, message: str, retry_after: float | None) -> Refused:
    """Of an `error` frame: the same class as over REST, as far as this client knows the code."""
    status = STATUS_OF.get(code, 500 if code == "INTERNAL_ERROR" else 0)
    return kind_of(status)(code, message, status=status, retry_after=retry_after)
