"""Which passwords are accepted."""

from __future__ import annotations

import pytest

from plaza.identity.errors import PasswordTooCommon, PasswordTooWeak
from plaza.identity.service.passwords import canonical, check_password, common_passwords


@pytest.mark.parametrize(
    ("password", "email", "name"),
    [
        ("seven77", None, None),
        ("x" * 129, None, None),
        ("lovelace-1815", "lovelace@example.com", None),
        ("1815-LOVELACE", "ada@example.com", "Ada Lovelace"),
        ("x.ada.lovelace.x", "ada.lovelace@example.com", None),
        ("ada-12345678", "ada@example.com", None),
        ("12345678ada", "ada@example.com", None),
        ("Jo@example.com", "jo@example.com", None),
        ("Straße in Wien", None, "STRASSE"),
        ("Zoë im Garten", None, "zoë"),
    ],
)
def test_refused_as_weak(password: str, email: str | None, name: str | None) -> None:
    with pytest.raises(PasswordTooWeak):
        check_password(canonical(password), words=["plaza"], email=email, names=[name])


@pytest.mark.parametrize(
    "password", ["password", "PASSWORD1", "iloveyou", "1q2w3e4r", "qwertyuiop", "Sunshine", "trustno1", "12345678"]
)
def test_refused_as_common(password: str) -> None:
    with pytest.raises(PasswordTooCommon):
        check_password(password, words=["plaza"], email=None)


@pytest.mark.parametrize(
    ("password", "email", "name"),
    [
        ("eight888", None, None),
        ("x" * 128, None, None),
        ("никогда не говори", None, None),
        ("never say never", "eve@example.com", "Eve"),  # a short name inside a word is no name
        ("a lantern over water", "a@example.com", "A B"),
        ("this is a test", "ada@example.com", "Test Pilot"),  # nor is a short word of a longer one
        ("correct horse battery staple", "ada@example.com", "Ada Lovelace"),
    ],
)
def test_accepted(password: str, email: str | None, name: str | None) -> None:
    check_password(canonical(password), words=["plaza"], email=email, names=[name])


def test_the_list_holds_ten_thousand_that_would_pass_otherwise() -> None:
    assert len(common_passwords()) == 10_000
    assert all(len(each) >= 8 and each == each.lower() for each in common_passwords())


def test_a_megabyte_of_combining_marks_is_not_put_in_order() -> None:
    """That takes CPython minutes, in which nothing else in the process would run."""
    hostile = "\u0301\u0316" * 250_000
    assert canonical(hostile) is hostile
    with pytest.raises(PasswordTooWeak):
        check_password(hostile, words=["plaza"], email=None)
