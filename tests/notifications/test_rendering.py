from __future__ import annotations

import pytest
from jinja2 import DictLoader, UndefinedError

from plaza.app.registry import CONTEXTS
from plaza.core.settings import PlazaSettings
from plaza.notifications import EmailRecipient, NotificationType, SmsRecipient, UnknownNotification
from plaza.notifications.rendering import Templates, environment

from .conftest import FILES, TYPES


@pytest.fixture
def templates() -> Templates:
    made = Templates(TYPES, PlazaSettings())
    made.environment = environment(DictLoader(FILES))
    return made


def test_html_is_escaped_once_and_text_is_left_alone(templates: Templates) -> None:
    rendered = templates.mail("shop.code", {"name": "<b>Ada & Co</b>", "code": "1"})
    assert rendered.text == "Hello <b>Ada & Co</b>, your code is 1.\n"
    assert rendered.html == (
        "<html>Code for &lt;b&gt;Ada &amp; Co&lt;/b&gt;|"
        "<p>Hello &lt;b&gt;Ada &amp; Co&lt;/b&gt;, your code is <b>1</b>.</p></html>"
    )


def test_a_subject_is_one_line(templates: Templates) -> None:
    rendered = templates.mail("shop.code", {"name": "Ada\r\nBcc: eve@example.com", "code": "1"})
    assert rendered.subject == "Code for Ada Bcc: eve@example.com"


def test_a_text_message_is_the_text_alone(templates: Templates) -> None:
    assert templates.sms("shop.code", {"code": "<1>"}) == "<1> is your code."


def test_in_the_app_a_title_is_one_line_and_nothing_is_escaped(templates: Templates) -> None:
    data = {"name": "<b>Ada</b>\r\nGrace", "code": "<1>"}
    assert templates.in_app("shop.code", data) == ("Code for <b>Ada</b> Grace", "Yours is <1>.")
    assert templates.in_app("shop.sold", data) == ("Sold to <b>Ada</b> Grace", "Yours is <1>.")


def test_missing_data_is_an_error_and_not_a_gap(templates: Templates) -> None:
    with pytest.raises(UndefinedError):
        templates.mail("shop.code", {"name": "Ada"})
    with pytest.raises(UnknownNotification):
        templates.mail("shop.other", {})


@pytest.mark.parametrize(
    "declared",
    [each for context in CONTEXTS for each in context.declares if isinstance(each, NotificationType)],
    ids=lambda each: each.name,
)
def test_every_declared_type_has_the_templates_of_its_channels(declared: NotificationType) -> None:
    templates = Templates([declared], PlazaSettings())
    endings = {"email": ("txt", "html"), "sms": ("sms.txt",), "in_app": ("in_app.txt",)}
    names = [f"{declared.template}.{ending}" for channel in declared.channels for ending in endings[channel]]
    assert names, "somebody must be able to get it"
    assert declared.subject or "email" not in declared.channels
    assert declared.title or declared.subject or "in_app" not in declared.channels
    for name in (*names, "notifications/mail.html"):
        assert templates.environment.get_template(name).name == name


@pytest.mark.parametrize(
    "address", ["", "ada", "@example.com", "ada@", "ada@example.com\r\nRCPT TO:<eve@example.com>", "a da@example.com"]
)
def test_an_address_that_could_not_stand_in_a_header_is_refused(address: str) -> None:
    with pytest.raises(ValueError):
        EmailRecipient(address=address)


@pytest.mark.parametrize(
    "phone", ["", "+", "015112345678", "+0151123456", "+49 151 12345678", "+4915112345678901", "+49١٥١١٢٣٤"]
)
def test_a_phone_number_is_in_e164(phone: str) -> None:
    with pytest.raises(ValueError):
        SmsRecipient(phone=phone)


def test_a_name_cannot_add_a_header() -> None:
    with pytest.raises(ValueError):
        EmailRecipient(address="ada@example.com", name="Ada\r\nBcc: eve@example.com")
