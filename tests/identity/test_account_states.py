"""Every pair of state and move of the account's lifecycle: it leads where the table says, or is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product

import pytest

from plaza.core.errors import InvalidTransition
from plaza.core.ids import uuid7
from plaza.core.states import StateAssignedDirectly
from plaza.domain_events.identity import UserId
from plaza.identity.models import ACCOUNT, NeverVerified, User, UserStatus

NOW = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)

# A way from `pending` to each state.
WAYS = {
    UserStatus.PENDING: [],
    UserStatus.ACTIVE: ["verify"],
    UserStatus.WAITLISTED: ["verify", "waitlist"],
    UserStatus.DEACTIVATED: ["verify", "deactivate"],
    UserStatus.BANNED: ["verify", "ban"],
}


def move(user: User, name: str) -> None:
    getattr(user, name)(*([NOW] if name in ("verify", "waitlist") else []))


def user_in(state: UserStatus) -> User:
    user = User(id=UserId(uuid7()), email="ada@example.com", status=UserStatus.PENDING)
    for name in WAYS[state]:
        move(user, name)
    return user


@pytest.mark.parametrize(("state", "name"), list(product(UserStatus, ACCOUNT.moves)))
def test_a_move_leads_where_the_table_says_or_is_refused(state: UserStatus, name: str) -> None:
    user, table = user_in(state), ACCOUNT.moves[name]
    if state not in table.sources:
        with pytest.raises(InvalidTransition):
            move(user, name)
        assert user.status is state
    elif name == "reopen":  # the deactivated one of this test had been verified
        with pytest.raises(NeverVerified):
            move(user, name)
        assert user.status is state
    else:
        move(user, name)
        assert user.status is table.target


def test_an_expired_account_is_reopened_but_not_reinstated() -> None:
    user = user_in(UserStatus.PENDING)
    user.expire()
    with pytest.raises(NeverVerified):
        user.reinstate()
    user.reopen()
    assert user.status is UserStatus.PENDING


def test_a_status_is_not_set_by_hand() -> None:
    with pytest.raises(StateAssignedDirectly):
        user_in(UserStatus.ACTIVE).status = UserStatus.BANNED
