"""The HTTP edge, outermost first: `edge` (ids, headers, logs, deadline), Litestar's routing, `authentication`, `limits`, `idempotency`,
`authorization` and `cookies`, then controllers whose services were bound at start (`binding`), `problems` for whatever goes wrong,
`openapi` for what may.
"""

from plaza.core.actor import Permission
from plaza.core.http.authentication import Authenticator
from plaza.core.http.authorization import (
    ANONYMOUS,
    BY_SESSION,
    CREDENTIALS,
    READING,
    STEP_UP,
    WHILE_WAITLISTED,
    permission,
    scopes_of,
)
from plaza.core.http.binding import bind
from plaza.core.http.cookies import by_cookie
from plaza.core.http.idempotency import NOT_IDEMPOTENT
from plaza.core.http.limits import RouteLimit, behind, limited
from plaza.core.http.openapi import documented
from plaza.core.http.problems import PROBLEM_JSON, Problem
from plaza.core.http.request import Client, PageCursor, PageLimit
from plaza.core.http.spelled import Spelled
from plaza.core.http.witnessing import PASSING

__all__ = [
    "ANONYMOUS",
    "BY_SESSION",
    "CREDENTIALS",
    "NOT_IDEMPOTENT",
    "PASSING",
    "PROBLEM_JSON",
    "READING",
    "STEP_UP",
    "WHILE_WAITLISTED",
    "Authenticator",
    "Client",
    "PageCursor",
    "PageLimit",
    "Permission",
    "Problem",
    "RouteLimit",
    "Spelled",
    "behind",
    "bind",
    "by_cookie",
    "documented",
    "limited",
    "permission",
    "scopes_of",
]
