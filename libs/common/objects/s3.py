"""Objects in any S3: AWS, R2, or a server of one's own.

R2 and small servers do less than AWS: no checksums of the newer kinds, perhaps no list of unfinished uploads,
no deletion of many keys in one request. So nothing here depends on those.
"""

import asyncio
import io
from collections.abc import AsyncIterator, Generator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC
from pathlib import Path
from typing import Any, cast

import aioboto3
import aiohttp
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError

from libs.common.objects.store import (
    Adopt,
    NoSuchObject,
    ObjectInfo,
    StoreError,
    StoreFull,
    check_delete_prefix,
    check_key,
    check_part,
    check_prefix,
    check_whole,
    part_bytes_for,
)
from libs.common.objects.types import OTHER, type_of

# One request to a host that swallows packets costs at most 3 × 3 s and the waits between, about 3 s.
_CONNECT_TIMEOUT_S = 3
_ATTEMPTS = 3
# Between two reads of one answer: completing an upload of thousands of parts takes a server a while.
_READ_TIMEOUT_S = 60
_CHECK_TIMEOUT_S = 15
_MAX_CONNECTIONS = 32

_MISSING = {"404", "NoSuchKey", "NotFound"}
_REFUSED = {"401", "403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "Unauthorized"}
_FULL = {"507", "InsufficientStorage", "QuotaExceeded", "XMinioStorageFull"}
_NOT_OFFERED = {"405", "501", "MethodNotAllowed", "NotImplemented"}

# What a player's script needs: byte ranges, and to see which ones it got.
_RULE = {
    "AllowedMethods": ["GET", "HEAD"],
    "AllowedHeaders": ["range"],
    "ExposeHeaders": ["content-length", "content-range", "etag"],
    "MaxAgeSeconds": 3600,
}

_FOREIGN_ERRORS = (BotoCoreError, ClientError, aiohttp.ClientError, OSError)


class S3Store:
    """An `ObjectStore` in one bucket, its connections opened at the first call and kept until `close`.

    Signed URLs answer GET only, for SigV4 signs the method. An empty `endpoint` means AWS itself.
    """

    def __init__(
        self, *, endpoint: str, bucket: str, region: str, access_key_id: str, secret_access_key: str
    ) -> None:
        self._endpoint = endpoint
        self._bucket = bucket
        self._region = region
        self._access_key_id = access_key_id
        self._secret_access_key = secret_access_key
        self._connections = AsyncExitStack()
        self._connecting = asyncio.Lock()
        # aiobotocore makes its clients of JSON models at run time: they have no static type.
        self._client: Any = None

    def adopter(self, directory: Path) -> Adopt | None:  # noqa: ARG002  no directory is near a bucket
        return None

    async def start_upload(self, key: str, *, size_bytes: int, content_type: str) -> "S3Upload":
        check_key(key)
        with self.told(key):
            client = await self.client()
            answer = await client.create_multipart_upload(
                Bucket=self._bucket, Key=key, ContentType=content_type
            )
        return S3Upload(self, self._bucket, key, answer["UploadId"], part_bytes_for(size_bytes))

    async def put(self, key: str, data: bytes, *, content_type: str) -> ObjectInfo:
        check_key(key)
        with self.told(key):
            client = await self.client()
            await client.put_object(Bucket=self._bucket, Key=key, Body=data, ContentType=content_type)
        return await self.head(key)

    async def head(self, key: str) -> ObjectInfo:
        check_key(key)
        with self.told(key):
            client = await self.client()
            answer = await client.head_object(Bucket=self._bucket, Key=key)
        return _info(key, answer, size_field="ContentLength", content_type=answer.get("ContentType", OTHER))

    async def read(self, key: str, offset: int, length: int) -> bytes:
        check_key(key)
        if length <= 0:
            return b""
        try:
            with self.told(key):
                client = await self.client()
                answer = await client.get_object(
                    Bucket=self._bucket, Key=key, Range=f"bytes={offset}-{offset + length - 1}"
                )
                async with answer["Body"] as body:
                    # A server that ignores the range would send the whole film.
                    if "ContentRange" not in answer and (offset or answer["ContentLength"] > length):
                        raise StoreError(f"{self._place} ignores byte ranges; it can't be used for playback")
                    return await body.read()
        except _BeyondTheEnd:
            return b""

    async def list(self, prefix: str) -> list[ObjectInfo]:
        check_prefix(prefix)
        with self.told(prefix):
            client = await self.client()
            pages = _pages(client, "list_objects_v2", Bucket=self._bucket, Prefix=prefix)
            found = [
                _info(item["Key"], item, size_field="Size", content_type=type_of(item["Key"]))
                async for page in pages
                for item in page.get("Contents", ())
            ]
        return sorted(found, key=lambda info: info.key)

    async def delete_prefix(self, prefix: str) -> int:
        check_delete_prefix(prefix)
        await self._abort_uploads(prefix)
        keys = [info.key for info in await self.list(prefix)]
        with self.told(prefix):
            client = await self.client()
            for key in keys:
                await client.delete_object(Bucket=self._bucket, Key=key)
        return len(keys)

    async def _abort_uploads(self, prefix: str) -> None:
        try:
            with self.told(prefix):
                client = await self.client()
                pages = _pages(client, "list_multipart_uploads", Bucket=self._bucket, Prefix=prefix)
                uploads = [upload async for page in pages for upload in page.get("Uploads", ())]
        except (_NotOffered, _UploadIsOver):
            # Not offered: such a server drops unfinished uploads by a rule of the bucket. Over: rclone says
            # so of a bucket that never had one.
            return
        for upload in uploads:
            await self.abort_upload(upload["Key"], upload["UploadId"])

    async def abort_upload(self, key: str, upload_id: str) -> None:
        """Idempotent."""
        try:
            with self.told(key):
                client = await self.client()
                await client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
        except _UploadIsOver:
            return

    async def signed_url(self, key: str, *, ttl_s: int, content_type: str) -> str:
        check_key(key)
        with self.told(key):
            client = await self.client()
            return await client.generate_presigned_url(
                "get_object",
                Params={"Bucket": self._bucket, "Key": key, "ResponseContentType": content_type},
                ExpiresIn=ttl_s,
            )

    async def let_pages_read(self, origin: str) -> None:
        """See `ObjectStore`; a bucket that has rules is left as it is."""
        try:
            with self.told(self._bucket):
                client = await self.client()
                if await _has_no_rules(client, self._bucket):
                    rules = {"CORSRules": [_RULE | {"AllowedOrigins": [origin]}]}
                    await client.put_bucket_cors(Bucket=self._bucket, CORSConfiguration=rules)
        except StoreError as error:
            raise StoreError(
                f"browsers may not be allowed to play films from the bucket {self._bucket}: give it a CORS "
                f"rule for the origin {origin}, methods GET and HEAD, header Range ({error})"
            ) from error

    async def check(self) -> None:
        """Raises a `StoreError` within 15 s unless these keys may list this bucket."""
        try:
            async with asyncio.timeout(_CHECK_TIMEOUT_S):
                with self.told(self._bucket):
                    client = await self.client()
                    await client.list_objects_v2(Bucket=self._bucket, MaxKeys=1)
        except TimeoutError as error:
            raise StoreError(
                f"{self._place} didn't answer in {_CHECK_TIMEOUT_S} s; check [storage] endpoint"
            ) from error

    async def close(self) -> None:
        async with self._connecting:
            self._client = None
            await self._connections.aclose()

    async def client(self) -> Any:
        """The S3 client, made at the first call."""
        async with self._connecting:
            if self._client is None:
                session = cast(Any, aioboto3).Session()
                self._client = await self._connections.enter_async_context(
                    session.client(
                        "s3",
                        endpoint_url=self._endpoint or None,
                        region_name=self._region,
                        aws_access_key_id=self._access_key_id,
                        aws_secret_access_key=self._secret_access_key,
                        config=_config(path_style=bool(self._endpoint)),
                    )
                )
            return self._client

    @property
    def _place(self) -> str:
        return f"the object store at {self._endpoint or 'AWS'}"

    @contextmanager
    def told(self, what: str) -> Generator[None]:
        """Translates what the store and the network say."""
        try:
            yield
        except ClientError as error:
            raise self._refusal(what, _code(error)) from error
        except _FOREIGN_ERRORS as error:
            raise StoreError(
                f"{self._place} can't be reached ({type(error).__name__}): "
                "check [storage] endpoint, and whether the store is up"
            ) from error

    def _refusal(self, what: str, code: str) -> StoreError:
        if code in _MISSING:
            return NoSuchObject(f"there is no object {what} in the bucket {self._bucket}")
        if code == "NoSuchBucket":
            return StoreError(
                f"{self._place} has no bucket {self._bucket}: create it, or correct [storage] bucket"
            )
        if code in _REFUSED:
            return StoreError(
                f"{self._place} refused these keys for the bucket {self._bucket} ({code}): "
                "check [storage] access_key_id, secret_access_key and what they may do"
            )
        if code in _FULL:
            return StoreFull(
                f"{self._place} is full: no room for {what}; delete something, or raise its quota"
            )
        special = {"InvalidRange": _BeyondTheEnd, "416": _BeyondTheEnd, "NoSuchUpload": _UploadIsOver}
        kind = _NotOffered if code in _NOT_OFFERED else special.get(code, StoreError)
        return kind(f"{self._place} answered {code} about {what}; look in its log")


class _BeyondTheEnd(StoreError):
    pass


class _UploadIsOver(StoreError):
    pass


class _NotOffered(StoreError):
    pass


class S3Upload:
    """An `Upload` as S3's multipart upload. The store keeps the parts; a crash leaves them there."""

    def __init__(self, store: S3Store, bucket: str, key: str, upload_id: str, part_bytes: int) -> None:
        self._store = store
        self._bucket = bucket
        self._key = key
        self._upload_id = upload_id
        self._part_bytes = part_bytes
        self._lengths: dict[int, int] = {}
        self._etags: dict[int, str] = {}

    @property
    def part_bytes(self) -> int:
        return self._part_bytes

    async def put_part(self, number: int, data: bytes | bytearray | memoryview) -> None:
        length = memoryview(data).nbytes
        check_part(number, length, self._part_bytes)
        with self._store.told(self._key):
            client = await self._store.client()
            answer = await client.upload_part(
                **self._upload,
                PartNumber=number,
                # aiohttp writes a file piece by piece, but bytes in one go; and botocore takes no memoryview.
                Body=io.BytesIO(data),
            )
        self._lengths[number] = length
        self._etags[number] = answer["ETag"]

    async def complete(self) -> ObjectInfo:
        size_bytes = check_whole(self._key, self._lengths, self._part_bytes)
        parts = [{"PartNumber": number, "ETag": self._etags[number]} for number in sorted(self._etags)]
        try:
            with self._store.told(self._key):
                client = await self._store.client()
                await client.complete_multipart_upload(**self._upload, MultipartUpload={"Parts": parts})
        except _UploadIsOver:
            # The answer to a first try may have been lost: then the object is there.
            info = await self._store.head(self._key)
            if info.size_bytes != size_bytes:
                raise
            return info
        return await self._store.head(self._key)

    async def abort(self) -> None:
        await self._store.abort_upload(self._key, self._upload_id)

    @property
    def _upload(self) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._key, "UploadId": self._upload_id}


def _code(error: ClientError) -> str:
    response = cast(dict[str, Any], error.response)
    return str(response.get("Error", {}).get("Code", "no code"))


def _config(*, path_style: bool) -> AioConfig:
    return AioConfig(
        signature_version="s3v4",
        connect_timeout=_CONNECT_TIMEOUT_S,
        read_timeout=_READ_TIMEOUT_S,
        max_pool_connections=_MAX_CONNECTIONS,
        # "standard" waits with full jitter, and retries connections, time-outs, throttling and 5xx.
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        s3={"addressing_style": "path" if path_style else "auto"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )


async def _has_no_rules(client: Any, bucket: str) -> bool:
    """Of CORS. A server that doesn't know such rules may answer something else altogether; it has its own."""
    try:
        await client.get_bucket_cors(Bucket=bucket)
    except ClientError as error:
        if _code(error) == "NoSuchCORSConfiguration":
            return True
        raise
    return False


async def _pages(client: Any, operation: str, **arguments: Any) -> AsyncIterator[dict[str, Any]]:
    async for page in client.get_paginator(operation).paginate(**arguments):
        yield page


def _info(key: str, answer: dict[str, Any], *, size_field: str, content_type: str) -> ObjectInfo:
    return ObjectInfo(
        key=key,
        size_bytes=answer[size_field],
        content_type=content_type,
        etag=answer["ETag"].strip('"'),
        modified_at=answer["LastModified"].astimezone(UTC),
    )
