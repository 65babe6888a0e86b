"""Money as integer minor units and an ISO 4217 code. Rounding happens at the edges only, half up; there is no float anywhere."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import msgspec

# ISO 4217 (list one): currencies whose exponent is not 2.
_EXPONENTS = {
    **dict.fromkeys(
        [
            "bif",
            "clp",
            "djf",
            "gnf",
            "isk",
            "jpy",
            "kmf",
            "krw",
            "pyg",
            "rwf",
            "ugx",
            "uyi",
            "vnd",
            "vuv",
            "xaf",
            "xof",
            "xpf",
        ],
        0,
    ),
    **dict.fromkeys(["bhd", "iqd", "jod", "kwd", "lyd", "omr", "tnd"], 3),
    **dict.fromkeys(["clf", "uyw"], 4),
}


class CurrencyMismatch(ValueError):
    """Amounts of two currencies were added or compared."""


class Money(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`amount_minor` in the smallest unit of `currency` (lower-case ISO 4217): 1250 usd is 12.50 dollars, 1250 jpy is 1250 yen."""

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        if not (
            len(self.currency) == 3 and self.currency.isascii() and self.currency.isalpha() and self.currency.islower()
        ):
            raise ValueError("currency must be a lower-case ISO 4217 code")

    @classmethod
    def from_major(cls, amount: Decimal, currency: str) -> Money:
        scaled = amount.scaleb(exponent_of(currency)).quantize(Decimal(1), ROUND_HALF_UP)
        return cls(int(scaled), currency)

    def to_major(self) -> Decimal:
        return Decimal(self.amount_minor).scaleb(-exponent_of(self.currency))

    def __add__(self, other: Money) -> Money:
        return Money(self.amount_minor + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.amount_minor - self._same(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount_minor, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.amount_minor < self._same(other)

    def allocate(self, weights: list[int]) -> list[Money]:
        """Split without losing a unit: what is left over goes, one each, to the largest remainders, the first of equals first."""
        total = sum(weights)
        if total <= 0 or min(weights) < 0:
            raise ValueError("weights must not be negative and must not all be zero")
        parts = [divmod(self.amount_minor * weight, total) for weight in weights]
        left = self.amount_minor - sum(whole for whole, _ in parts)
        favoured = set(sorted(range(len(parts)), key=lambda n: (-parts[n][1], n))[:left])
        return [Money(whole + (n in favoured), self.currency) for n, (whole, _) in enumerate(parts)]

    def _same(self, other: Money) -> int:
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency}")
        return other.amount_minor


def exponent_of(currency: str) -> int:
    return _EXPONENTS.get(currency, 2)
