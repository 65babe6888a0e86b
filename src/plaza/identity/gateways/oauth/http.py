"""JSON from servers that are not ours."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any, TypeVar

import httpx2
import msgspec
import structlog
from authlib.integrations.base_client import OAuthError

from plaza.core.errors import OutsideServiceFailed
from plaza.core.service import outside
from plaza.identity.schemas import IdentitySettings

T = TypeVar("T")

log = structlog.get_logger(__name__)

MAX_BYTES = 256 * 1024


class TooMuch(Exception):
    """An answer that is larger than anything that we ask for."""


class OutsideHttp:
    """A connection per call: there are few, and none is kept open to somebody who is rarely asked."""

    def __init__(self, settings: IdentitySettings) -> None:
        self.timeout_s = settings.oauth_timeout_s

    @property
    def options(self) -> dict[str, Any]:
        """For every client: the transport bounds what it reads, and nothing leads anywhere else."""
        return {
            "transport": _Bounded(httpx2.AsyncHTTPTransport(verify=self._trust)),
            "timeout": self.timeout_s,
            "follow_redirects": False,
        }

    @outside
    async def get(self, name: str, url: str, kind: type[T], headers: Mapping[str, str] | None = None) -> T:
        """Raises OutsideServiceFailed; `name` is whom people know."""
        with self.failing(name):
            async with asyncio.timeout(self.timeout_s), httpx2.AsyncClient(**self.options) as client:
                answer = await client.get(url, headers={"Accept": "application/json", **(headers or {})})
                if answer.status_code != httpx2.codes.OK:
                    raise httpx2.HTTPError(f"{answer.status_code} from {url}")
                return msgspec.json.decode(answer.content, type=kind)

    @contextmanager
    def failing(self, name: str) -> Iterator[None]:
        """What goes wrong on the way is told alike; the log has the reason."""
        try:
            yield
        except (
            httpx2.HTTPError,
            httpx2.InvalidURL,
            OAuthError,
            TooMuch,
            TimeoutError,
            ssl.SSLError,
            ValueError,
        ) as error:
            log.warning("outside_provider_failed", provider=name, error=repr(error))
            raise OutsideServiceFailed(f"{name} did not answer as it should.") from error

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        """Reading the certificates takes longer than a call."""
        return httpx2.create_ssl_context()


class _Bounded(httpx2.AsyncBaseTransport):
    """No compression, lest a small answer unpack to a large one."""

    def __init__(self, transport: httpx2.AsyncBaseTransport) -> None:
        self.transport = transport

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.headers["Accept-Encoding"] = "identity"
        answer = await self.transport.handle_async_request(request)
        assert isinstance(answer.stream, httpx2.AsyncByteStream)
        if "content-encoding" in answer.headers:
            await answer.stream.aclose()
            raise TooMuch("compressed, though that was not asked for")
        answer.stream = _Measured(answer.stream)
        return answer

    async def aclose(self) -> None:
        await self.transport.aclose()


class _Measured(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self.stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self.stream:
            size += len(chunk)
            if size > MAX_BYTES:
                raise TooMuch(f"more than {MAX_BYTES} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self.stream.aclose()
