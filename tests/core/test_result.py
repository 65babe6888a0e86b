from __future__ import annotations

import pytest

from plaza.core.errors import NotFound
from plaza.core.result import DomainError, failure, success


def test_a_failure_unwraps_to_its_error() -> None:
    with pytest.raises(NotFound):
        failure(NotFound()).unwrap()
    assert success(3).unwrap() == 3


@pytest.mark.parametrize(
    ("attributes", "missing"),
    [
        ({"code": "SOME_CODE", "__doc__": "Said."}, "status"),
        ({"status": 404, "__doc__": "Said."}, "code"),
        ({"code": "not snake", "status": 404, "__doc__": "Said."}, "SCREAMING_SNAKE"),
        ({"code": "SOME_CODE", "status": 404}, "docstring"),
        ({"code": "NOT_FOUND", "status": 404, "__doc__": "Said."}, "taken"),
    ],
)
def test_an_error_class_is_refused_unless_it_is_whole(attributes: dict[str, object], missing: str) -> None:
    with pytest.raises(TypeError, match=missing):
        type("Broken", (DomainError,), attributes)


def test_the_docstring_is_what_clients_read() -> None:
    assert NotFound().detail == "There is nothing at this address."
    assert NotFound("Gone for good.").detail == "Gone for good."
