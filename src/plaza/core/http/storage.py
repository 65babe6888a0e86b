"""Where the links of the local folder lead. S3's own lead to S3."""

from __future__ import annotations

from typing import Annotated

from litestar import Controller, get
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from plaza.core.errors import NotFound
from plaza.core.http.authorization import ANONYMOUS
from plaza.core.storage import LocalStorage, NoSuchFile
from plaza.core.storage.local import ROUTE

_POLICY = "sandbox; default-src 'none'; frame-ancestors 'none'"  # what people uploaded runs nowhere

Parameter = Annotated[str, QueryParameter(max_length=200)]


class StorageController(Controller):
    path = ROUTE
    include_in_schema = False
    opt = ANONYMOUS
    storage: LocalStorage

    @get("/{key:path}")
    async def download(
        self,
        key: FromPath[str],
        expires: Annotated[int, QueryParameter(ge=0, le=10**12)],
        filename: Parameter,
        signature: Parameter,
    ) -> Stream:
        key = str(key).removeprefix("/")
        self.storage.check_link(key, expires, filename, signature)
        try:
            file = await self.storage.open(key)
        except NoSuchFile:
            raise NotFound from None
        headers = {
            "Content-Length": str(file.size),
            "Content-Disposition": f'attachment; filename="{filename}"',
            "Content-Security-Policy": _POLICY,
            "Cache-Control": "private, no-store",
        }
        return Stream(file.content, media_type=file.content_type, headers=headers)
