"""Reading public objects by their URL, without credentials: what key-fetchers, KMS nodes and users do."""

import asyncio
from types import TracebackType
from typing import Final, Self

import httpx

from streams.adapters.breaker import Breaker
from streams.adapters.object_store.retry import Unavailable, retrying
from streams.domain.errors import BlobError
from streams.ports import Clock

_TIMEOUT: Final = httpx.Timeout(30, connect=5)
# Each attempt as a whole: who sends a byte now and then must not hold a caller for ever.
_LEAST_TIME_S: Final = 60.0
_LEAST_BYTES_PER_S: Final = 1024 * 1024
_REDIRECTS_MAX: Final = 3
_OK: Final = 200
_MISSING: Final = 404
_BUSY: Final = frozenset({408, 425, 429})
_SERVER_ERRORS: Final = 500
_LOOPBACK: Final = ("all://127.0.0.1", "all://localhost")  # never by the environment's proxy


class HttpReader:
    """Anonymous GET with a limit of size; to be closed, also as a context manager."""

    def __init__(self, clock: Clock, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._clock = clock
        self._client = httpx.AsyncClient(
            timeout=_TIMEOUT,
            follow_redirects=True,
            max_redirects=_REDIRECTS_MAX,
            transport=transport,
            mounts={pattern: transport or httpx.AsyncHTTPTransport() for pattern in _LOOPBACK},
        )
        self.breaker = Breaker("public objects", clock, BlobError, failure=Unavailable)

    async def get(self, url: str, *, size_bytes_max: int) -> bytes | None:
        """The object, or None when there is none; raises BlobError, also when it is larger than allowed."""
        _check(url)
        return await self.breaker.call(lambda: retrying(self._clock)(self._attempt, url, size_bytes_max))

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _attempt(self, url: str, size_bytes_max: int) -> bytes | None:
        time_max_s = _LEAST_TIME_S + size_bytes_max / _LEAST_BYTES_PER_S
        try:
            async with asyncio.timeout(time_max_s), self._client.stream("GET", url) as response:
                return await _body(response, url, size_bytes_max)
        except TimeoutError as error:
            raise Unavailable(f"get {url}: not whole after {time_max_s:g} s") from error
        except httpx.TransportError as error:
            raise Unavailable(f"get {url}: {error or type(error).__name__}") from error
        except httpx.HTTPError as error:
            raise BlobError(f"get {url}: {error}") from error


def _check(url: str) -> None:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise BlobError(f"get {url}: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise BlobError(f"get {url}: not an http URL")


async def _body(response: httpx.Response, url: str, size_bytes_max: int) -> bytes | None:
    status = response.status_code
    if status == _MISSING:
        return None
    if status in _BUSY or status >= _SERVER_ERRORS:
        raise Unavailable(f"get {url}: status {status}")
    if status != _OK:
        raise BlobError(f"get {url}: status {status}")
    stated = response.headers.get("content-length", "0")
    # Before the first byte; below, what comes is counted, as the header may be missing or wrong.
    if stated.isdigit() and int(stated) > size_bytes_max:
        raise BlobError(f"get {url}: {stated} bytes, more than {size_bytes_max}")
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > size_bytes_max:
            raise BlobError(f"get {url}: more than {size_bytes_max} bytes")
    return bytes(body)
