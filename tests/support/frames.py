"""Every frame that clients may say, as the structs have it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import msgspec

from plaza.chat.frames import Authenticate, Saying
from tests.support.routes import sample


def client_frames() -> dict[str, type[msgspec.Struct]]:
    """By type."""
    kinds: list[type[msgspec.Struct]] = [Authenticate, *get_args(Saying)]
    return {str(each.__struct_config__.tag): each for each in kinds}


def sample_frame(type: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The least that it takes, with `values` for fields of their names."""
    (schema,), schemas = msgspec.json.schema_components(
        [client_frames()[type]], ref_template="#/components/schemas/{name}"
    )
    made: dict[str, Any] = sample(schema, schemas, values)
    return {**made, "type": type}
