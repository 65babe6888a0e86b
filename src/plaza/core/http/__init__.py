"""The HTTP edge, outermost first: `edge` (ids, headers, logs, deadline), Litestar's routing, `authentication`, `limits`, `idempotency`,
then controllers whose services were bound at start (`binding`), `problems` for whatever goes wrong, `openapi` for what may.
"""

from plaza.core.http.authentication import ANONYMOUS, Authenticator
from plaza.core.http.binding import bind
from plaza.core.http.idempotency import NOT_IDEMPOTENT
from plaza.core.http.limits import RouteLimit, limited
from plaza.core.http.openapi import documented
from plaza.core.http.problems import PROBLEM_JSON, Problem
from plaza.core.http.request import Client

__all__ = [
    "ANONYMOUS",
    "NOT_IDEMPOTENT",
    "PROBLEM_JSON",
    "Authenticator",
    "Client",
    "Problem",
    "RouteLimit",
    "bind",
    "documented",
    "limited",
]
