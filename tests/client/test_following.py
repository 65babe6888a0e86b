from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plaza.client.following import Following, Gap

HERE, THERE = UUID(int=1), UUID(int=2)


def following(after: int = 0) -> Following:
    made = Following({HERE: after}, everything=True)
    made.listed({})
    made.resumed([HERE])
    return made


def hear(followed: Following, seq: int, id: UUID = HERE) -> bool:
    taken = followed.is_next(id, seq)
    if taken:
        followed.took(id, seq)
    return taken


def test_what_came_before_is_passed_over_and_what_is_missing_is_told() -> None:
    followed = following(after=4)
    assert [hear(followed, seq) for seq in (3, 4, 5, 5, 6)] == [False, False, True, False, True]
    with pytest.raises(Gap):
        hear(followed, 8)


def test_until_it_is_resumed_nothing_is_taken() -> None:
    followed = following(after=4)
    followed.lost()
    followed.listed({})
    assert not hear(followed, 9)
    assert followed.behind == {HERE}
    followed.resumed([HERE])
    assert hear(followed, 5)


def test_what_was_heard_of_before_the_list_was_there_is_followed_from_its_first_entry() -> None:
    followed = following()
    followed.lost()
    assert not hear(followed, 7, THERE)
    assert not hear(followed, 8, THERE)
    followed.listed({})
    assert followed.at[THERE] == 6
    followed.resumed([THERE])
    assert hear(followed, 7, THERE)


def test_one_that_is_new_while_the_line_is_up_begins_with_what_comes() -> None:
    followed = following()
    assert hear(followed, 41, THERE)
    assert hear(followed, 42, THERE)


def test_others_are_none_of_its_business_where_it_follows_some_only() -> None:
    followed = Following({HERE: 0}, everything=False)
    assert not hear(followed, 1, THERE)
    followed.listed({})
    followed.resumed([HERE])
    assert not hear(followed, 2, THERE)
    assert hear(followed, 1)


@given(st.data())
def test_whatever_is_lost_repeated_and_resumed_each_entry_is_taken_once_in_order(data: st.DataObject) -> None:
    """The server as it is: live frames come in order from anywhere, and a resumption gives what follows the asked-for seq."""
    followed = following()
    taken: list[int] = []
    last = 0
    for _ in range(data.draw(st.integers(1, 30))):
        match data.draw(st.sampled_from(("says", "cuts", "repeats", "skips"))):
            case "says":
                last += 1
                if hear(followed, last):
                    taken.append(last)
                continue
            case "repeats" if last:
                assert not hear(followed, data.draw(st.integers(1, last)))
                continue
            case "skips":
                last += 2
                with pytest.raises(Gap):
                    hear(followed, last)
        followed.lost()
        followed.listed({})
        asked_for = followed.at[HERE]
        last += data.draw(st.integers(0, 3))
        followed.resumed([HERE])
        taken += [seq for seq in range(asked_for + 1, last + 1) if hear(followed, seq)]
    assert taken == list(range(1, last + 1))
