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


def _query(operation: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """What a search cannot do without."""
    named = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"}
    return {name: values[name] for name in named & {"q"} & values.keys()}


async def ask_every_route(http: httpx.AsyncClient, values: Mapping[str, Any], *, only: str = ".*") -> list[Answer]:
    """Those whose name matches `only`. `values` fill fields and path parameters of their names; other fields are left out."""
    document = (await http.get("/schema/openapi.json")).json()
    schemas = document["components"]["schemas"]

    async def ask(path: str, method: str, operation: Mapping[str, Any]) -> Answer:
        named = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "path"}
        address = path.format(**{name: values.get(name, uuid4()) for name in named})
        body = None
        if "requestBody" in operation:
            reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
            fields = schemas[reference.rpartition("/")[2]]["properties"]
            body = {name: values[name] for name in fields if name in values}
        response = await answered(http, method, address, json=body, params=_query(operation, values))
        return Answer(f"{method.upper()} {path}", operation["security"] == [{"bearer": []}], response)

    routes = [
        ask(path, method, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if re.fullmatch(only, f"{method.upper()} {path}")
    ]
    return await asyncio.gather(*routes)
