"""Every route of the OpenAPI document, asked once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx


@dataclass(frozen=True)
class Answer:
    route: str  # such as "POST /api/v1/auth/login"
    needs_token: bool
    response: httpx.Response

    @property
    def status(self) -> int:
        return self.response.status_code


async def answered(http: httpx.AsyncClient, method: str, address: str, **options: Any) -> httpx.Response:
    """Without the events of a stream that has no end."""
    async with http.stream(method, address, **options) as response:
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            await response.aread()
    return response


def sample(schema: Mapping[str, Any], schemas: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    """The least that `schema` takes: what must be there and no more, with `values` for fields of their names. Patterns are not minded."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    for choices in (schema.get("oneOf"), schema.get("anyOf")):
        if choices:
            return sample(choices[0], schemas, values)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    match schema.get("type"):
        case "object":
            fields, required = schema.get("properties", {}), schema.get("required", ())
            return {
                name: values[name] if name in values else sample(field, schemas, values)
                for name, field in fields.items()
                if name in values or name in required
            }
        case "array":
            return [sample(schema["items"], schemas, values)] * schema.get("minItems", 1)
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "string":
            formats = {"uuid": str(uuid4()), "date-time": "2031-01-01T00:00:00Z", "date": "2031-01-01"}
            return formats.get(schema.get("format", ""), "x" * schema.get("minLength", 8))
    return None


def _query(operation: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """What a search cannot do without."""
    named = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"}
    return {name: values[name] for name in named & {"q"} & values.keys()}


async def ask_every_route(http: httpx.AsyncClient, values: Mapping[str, Any], *, only: str = ".*") -> list[Answer]:
    """Those whose name matches `only`. `values` fill fields and path parameters of their names, `sample` what else must be there."""
    document = (await http.get("/schema/openapi.json")).json()
    schemas = document["components"]["schemas"]

    async def ask(path: str, method: str, operation: Mapping[str, Any]) -> Answer:
        named = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "path"}
        address = path.format(**{name: values.get(name, uuid4()) for name in named})
        body = None
        if "requestBody" in operation:
            body = sample(operation["requestBody"]["content"]["application/json"]["schema"], schemas, values)
        response = await answered(http, method, address, json=body, params=_query(operation, values))
        return Answer(f"{method.upper()} {path}", operation["security"] == [{"bearer": []}], response)

    routes = [
        ask(path, method, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if re.fullmatch(only, f"{method.upper()} {path}")
    ]
    return await asyncio.gather(*routes)
