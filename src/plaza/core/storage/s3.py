"""An S3 bucket, Amazon's or of whatever speaks like it, by aioboto3."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from typing import Any

import aioboto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from plaza.core.service import outside
from plaza.core.storage.errors import NoSuchFile
from plaza.core.storage.port import (
    CHUNK_BYTES,
    StoredFile,
    checked_expiry,
    checked_filename,
    checked_key,
    chunks_of,
)
from plaza.core.storage.settings import Bucket

PART_BYTES = 8 * 1024 * 1024  # S3 takes parts from 5 MiB on, 10,000 of them: files up to 78 GiB
_MISSING = frozenset({"404", "NoSuchKey", "NotFound"})


class S3Storage:
    """A file above one part goes up in parts and appears with the last; parts of a process that died are the bucket's to expire."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self._session = aioboto3.Session()
        self._open = AsyncExitStack()
        self._clients: dict[str | None, Any] = {}
        self._opening = asyncio.Lock()

    @outside
    async def put(self, key: str, content: bytes | AsyncIterator[bytes], content_type: str) -> None:
        client, place = await self._client(self.bucket.endpoint), self._place(key)
        parts = _parts(content)
        first = await anext(parts)
        if len(first) < PART_BYTES:
            await client.put_object(**place, Body=first, ContentType=content_type)
            return
        upload = await client.create_multipart_upload(**place, ContentType=content_type)
        place["UploadId"] = upload["UploadId"]
        try:
            done, part, number = [], first, 1
            while part:
                answer = await client.upload_part(**place, PartNumber=number, Body=part)
                done.append({"PartNumber": number, "ETag": answer["ETag"]})
                part, number = await anext(parts, b""), number + 1
            await client.complete_multipart_upload(**place, MultipartUpload={"Parts": done})
        except BaseException:  # cancelled, too: parts that nobody finishes cost money
            with suppress(BotoCoreError, ClientError):
                await client.abort_multipart_upload(**place)
            raise

    @outside
    async def open(self, key: str) -> StoredFile:
        client = await self._client(self.bucket.endpoint)
        try:
            found = await client.get_object(**self._place(key))
        except ClientError as error:
            raise _translated(error, key) from error
        return StoredFile(found["ContentLength"], found["ContentType"], _chunks(found["Body"]))

    @outside
    async def delete(self, key: str) -> None:
        client = await self._client(self.bucket.endpoint)
        await client.delete_object(**self._place(key))

    @outside
    async def exists(self, key: str) -> bool:
        client = await self._client(self.bucket.endpoint)
        try:
            await client.head_object(**self._place(key))
        except ClientError as error:
            if isinstance(_translated(error, key), NoSuchFile):
                return False
            raise
        return True

    @outside
    async def signed_url(self, key: str, *, expires_s: int, filename: str) -> str:
        client = await self._client(self.bucket.public_endpoint)
        disposition = f'attachment; filename="{checked_filename(filename)}"'
        url: str = await client.generate_presigned_url(
            "get_object",
            Params={**self._place(key), "ResponseContentDisposition": disposition},
            ExpiresIn=checked_expiry(expires_s),
        )
        return url

    async def close(self) -> None:
        await self._open.aclose()

    def _place(self, key: str) -> dict[str, str]:
        prefix = f"{self.bucket.prefix}/" if self.bucket.prefix else ""
        return {"Bucket": self.bucket.name, "Key": prefix + checked_key(key)}

    async def _client(self, endpoint: str | None) -> Any:
        """One per process and endpoint, made at the first need: it keeps its connections."""
        async with self._opening:
            if endpoint not in self._clients:
                bucket = self.bucket
                self._clients[endpoint] = await self._open.enter_async_context(
                    self._session.client(
                        "s3",
                        endpoint_url=endpoint,
                        region_name=bucket.region,
                        aws_access_key_id=bucket.access_key_id,
                        aws_secret_access_key=bucket.secret_access_key,
                        config=Config(
                            signature_version="s3v4",
                            s3={"addressing_style": "path" if endpoint else "auto"},
                            connect_timeout=5,
                            read_timeout=60,
                            retries={"mode": "standard", "total_max_attempts": 3},
                            # what is not Amazon's does not know the newer checksums
                            request_checksum_calculation="when_required",
                            response_checksum_validation="when_required",
                        ),
                    )
                )
            return self._clients[endpoint]


async def _parts(content: bytes | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Of PART_BYTES each, the last one shorter; one empty one of nothing."""
    held = bytearray()
    is_first = True
    async for chunk in chunks_of(content):
        held += chunk
        while len(held) >= PART_BYTES:
            with memoryview(held) as view:
                part = bytes(view[:PART_BYTES])
            yield part
            del held[:PART_BYTES]
            is_first = False
    if held or is_first:
        yield bytes(held)


async def _chunks(body: Any) -> AsyncIterator[bytes]:
    async with body:
        async for chunk in body.iter_chunks(CHUNK_BYTES):
            yield chunk


def _translated(error: ClientError, key: str) -> Exception:
    return NoSuchFile(key) if error.response.get("Error", {}).get("Code") in _MISSING else error
