"""From a notification's type and data to what its recipient reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files

from jinja2 import BaseLoader, Environment, FunctionLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from plaza.core.settings import PlazaSettings
from plaza.notifications.schemas import NotificationType

_LAYOUT = "notifications/mail.html"


class UnknownNotification(LookupError):
    """No context declares this type, or not for this channel."""


class RenderedMail:
    __slots__ = ("html", "subject", "text")

    def __init__(self, subject: str, text: str, html: str) -> None:
        self.subject, self.text, self.html = subject, text, html


class Templates:
    """Text stays as it is; in HTML all data is escaped, and the layout is put around it."""

    def __init__(self, types: Sequence[NotificationType], plaza: PlazaSettings) -> None:
        self._types = {each.name: each for each in types}
        self.environment = environment(FunctionLoader(_source))
        self.environment.globals["base_url"] = plaza.base_url

    def check(self, kind: str, channel: str) -> NotificationType:
        """Raises UnknownNotification."""
        declared = self._types.get(kind)
        if declared is None or channel not in declared.channels:
            raise UnknownNotification(f"{kind} by {channel}")
        return declared

    def keeps_recipient(self, kind: str) -> bool:
        """Also of a type that no context declares any more."""
        return kind not in self._types or self._types[kind].keeps_recipient

    def mail(self, kind: str, data: Mapping[str, str]) -> RenderedMail:
        """Raises UnknownNotification, jinja2.TemplateError."""
        declared = self.check(kind, "email")
        subject = self.environment.from_string(declared.subject).render(data)
        text = self.environment.get_template(f"{declared.template}.txt").render(data)
        content = self.environment.get_template(f"{declared.template}.html").render(data)
        html = self.environment.get_template(_LAYOUT).render(subject=subject, content=Markup(content))  # noqa: S704 - escaped when it was rendered
        return RenderedMail(" ".join(subject.split()), text.strip() + "\n", html)

    def sms(self, kind: str, data: Mapping[str, str]) -> str:
        """Raises UnknownNotification, jinja2.TemplateError."""
        declared = self.check(kind, "sms")
        return self.environment.get_template(f"{declared.template}.sms.txt").render(data).strip()

    def in_app(self, kind: str, data: Mapping[str, str]) -> tuple[str, str]:
        """Title and text. Raises UnknownNotification, jinja2.TemplateError."""
        declared = self.check(kind, "in_app")
        title = self.environment.from_string(declared.title or declared.subject).render(data)
        text = self.environment.get_template(f"{declared.template}.in_app.txt").render(data)
        return " ".join(title.split()), text.strip()


def environment(loader: BaseLoader) -> Environment:
    return Environment(
        loader=loader,
        autoescape=select_autoescape(enabled_extensions=("html",), default_for_string=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _source(name: str) -> str | None:
    """`<context>/<file>` lies in the templates/ of that context."""
    context, _, file = name.partition("/")
    found = files(f"plaza.{context}") / "templates" / file
    return found.read_text(encoding="utf-8") if found.is_file() else None
