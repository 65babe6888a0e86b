"""One code, one number, many at once."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import text

from plaza.core.result import Failure, Success
from plaza.identity.schemas import PhoneCodeInput, PhoneInput, RegistrationInput
from plaza.identity.service import PhoneService, RegistrationService
from tests.identity.builders import HERE, PASSWORD, a_person, code_for, codes_to
from tests.support.stage import Stage

PHONE = "+4915112345678"


async def rows(plaza: Stage, statement: str, **given: Any) -> list[Any]:
    async with plaza.runtime.db.reader.connect() as connection:
        return list((await connection.execute(text(statement), given)).all())


async def count(plaza: Stage, table: str) -> int:
    return len(await rows(plaza, f"select 1 from {table}"))


async def test_a_code_is_accepted_once_by_fifty_at_once(plaza: Stage) -> None:
    (await plaza[PhoneService].send_code(None, PhoneInput(phone=PHONE))).unwrap()
    [code] = await codes_to(plaza, PHONE)
    given = PhoneCodeInput(phone=PHONE, code=code)
    outcomes = await asyncio.gather(*(plaza[PhoneService].log_in(given, HERE) for _ in range(50)))
    refused = [each.error.code for each in outcomes if isinstance(each, Failure)]
    assert refused == ["TOKEN_USED"] * 49
    assert await count(plaza, "identity_session") == 1


async def test_two_registrations_of_one_number_make_one_user(plaza: Stage) -> None:
    service = plaza[RegistrationService]
    await asyncio.gather(
        *(service.register(RegistrationInput(phone=PHONE, password=PASSWORD)) for _ in range(3)),
        plaza[PhoneService].send_code(None, PhoneInput(phone=PHONE)),
    )
    codes = await codes_to(plaza, PHONE, at_least=4)
    given = [PhoneCodeInput(phone=PHONE, code=code) for code in codes]
    outcomes = await asyncio.gather(*(plaza[PhoneService].log_in(each, HERE) for each in given))
    assert len([each for each in outcomes if isinstance(each, Success)]) == 1
    assert await count(plaza, "identity_user") == await count(plaza, "identity_profile") == 1


async def test_a_change_is_accepted_once_by_many_at_once(plaza: Stage) -> None:
    ada = await a_person(plaza)
    given = PhoneCodeInput(phone=PHONE, code=await code_for(plaza, ada, PHONE))
    outcomes = await asyncio.gather(*(plaza[PhoneService].change(ada.actor, given) for _ in range(20)))
    assert [each.error.code for each in outcomes if isinstance(each, Failure)] == ["TOKEN_USED"] * 19
    assert len(await rows(plaza, "select 1 from audit_entry where action = 'identity.phone_changed'")) == 1


async def test_two_people_who_prove_one_number_at_once_do_not_both_get_it(plaza: Stage) -> None:
    people = [await a_person(plaza, f"person-{n}@example.com") for n in range(2)]
    codes = [await code_for(plaza, each, PHONE) for each in people]
    outcomes = await asyncio.gather(
        *(
            plaza[PhoneService].change(person.actor, PhoneCodeInput(phone=PHONE, code=code))
            for person, code in zip(people, codes, strict=True)
        )
    )
    assert len([each for each in outcomes if isinstance(each, Success)]) == 1
    assert [each.error.code for each in outcomes if isinstance(each, Failure)] == ["PHONE_TAKEN"]


async def test_a_login_and_a_change_of_one_number_at_once_leave_one_owner(plaza: Stage) -> None:
    """Somebody signs up with the number while somebody else proves it for their account: it belongs to one of them."""
    ada = await a_person(plaza)
    own = await code_for(plaza, ada, PHONE)
    (await plaza[PhoneService].send_code(None, PhoneInput(phone=PHONE))).unwrap()
    login = (await codes_to(plaza, PHONE, at_least=2))[1]
    changed, logged_in = await asyncio.gather(
        plaza[PhoneService].change(ada.actor, PhoneCodeInput(phone=PHONE, code=own)),
        plaza[PhoneService].log_in(PhoneCodeInput(phone=PHONE, code=login), HERE),
    )
    assert isinstance(changed, Success) != isinstance(logged_in, Success)
    owners = await rows(
        plaza, "select id from identity_user where phone = :phone and phone_verified_at is not null", phone=PHONE
    )
    assert len(owners) == 1
    assert (owners[0].id == ada.id) is isinstance(changed, Success)
