from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plaza.core.money import CurrencyMismatch, Money, exponent_of


@pytest.mark.parametrize(
    ("major", "currency", "minor"),
    [
        ("12.50", "usd", 1250),
        ("12.345", "usd", 1235),
        ("-0.005", "usd", -1),
        ("1250", "jpy", 1250),
        ("1.2345", "bhd", 1235),
    ],
)
def test_amounts_are_rounded_half_up_to_the_minor_unit(major: str, currency: str, minor: int) -> None:
    assert Money.from_major(Decimal(major), currency) == Money(minor, currency)


def test_two_currencies_do_not_mix() -> None:
    with pytest.raises(CurrencyMismatch):
        Money(1, "usd") + Money(1, "eur")


@pytest.mark.parametrize("currency", ["USD", "us", "usdx", "ü1x", ""])
def test_a_currency_is_a_lower_case_code(currency: str) -> None:
    with pytest.raises(ValueError, match="ISO 4217"):
        Money(1, currency)


@given(st.integers(-(10**12), 10**12), st.sampled_from(["usd", "jpy", "bhd", "clf"]))
def test_major_units_and_back(amount: int, currency: str) -> None:
    money = Money(amount, currency)
    assert Money.from_major(money.to_major(), currency) == money
    assert money.to_major().as_tuple().exponent == -exponent_of(currency)


@given(st.integers(0, 10**9), st.lists(st.integers(0, 1000), min_size=1, max_size=20).filter(any))
def test_a_split_loses_nothing_and_is_off_by_less_than_one_unit(amount: int, weights: list[int]) -> None:
    parts = Money(amount, "eur").allocate(weights)
    assert sum(part.amount_minor for part in parts) == amount
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part.amount_minor - Decimal(amount * weight) / sum(weights)) < 1
