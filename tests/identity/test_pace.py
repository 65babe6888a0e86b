"""How much is sent to one address, and to the numbers of one country."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from plaza.app.runtime import Runtime
from plaza.identity.schemas import IdentitySettings, TextNotice
from plaza.identity.service import Change, SecurityNotices, SendingPace
from plaza.identity.service.pace import country_of, reachable
from tests.support.stage import Stage, configuration_for

ADA, ADAS_PHONE = "ada@example.com", "+4915112345678"


@pytest.fixture
async def limiting(plaza: Stage) -> AsyncIterator[Runtime]:
    """With the limits on, and a small budget for a country."""
    settings = plaza.configuration.plaza
    runtime = Runtime(
        configuration_for(
            settings.database_url,
            settings.redis_url,
            PLAZA_RATE_LIMIT_ENABLED="true",
            PLAZA_IDENTITY_COUNTRY_TEXTS_HOURLY="5 per hour",
            PLAZA_IDENTITY_COUNTRY_TEXTS_DAILY="7 per day",
            PLAZA_IDENTITY_SMS_DENIED_PREFIXES="+1876,+882",
        ),
        "limited",
        clock=plaza.clock,
    )
    yield runtime
    await runtime.close()


@pytest.fixture
def limited(limiting: Runtime) -> SendingPace:
    return limiting.parts[SendingPace]


async def test_one_mailbox_gets_five_codes_in_a_quarter_of_an_hour(limited: SendingPace) -> None:
    """Nobody is told: the answer was given before anybody was looked up."""
    assert [await limited.may_mail(ADA) for _ in range(7)] == [True] * 5 + [False] * 2
    assert await limited.may_mail("grace@example.com")


async def test_one_phone_gets_three_texts_an_hour(limited: SendingPace) -> None:
    assert [await limited.may_text_code(ADAS_PHONE) for _ in range(5)] == [True] * 3 + [False] * 2
    assert await limited.may_text_code("+4915112345679")


async def test_all_phones_of_a_country_share_its_budget(limited: SendingPace) -> None:
    germans = [f"+49151123456{n:02}" for n in range(8)]
    assert [await limited.may_text_code(each) for each in germans] == [True] * 5 + [False] * 3
    assert await limited.may_text_code("+33612345678")


async def test_notices_are_counted_apart(plaza: Stage, limiting: Runtime, limited: SendingPace) -> None:
    """Whoever owns a number that earns by texts could have one sent for each key of an account."""
    told = {"change": Change.API_KEY_ADDED.value, "detail": "", "at": "", "device": "", "ip": "", "url": ""}
    for _ in range(4):
        notice = TextNotice(phone=ADAS_PHONE, data=told)
        (await limiting.parts[SecurityNotices].deliver_text(notice)).unwrap()
    assert await limited.may_text_code(ADAS_PHONE)
    assert not await limited.may_text_notice("+4915112345600")  # its country has had five
    async with plaza.runtime.db.reader.connect() as connection:
        texts = text("select count(*) from notifications_delivery where channel = 'sms'")
        assert (await connection.execute(texts)).scalar() == 4


async def test_one_phone_gets_five_notices_an_hour(limited: SendingPace) -> None:
    first = [await limited.may_text_notice(ADAS_PHONE) for _ in range(9)]
    assert first == [True] * 5 + [False] * 4


async def test_one_phone_does_not_use_up_its_country(limited: SendingPace) -> None:
    for _ in range(9):
        await limited.may_text_code(ADAS_PHONE)
    assert [await limited.may_text_code(f"+4915112345{n}") for n in (600, 601, 602)] == [True, True, False]


async def test_denied_prefixes_get_nothing(limited: SendingPace) -> None:
    assert not await limited.may_text_code("+18765551234")
    assert await limited.may_text_code("+14155552671")


async def test_no_address_stands_in_redis(plaza: Stage, limited: SendingPace) -> None:
    await limited.may_mail(ADA)
    await limited.may_text_code(ADAS_PHONE)
    keys = [key.decode() for key in await plaza.runtime.redis.keys("plaza:limit*")]
    assert len(keys) == 4
    assert not any(ADA in key or ADAS_PHONE[1:] in key for key in keys)


@pytest.mark.parametrize(
    ("phone", "country"),
    [("+4915112345678", "+49/DE"), ("+14155552671", "+1/US"), ("+18765551234", "+1/JM"), ("+16135550123", "+1/CA")],
)
def test_countries_that_share_a_code_have_budgets_of_their_own(phone: str, country: str) -> None:
    assert country_of(phone) == country


@pytest.mark.parametrize(
    ("allowed", "denied", "phone", "open"),
    [
        ((), (), "+4915112345678", True),
        (("+49", "+43"), (), "+4915112345678", True),
        (("+49", "+43"), (), "+33612345678", False),
        ((), ("+33",), "+33612345678", False),
        (("+1",), ("+1876",), "+18765551234", False),
        (("+1",), ("+1876",), "+14155552671", True),
        (("+1876",), ("+1",), "+18765551234", True),
        (("+49",), ("+49",), "+4915112345678", False),
    ],
)
def test_the_longest_prefix_decides(allowed: tuple[str, ...], denied: tuple[str, ...], phone: str, open: bool) -> None:
    assert reachable(phone, allowed, denied) is open


@pytest.mark.parametrize(
    "wrong",
    [
        {"code_texts": "three"},
        {"country_texts_daily": ""},
        {"sms_denied_prefixes": ("49",)},
        {"sms_allowed_prefixes": ("+",)},
    ],
)
def test_wrong_settings_are_named(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        IdentitySettings(**wrong)  # type: ignore[arg-type] # wrong on purpose
