"""A wrong setting is named at start."""

from __future__ import annotations

import pytest

from plaza.core.settings import Environment, SettingsError
from plaza.identity.schemas import IdentitySettings


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PLAZA_IDENTITY_ACCESS_TOKEN_S", "0"),
        ("PLAZA_IDENTITY_HASH_THREADS", "0"),
        ("PLAZA_IDENTITY_HASH_QUEUE", "-1"),
        ("PLAZA_IDENTITY_CODE_MAILS", "often"),
        ("PLAZA_IDENTITY_CODE_S", "soon"),
    ],
)
def test_named(variable: str, value: str) -> None:
    environment = Environment({variable: value})
    environment.section("identity", IdentitySettings)
    with pytest.raises(SettingsError, match=variable):
        environment.finish()


def test_a_queue_may_be_empty() -> None:
    assert IdentitySettings(hash_queue=0, refresh_grace_s=0).hash_queue == 0
