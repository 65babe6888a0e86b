from __future__ import annotations

import pytest

from plaza.core.crypto import CannotUnseal, Sealed, Vault


def test_sealed_text_shows_nothing_and_opens_again() -> None:
    vault = Vault("a" * 32)
    sealed = vault.seal("123456")
    assert "123456" not in sealed.ciphertext
    assert "123456" not in repr(sealed)
    assert vault.open(sealed) == "123456"


def test_an_older_secret_still_opens_what_it_sealed() -> None:
    old = Vault("a" * 32).seal({"code": "1"})
    assert Vault("b" * 32, ["a" * 32]).open(old, dict[str, str]) == {"code": "1"}
    with pytest.raises(CannotUnseal):
        Vault("b" * 32).open(old)


def test_altered_text_does_not_open() -> None:
    vault = Vault("a" * 32)
    sealed = vault.seal("x")
    broken: Sealed[str] = Sealed(sealed.ciphertext[:-4] + "AAAA")
    with pytest.raises(CannotUnseal):
        vault.open(broken)


def test_hashes_are_bound_to_their_purpose_and_to_their_parts() -> None:
    vault = Vault("a" * 32)
    assert vault.mac("otp", "ab", "c") != vault.mac("otp", "a", "bc")
    assert vault.mac("otp", "a") != vault.mac("refresh", "a")
    assert vault.mac("otp", "a") != Vault("b" * 32).mac("otp", "a")


def test_hashes_of_an_older_secret_are_found_again() -> None:
    old, new = Vault("a" * 32), Vault("b" * 32, ["a" * 32])
    assert new.macs("otp", "a") == [new.mac("otp", "a"), old.mac("otp", "a")]
