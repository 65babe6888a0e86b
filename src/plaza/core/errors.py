"""Refusals that belong to no single context."""

from __future__ import annotations

import msgspec

from plaza.core.result import DomainError


class ValidationFailed(DomainError):
    """The request does not have the documented shape."""

    code, status = "VALIDATION_ERROR", 400


class InvalidCursor(DomainError):
    """This cursor was not issued by this list."""

    code, status = "INVALID_CURSOR", 400


class Unauthenticated(DomainError):
    """Sign in first: the access token is missing, expired or revoked."""

    code, status = "UNAUTHENTICATED", 401


class PermissionDenied(DomainError):
    """You may not do this."""

    code, status = "PERMISSION_DENIED", 403


class InsufficientScope(DomainError):
    """This API key may not be used here: it lacks the scope, or only a signed-in person may do this."""

    code, status = "INSUFFICIENT_SCOPE", 403


class ImpersonationForbidden(DomainError):
    """Not while impersonating: neither money nor credentials of the person."""

    code, status = "IMPERSONATION_FORBIDDEN", 403


class StepUpRequired(DomainError):
    """Log in again first: this needs a login within the last minutes."""

    code, status = "STEP_UP_REQUIRED", 403


class MfaEnrolmentRequired(DomainError):
    """Staff need a second factor here: enrol one, and log in with it."""

    code, status = "MFA_ENROLMENT_REQUIRED", 403


class Waitlisted(DomainError):
    """You are on the waitlist: until it is your turn only your own profile is open."""

    code, status = "WAITLISTED", 403


class NotFound(DomainError):
    """There is nothing at this address."""

    code, status = "NOT_FOUND", 404


class MethodNotAllowed(DomainError):
    """This address does not answer to this method."""

    code, status = "METHOD_NOT_ALLOWED", 405


class IdempotencyInProgress(DomainError):
    """The first call with this Idempotency-Key has not ended yet."""

    code, status = "IDEMPOTENCY_IN_PROGRESS", 409


class InvalidTransition(DomainError):
    """The thing is not in a state that allows this."""

    code, status = "INVALID_TRANSITION", 409


class StaleRecord(DomainError):
    """Somebody changed this since you read it."""

    code, status = "STALE_RECORD", 412


class PayloadTooLarge(DomainError):
    """The body is larger than this address accepts."""

    code, status = "PAYLOAD_TOO_LARGE", 413


class IdempotencyKeyReused(DomainError):
    """This Idempotency-Key was used for another request."""

    code, status = "IDEMPOTENCY_KEY_REUSED", 422


class Window(msgspec.Struct, frozen=True):
    """Of a rate limit: so many in so many seconds; `reset_s` seconds from now it ends."""

    limit: int
    window_s: int
    remaining: int
    reset_s: int


class RateLimited(DomainError):
    """Too many requests: wait for the seconds that Retry-After names."""

    code, status = "RATE_LIMITED", 429

    def __init__(
        self, detail: str | None = None, *, retry_after: float | None = None, window: Window | None = None
    ) -> None:
        super().__init__(detail, retry_after=retry_after)
        self.window = window


class InternalError(DomainError):
    """Something broke on our side. The correlation id finds it in the logs."""

    code, status = "INTERNAL_ERROR", 500


class OutsideServiceFailed(DomainError):
    """A service that Plaza depends on did not answer as it should."""

    code, status = "OUTSIDE_SERVICE_FAILED", 502


class Unavailable(DomainError):
    """Plaza is overloaded or has lost a server that it needs. Try again soon."""

    code, status = "UNAVAILABLE", 503
