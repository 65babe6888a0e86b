"""The key set."""

from __future__ import annotations

from litestar import Controller, Response, get

from plaza.core.http import ANONYMOUS
from plaza.identity.schemas import (
    KeySet,
)
from plaza.identity.service import (
    KeyService,
)


class KeyController(Controller):
    tags = ("keys",)
    keys: KeyService

    @get("/.well-known/jwks.json", opt=ANONYMOUS)
    async def published(self) -> Response[KeySet]:
        """What access tokens are verified with. A new key may appear at any time: fetch again when a key id is unknown."""
        keys = (await self.keys.published()).unwrap()
        return Response(keys, headers={"Cache-Control": "public, max-age=300"})
