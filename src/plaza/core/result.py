"""A value or a typed refusal, never both.

DomainError             an expected failure with a public `code` and an HTTP `status`
  every context's own   plaza/<context>/errors.py
  shared by all         plaza/core/errors.py
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, NoReturn, TypeAlias, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_CODE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")


class DomainError(Exception):
    """An expected failure.

    A subclass names its `code` (public API, unique in the whole program) and its `status`; the first paragraph of its docstring
    is the default `detail` and the text in docs/errors.md. `retry_after` is in seconds; `errors` maps a field to what is wrong with it;
    `members` stand beside the standard ones in the problem document (RFC 9457, 3.2).
    """

    code: ClassVar[str]
    status: ClassVar[int]
    by_code: ClassVar[dict[str, type[DomainError]]] = {}

    def __init__(
        self,
        detail: str | None = None,
        *,
        retry_after: float | None = None,
        errors: Mapping[str, Sequence[str]] | None = None,
        members: Mapping[str, object] | None = None,
    ) -> None:
        self.detail = detail or self.summary()
        self.retry_after = retry_after
        self.errors = errors
        self.members = members or {}
        super().__init__(self.detail)

    def __init_subclass__(cls) -> None:
        code, status = cls.__dict__.get("code"), cls.__dict__.get("status")
        if not (isinstance(code, str) and _CODE.fullmatch(code) and isinstance(status, int)):
            raise TypeError(f"{cls.__qualname__} needs a code in SCREAMING_SNAKE and a status")
        if not (cls.__dict__.get("__doc__") or "").strip():
            raise TypeError(f"{cls.__qualname__} needs a docstring: clients read it")
        if code in DomainError.by_code:
            raise TypeError(f"{cls.__qualname__}: {code} is taken by {DomainError.by_code[code].__qualname__}")
        DomainError.by_code[code] = cls

    @classmethod
    def summary(cls) -> str:
        return " ".join((cls.__doc__ or "").strip().split("\n\n")[0].split())


@dataclass(frozen=True, slots=True)
class Success(Generic[T_co]):
    value: T_co

    def unwrap(self) -> T_co:
        return self.value


@dataclass(frozen=True, slots=True)
class Failure:
    error: DomainError

    def unwrap(self) -> NoReturn:
        raise self.error


ServiceResult: TypeAlias = Success[T] | Failure


def success(value: T) -> Success[T]:
    return Success(value)


def failure(error: DomainError) -> Failure:
    return Failure(error)
