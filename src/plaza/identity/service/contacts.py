"""How addresses and names are spelled before anything is compared or stored."""

from __future__ import annotations

import re
import unicodedata

from email_validator import EmailNotValidError, validate_email

from plaza.core.errors import ValidationFailed

# Control characters, and those that reorder the text around a name.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2028\u2029\u2060-\u2069\ufeff]")


def normalized_email(address: str) -> str:
    """Domain in IDNA's ASCII form, all in lower case. Raises ValidationFailed. Whether mail arrives there, the code tells."""
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


def cleaned_line(value: str, field: str) -> str:
    """A name that people see: NFC, outer spaces cut, nothing invisible. Raises ValidationFailed."""
    cleaned = unicodedata.normalize("NFC", value).strip()
    if not cleaned or _UNPRINTABLE.search(cleaned):
        raise ValidationFailed(errors={field: ["Needs visible characters, and no others."]})
    return cleaned
