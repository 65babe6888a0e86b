"""The form of an action, from the fields of its struct: `Meta(title=...)` is a field's label, `Meta(description=...)` its hint."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import inspect

from plaza.core.errors import ValidationFailed

# What browsers send of a time, without seconds and zone.
_MINUTE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d$")


@dataclass(frozen=True, slots=True)
class FormField:
    """`kind` is `text`, `choice`, `flag` or `time` (UTC)."""

    name: str
    label: str
    kind: str
    required: bool
    hint: str = ""
    choices: Sequence[str] = ()
    max_length: int | None = None


def fields_of(kind: type[msgspec.Struct]) -> list[FormField]:
    struct = inspect.type_info(kind)
    assert isinstance(struct, inspect.StructType)
    return [_field(each) for each in struct.fields]


def read(kind: type[msgspec.Struct], form: Mapping[str, str]) -> msgspec.Struct:
    """Raises ValidationFailed. A field that is left empty counts as left out, spaces around a text as a slip."""
    given: dict[str, Any] = {}
    for each in fields_of(kind):
        text = form.get(each.name, "").strip()
        if each.kind == "flag":
            given[each.name] = text == "true"
        elif text:
            given[each.name] = _MINUTE.sub(r"\g<0>:00Z", text) if each.kind == "time" else text
        elif each.required:
            raise ValidationFailed(f"{each.label} is missing.")
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ValidationFailed(_told(error, fields_of(kind))) from error


def _field(field: inspect.Field) -> FormField:
    kind, schema = _unwrapped(field.type)
    name, label = field.name, schema.get("title") or field.name.replace("_", " ").capitalize()
    hint = schema.get("description", "")
    if isinstance(kind, inspect.BoolType):
        return FormField(name, label, "flag", required=False, hint=hint)
    if isinstance(kind, inspect.LiteralType):
        return FormField(name, label, "choice", field.required, hint, choices=[str(each) for each in kind.values])
    if isinstance(kind, inspect.EnumType):
        return FormField(name, label, "choice", field.required, hint, choices=[each.value for each in kind.cls])
    if isinstance(kind, inspect.DateTimeType):
        return FormField(name, label, "time", field.required, f"{hint} UTC".strip())
    longest = kind.max_length if isinstance(kind, inspect.StrType) else None
    return FormField(name, label, "text", field.required, hint, max_length=longest)


def _unwrapped(kind: inspect.Type) -> tuple[inspect.Type, dict[str, Any]]:
    """Without what describes it and without `| None`."""
    schema: dict[str, Any] = {}
    while isinstance(kind, inspect.Metadata | inspect.UnionType):
        if isinstance(kind, inspect.Metadata):
            schema = {**(kind.extra_json_schema or {}), **schema}
            kind = kind.type
        else:
            kind = next(each for each in kind.types if not isinstance(each, inspect.NoneType))
    return kind, schema


def _told(error: msgspec.ValidationError, fields: Sequence[FormField]) -> str:
    """msgspec names a field as `$.name`; people know its label."""
    text = str(error)
    for each in fields:
        text = text.replace(f" - at `$.{each.name}`", f": {each.label}")
    return text
