"""How addresses, phone numbers and names are spelled before anything is compared or stored."""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from functools import lru_cache

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

from plaza.core.errors import ValidationFailed
from plaza.identity.schemas import Identifier

_MAX_IDENTIFIER = 320

# Control characters, and those that reorder the text around a name.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2028\u2029\u2060-\u2069\ufeff]")

# What people put between digits. Letters, extensions and tel: are left to other kinds of numbers.
_PHONE = re.compile(r"\+[\d\s()./\u2010-\u2015-]+")
_TAKES_TEXTS = frozenset(
    {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE, PhoneNumberType.PERSONAL_NUMBER}
)


def normalized_email(address: str) -> str:
    """Domain in IDNA's ASCII form, all in lower case. Raises ValidationFailed. Whether mail arrives there, the code tells."""
    if len(address) > _MAX_IDENTIFIER:  # the library takes quadratic time
        raise ValidationFailed(errors={"email": ["The email address is too long."]})
    try:
        # test_environment: `.test` is a domain like any other here
        found = validate_email(
            address.strip(), check_deliverability=False, allow_smtputf8=False, strict=True, test_environment=True
        )
    except EmailNotValidError as error:
        raise ValidationFailed(errors={"email": [str(error)]}) from error
    spelled = (found.ascii_email or found.normalized).casefold()
    if len(spelled) > 254:
        raise ValidationFailed(errors={"email": ["The email address is too long."]})
    return spelled


def cleaned_email(address: str | None) -> str | None:
    """Of what others tell: the same spelling, and None for what is no address."""
    try:
        return normalized_email(address) if address is not None else None
    except ValidationFailed:
        return None


def normalized_phone(number: str, *, takes_texts: bool = True) -> str:
    """E.164. Raises ValidationFailed, also for what no text message can reach, unless that does not matter. Whose it is, the code tells."""
    try:
        if not _PHONE.fullmatch(number := number.strip()):
            raise NumberParseException(NumberParseException.NOT_A_NUMBER, "Only + and digits.")
        found = phonenumbers.parse(number)
    except NumberParseException as error:
        raise ValidationFailed(
            errors={"phone": ["Write it with + and the country code, such as +49 151 23456789."]}
        ) from error
    if not phonenumbers.is_valid_number(found):
        raise ValidationFailed(errors={"phone": ["There is no such number."]})
    if takes_texts and phonenumbers.number_type(found) not in _TAKES_TEXTS:
        raise ValidationFailed(errors={"phone": ["This is not the number of a mobile phone."]})
    return phonenumbers.format_number(found, PhoneNumberFormat.E164)


def identifier_of(text: str) -> Identifier:
    """What somebody may have typed to log in, in the one spelling that it has; what is no address and no number is a username."""
    return _identifier_of(text.strip()[:_MAX_IDENTIFIER])


@lru_cache(64)  # each login asks several times
def _identifier_of(text: str) -> Identifier:
    with suppress(ValidationFailed):
        if text.startswith("+"):
            return Identifier(phone=normalized_phone(text))
        if "@" in text:
            return Identifier(email=normalized_email(text))
    return Identifier(username=text.casefold())


def cleaned_line(value: str, field: str) -> str:
    """A name that people see: NFC, outer spaces cut, nothing invisible. Raises ValidationFailed."""
    cleaned = unicodedata.normalize("NFC", value).strip()
    if not cleaned or _UNPRINTABLE.search(cleaned):
        raise ValidationFailed(errors={field: ["Needs visible characters, and no others."]})
    return cleaned
