"""The structs of `plaza.client`, written from docs/openapi.json and docs/asyncapi.json as a stranger would: from nothing else.

An answer must not break on what a newer server says: fields that it may leave out have a default, and words from a list are plain
strings. What a client says takes only the words that there are, and leaves out what is not given.
"""

from __future__ import annotations

import json
import keyword
import re
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

_LINE = 120
TARGET = Path("src/plaza/client")

Schema: TypeAlias = Mapping[str, Any]

_HEAD = '''"""{about}

Written by `plaza dev client` from docs/{source}.
"""

from __future__ import annotations
{imports}'''
_IMPORTS = (
    ("from datetime import date, datetime", r"\b(date|datetime)\b"),
    ("from enum import IntEnum", r"\bIntEnum\b"),
    ("from typing import Any, Literal, TypeAlias", r"\b(Any|Literal|TypeAlias)\b"),
    ("from uuid import UUID", r"\bUUID\b"),
    ("\nfrom msgspec import UNSET, Struct, UnsetType", r"\b(UNSET|Struct|UnsetType)\b"),
)
_STRINGS = {"uuid": "UUID", "date-time": "datetime", "date": "date"}
_PLAIN = {"integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_EMPTY = {"array": "[]", "object": "{}"}


def generated(root: Path) -> dict[Path, str]:
    """What the files of the client should say."""
    openapi = json.loads((root / "docs" / "openapi.json").read_text())
    asyncapi = json.loads((root / "docs" / "asyncapi.json").read_text())
    spoken = asyncapi["components"]["schemas"]
    frames = asyncapi["components"]["messages"].keys()
    models = {
        name: schema
        for name, schema in openapi["components"]["schemas"].items()
        if name not in frames and not name.startswith("Page_")
    }
    own = {name: schema for name, schema in spoken.items() if name not in models}
    return {
        root / TARGET / "codes.py": _module(
            "Every error code that a route may answer, with its status.", "openapi.json", _codes(openapi["paths"])
        ),
        root / TARGET / "models.py": _module("What the REST API takes and answers.", "openapi.json", _shapes(models)),
        root / TARGET / "frames.py": _module(
            "Frames of the sockets: what a client says, what it is told, and why a socket ends.",
            "asyncapi.json",
            _closes(asyncapi["x-close-codes"]) + _shapes(own, models) + _unions(asyncapi),
            borrowed=[name for name in spoken if name in models],
        ),
    }


def _module(about: str, source: str, body: str, borrowed: Iterable[str] = ()) -> str:
    imports = []
    for line, pattern in _IMPORTS:
        used = {found[0] for found in re.finditer(pattern, body)}
        if used:
            module, _, names = line.partition(" import ")
            imports.append(f"{module} import {', '.join(name for name in names.split(', ') if name in used)}")
    needed = sorted(name for name in borrowed if re.search(rf"\b{name}\b", body))
    if needed:
        imports.append(f"\nfrom plaza.client.models import {', '.join(needed)}")
    return (
        _HEAD.format(
            about=about, source=source, imports="".join(f"\n{each}" for each in imports) + ("\n" if imports else "")
        )
        + body
    )


def _shapes(schemas: Mapping[str, Schema], others: Mapping[str, Schema] | None = None) -> str:
    """Words first, then structs, by name."""
    known = {**(others or {}), **schemas}
    words = {name: schema for name, schema in schemas.items() if "enum" in schema}
    structs = {name: schema for name, schema in schemas.items() if "enum" not in schema}
    return "".join(_words(name, words[name]) for name in sorted(words)) + "".join(
        _struct(name, structs[name], known) for name in sorted(structs)
    )


def _words(name: str, schema: Schema) -> str:
    about = _doc(schema, "") if "description" in schema else ""
    return f"\n{name}: TypeAlias = Literal[\n" + "".join(f'    "{word}",\n' for word in schema["enum"]) + f"]\n{about}"


def _struct(name: str, schema: Schema, known: Mapping[str, Schema]) -> str:
    assert name.isidentifier(), f"two structs share a name: {name}"
    fields, is_said = dict(schema.get("properties", {})), schema.get("additionalProperties") is False
    options = "frozen=True, kw_only=True"
    if (tag := _constant(fields.get("type", {}))) is not None:
        options += f', tag_field="type", tag="{tag}"'
        del fields["type"]
    lines = [f"\n\nclass {name}(Struct, {options}):"]
    if "description" in schema:
        lines.append(_doc(schema, "    "))
    required = schema.get("required", ())
    for field, shape in fields.items():
        assert not keyword.iskeyword(field), f"{name}.{field} needs another name here"
        lines.append(f"    {field}: {_field(shape, known, is_said=is_said, required=field in required)}")
    if len(lines) == 1:
        lines.append("    pass")
    return "\n".join(lines) + "\n"


def _field(shape: Schema, known: Mapping[str, Schema], *, is_said: bool, required: bool) -> str:
    kind = _type(shape, known, is_said=is_said)
    if required:
        return kind
    if is_said:
        plain = kind.removesuffix(" | None")
        return f"{plain} | UnsetType{' | None' if plain != kind else ''} = UNSET"
    if (default := shape.get("default")) is not None and not isinstance(default, list | dict):
        return f"{kind} = {default!r}".replace("'", '"')
    if (empty := _EMPTY.get(shape.get("type", ""))) is not None:
        return f"{kind} = {empty}"
    return f"{kind} = None" if kind.endswith("None") else f"{kind} | None = None"


def _type(shape: Schema, known: Mapping[str, Schema], *, is_said: bool) -> str:
    if reference := shape.get("$ref"):
        name = str(reference).rpartition("/")[2]
        return name if is_said or "enum" not in known[name] else "str"
    if parts := shape.get("oneOf") or shape.get("anyOf"):
        kinds = [_type(part, known, is_said=is_said) for part in parts]
        return " | ".join(dict.fromkeys(sorted(kinds, key="None".__eq__)))
    if "enum" in shape and is_said:
        return f"Literal[{', '.join(json.dumps(word) for word in shape['enum'])}]"
    match shape.get("type"):
        case "string":
            return _STRINGS.get(shape.get("format", ""), "str")
        case "array":
            return f"list[{_type(shape.get('items', {}), known, is_said=is_said)}]"
        case "object":
            inside = shape.get("additionalProperties")
            return f"dict[str, {_type(inside, known, is_said=is_said) if isinstance(inside, Mapping) else 'Any'}]"
        case str(plain):
            return _PLAIN[plain]
    return "str" if "enum" in shape or isinstance(shape.get("const"), str) else "Any"


def _constant(shape: Schema) -> str | None:
    """The one word that it may be."""
    words = shape.get("enum") or ([shape["const"]] if "const" in shape else [])
    return str(words[0]) if len(words) == 1 else None


def _codes(paths: Schema) -> str:
    found = {
        code: int(status)
        for operations in paths.values()
        for operation in operations.values()
        for status, response in operation["responses"].items()
        if status >= "400"
        for code in re.findall(r"\b[A-Z][A-Z0-9_]+\b", response["description"])
    }
    return "\nSTATUS_OF = {\n" + "".join(f'    "{code}": {found[code]},\n' for code in sorted(found)) + "}\n"


def _closes(codes: Mapping[str, Mapping[str, str]]) -> str:
    lines = [f"    {each['name']} = {code}  # {each['description']}\n" for code, each in codes.items()]
    return '\n\nclass Close(IntEnum):\n    """Why the server ended a socket."""\n\n' + "".join(lines)


def _unions(asyncapi: Schema) -> str:
    said, told = set[str](), set[str]()
    for operation in asyncapi["operations"].values():
        names = {each["$ref"].rpartition("/")[2] for each in operation["messages"]}
        (said if operation["action"] == "receive" else told).update(names)
    schemas = asyncapi["components"]["schemas"]
    logged = {name for name in told if {"conversation_id", "seq"} <= schemas[name]["properties"].keys()}
    return _union("Said", said) + _union("Told", told) + _union("Logged", logged, "Entries of a conversation's log.")


def _union(name: str, members: Iterable[str], about: str = "") -> str:
    line = f"{name}: TypeAlias = {' | '.join(sorted(members))}"
    if len(line) > _LINE:
        line = f"{name}: TypeAlias = (\n    " + "\n    | ".join(sorted(members)) + "\n)"
    return f"\n\n{line}\n" + (f'"""{about}"""\n' if about else "")


def _doc(schema: Schema, indent: str) -> str:
    text = str(schema["description"]).replace("\\", "\\\\")
    end = f"\n{indent}" if "\n" in text else ""
    return textwrap.indent(f'"""{text}', indent, lambda line: bool(line.strip())) + f'{end}"""\n'


def write(root: Path, *, check: bool = False) -> list[Path]:
    """The files that were, or with `check` would be, changed."""
    found = generated(root)
    changed = [path for path, text in found.items() if not path.exists() or path.read_text() != text]
    for path in () if check else changed:
        path.write_text(found[path])
    return changed
