"""ports.Blobs on S3: a synchronous client in a bounded pool of threads."""

import asyncio
import base64
import hashlib
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, Final, TypeVar, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from streams.adapters.breaker import Breaker
from streams.adapters.object_store.retry import Unavailable, retrying
from streams.adapters.telemetry import logs
from streams.domain.errors import BlobError, ConfigurationError
from streams.ports import Blob, Clock
from streams.settings import ObjectStoreSettings

T = TypeVar("T")
SECRET_VARIABLE: Final = "AWS_SECRET_ACCESS_KEY"  # noqa: S105  # its name
REQUESTS_MAX: Final = 8  # at a time, a thread each; an object of 128-bit ciphertext is a few MB
_ABSENT: Final = "*"  # the condition that there is no object of that name
_EXISTS: Final = frozenset({"PreconditionFailed", "412"})
_CONNECT_TIMEOUT_S: Final = 5
_READ_TIMEOUT_S: Final = 30
_MISSING: Final = frozenset({"NoSuchKey", "404", "NotFound"})
_SERVER_ERRORS: Final = 500
_BUSY: Final = frozenset({"SlowDown", "RequestTimeout", "Throttling", "ThrottlingException", "429"})
_RACING: Final = frozenset({"ConditionalRequestConflict"})  # another put or delete of the key is in progress


class S3Blobs:
    """Objects of any bucket that the credentials reach."""

    def __init__(
        self, settings: ObjectStoreSettings, clock: Clock, *, requests_max: int = REQUESTS_MAX
    ) -> None:
        self._client = _connect(settings, requests_max)
        self._clock = clock
        self._pool = ThreadPoolExecutor(requests_max, thread_name_prefix="s3")
        self.breaker = Breaker("object store", clock, BlobError, failure=Unavailable)

    async def put(
        self, bucket: str, key: str, body: bytes, metadata: Mapping[str, str] | None = None
    ) -> None:
        """Store with an SHA-256 checksum, which the server verifies; raises BlobError."""
        request = _object(bucket, key, body, metadata)
        await self._request(f"put {bucket}/{key}", lambda: self._client.put_object(**request))

    async def put_new(
        self, bucket: str, key: str, body: bytes, metadata: Mapping[str, str] | None = None
    ) -> bool:
        """Store on the condition that there is no such object, which the server checks; False if there is.

        Raises: BlobError.
        """
        request = _object(bucket, key, body, metadata) | {"IfNoneMatch": _ABSENT}

        def store() -> bool:
            try:
                self._client.put_object(**request)
            except ClientError as error:
                # Somebody was first, which is an answer and no failure.
                if _code(error) in _EXISTS:
                    return False
                raise
            return True

        return await self._request(f"put new {bucket}/{key}", store)

    async def check(self, bucket: str) -> None:
        """Ask once whether the bucket is there, whatever was answered before; raises BlobError."""
        await self._attempt(f"head {bucket}", lambda: self._client.head_bucket(Bucket=bucket))

    async def head(self, bucket: str, key: str) -> Mapping[str, str] | None:
        """User metadata, or None when there is no such object; raises BlobError."""

        def ask() -> Mapping[str, str] | None:
            answer = _unless_missing(lambda: self._client.head_object(Bucket=bucket, Key=key))
            return None if answer is None else answer["Metadata"]

        return await self._request(f"head {bucket}/{key}", ask)

    async def get(self, bucket: str, key: str, *, size_bytes_max: int) -> Blob | None:
        """The object, or None; raises BlobError, also when it is larger than allowed, before reading it."""

        def fetch() -> Blob | None:
            answer = _unless_missing(lambda: self._client.get_object(Bucket=bucket, Key=key))
            if answer is None:
                return None
            with closing(answer["Body"]) as body:
                size = int(answer["ContentLength"])
                if size > size_bytes_max:
                    raise BlobError(f"{bucket}/{key} has {size} bytes, more than {size_bytes_max}")
                return Blob(body=body.read(), metadata=answer["Metadata"])

        return await self._request(f"get {bucket}/{key}", fetch)

    async def close(self) -> None:
        """Wait for requests in flight and let go of the connections."""
        await asyncio.to_thread(self._pool.shutdown)
        self._client.close()

    async def _request(self, what: str, action: Callable[[], T]) -> T:
        return await self.breaker.call(lambda: retrying(self._clock)(self._attempt, what, action))

    async def _attempt(self, what: str, action: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, action)
        except ClientError as error:
            kind = Unavailable if _is_busy(error) else BlobError
            raise kind(f"{what}: {error}") from error
        except (BotoCoreError, HTTPClientError) as error:
            raise Unavailable(f"{what}: {error}") from error


def _object(bucket: str, key: str, body: bytes, metadata: Mapping[str, str] | None) -> dict[str, Any]:
    checksum = base64.b64encode(hashlib.sha256(body).digest()).decode()
    about = dict(metadata or {})
    return {"Bucket": bucket, "Key": key, "Body": body, "Metadata": about, "ChecksumSHA256": checksum}


def _connect(settings: ObjectStoreSettings, requests_max: int) -> Any:
    library: Any = boto3  # it has no types
    return library.client(
        "s3",
        endpoint_url=settings.endpoint or None,
        region_name=settings.region,
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=_hidden(_secret(settings)),
        config=Config(
            signature_version="s3v4",
            # a bucket as the host's first part would need a name in DNS for each, which private stores do
            # not have
            s3={"addressing_style": "path"},
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=_READ_TIMEOUT_S,
            max_pool_connections=requests_max,
            retries={"total_max_attempts": 1},  # ours are the only ones, so that they can be counted
            request_checksum_calculation="when_required",  # put sends its own
        ),
    )


def _hidden(secret: str) -> str:
    logs.hide(secret)
    return secret


def _secret(settings: ObjectStoreSettings) -> str:
    if settings.secret_key_file is not None:
        try:
            return settings.secret_key_file.read_text().strip()
        except OSError as error:
            raise ConfigurationError(f"cannot read {settings.secret_key_file}: {error.strerror}") from error
    if SECRET_VARIABLE not in os.environ:
        raise ConfigurationError(f"set object_store.secret_key_file or {SECRET_VARIABLE}")
    return os.environ[SECRET_VARIABLE]


def _unless_missing(action: Callable[[], Any]) -> Any:
    try:
        return action()
    except ClientError as error:
        if _code(error) in _MISSING:
            return None
        raise


def _code(error: ClientError) -> str:
    return str(_response(error).get("Error", {}).get("Code", ""))


def _response(error: ClientError) -> dict[str, Any]:
    return cast("dict[str, Any]", error.response)  # pyright: ignore[reportUnknownMemberType]


def _is_busy(error: ClientError) -> bool:
    status = int(_response(error).get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return status >= _SERVER_ERRORS or _code(error) in _BUSY | _RACING
