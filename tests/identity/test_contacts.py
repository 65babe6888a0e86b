"""How addresses, names and devices are spelled."""

from __future__ import annotations

import pytest

from plaza.core.errors import ValidationFailed
from plaza.identity.service.contacts import cleaned_line, normalized_email, normalized_phone
from plaza.identity.service.devices import describe_device


@pytest.mark.parametrize(
    ("given", "spelled"),
    [
        ("Ada@EXAMPLE.com", "ada@example.com"),
        (" ada@demo.example ", "ada@demo.example"),
        ("ada@plaza.test", "ada@plaza.test"),
        ("ada@Bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
        ("ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
        ("a.d-a+plaza@sub.example.com", "a.d-a+plaza@sub.example.com"),
    ],
)
def test_one_mailbox_has_one_spelling(given: str, spelled: str) -> None:
    assert normalized_email(given) == spelled


@pytest.mark.parametrize(
    "given",
    ["", "ada", "@example.com", "ada@", "ada@localhost", "a@b@example.com", "Ada <ada@example.com>", "ada@exa mple.com",
     "ada\n@example.com", "ada@example.com\r\nBcc: x@example.com", "ada@[127.0.0.1]", "ada@example.local", f"{'x' * 65}@example.com",
     f"ada@{'x' * 60}.{'x' * 60}.{'x' * 60}.{'x' * 60}.{'x' * 60}.com"],
)  # fmt: skip
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        normalized_email(given)
    assert refused.value.errors is not None
    assert "email" in refused.value.errors


@pytest.mark.parametrize(
    ("given", "spelled"),
    [
        ("+4915112345678", "+4915112345678"),
        (" +49 (0)151 / 1234-5678 ", "+4915112345678"),
        ("+1 (415) 555\u20112671", "+14155552671"),
        ("+39 333 1234567", "+393331234567"),
        ("+٤٩١٥١١٢٣٤٥٦٧٨", "+4915112345678"),
    ],
)
def test_one_phone_has_one_spelling(given: str, spelled: str) -> None:
    assert normalized_phone(given) == spelled


@pytest.mark.parametrize(
    "given",
    ["", "+", "015112345678", "004915112345678", "4915112345678", "+4930123456", "+18005550199", "+883510012345678", "+4915112345678 ext 3",
     "+4915112345678;ext=5", "tel:+4915112345678", "+1 (202) CALL-NOW", "+49151", "+999123456789", "+4915112345678\x00", "ada@example.com",
     "+49" + "1" * 1000],
)  # fmt: skip
def test_what_takes_no_texts_is_refused(given: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        normalized_phone(given)
    assert refused.value.errors is not None
    assert "phone" in refused.value.errors


@pytest.mark.parametrize(
    ("given", "shown"), [("  Ada  ", "Ada"), ("Zoe\u0308", "Zo\u00eb"), ("👩‍👩‍👧", "👩‍👩‍👧"), ("درود", "درود")]
)
def test_names_keep_what_can_be_seen(given: str, shown: str) -> None:
    assert cleaned_line(given, "name") == shown


@pytest.mark.parametrize("given", ["", "   ", "a\nb", "\u202eadA", "a\u200bb", "\x00", "a\x7f", "\u2066x"])
def test_names_hide_nothing(given: str) -> None:
    with pytest.raises(ValidationFailed):
        cleaned_line(given, "name")


@pytest.mark.parametrize(
    ("user_agent", "name", "platform"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux", "linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
            "Edge on Windows",
            "windows",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/140.0 Safari/537.36",
            "Chrome on macOS",
            "macos",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Mobile Safari/604",
            "Safari on iOS",
            "ios",
        ),
        (
            "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36",
            "Chrome on Android",
            "android",
        ),
        ("curl/8.0", "curl", "unknown"),
        ("", "Unknown device", "unknown"),
        ("x" * 500, "x" * 60, "unknown"),
    ],
)
def test_a_device_has_a_name_that_its_owner_recognises(user_agent: str, name: str, platform: str) -> None:
    assert describe_device(user_agent) == (name, platform)
