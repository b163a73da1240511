"""Anonymous reading: limits before memory, repeats with pauses, one error class."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from streams.adapters.breaker import BreakerState
from streams.adapters.memory.clock import FakeClock
from streams.adapters.object_store import http
from streams.adapters.object_store.http import HttpReader
from streams.adapters.object_store.retry import ATTEMPTS
from streams.domain.errors import BlobError

URL = "http://objects.test/k"
Handler = Callable[[httpx.Request], httpx.Response]


async def read(handler: Handler, size_bytes_max: int = 100, url: str = URL) -> bytes | None:
    """One get; the clock is moved on as long as somebody sleeps."""
    clock = FakeClock()
    async with HttpReader(clock, httpx.MockTransport(handler)) as reader:
        return await finish(clock, reader.get(url, size_bytes_max=size_bytes_max))


async def finish(clock: FakeClock, work: "asyncio.Future[bytes | None] | object") -> bytes | None:
    task = asyncio.ensure_future(work)  # pyright: ignore[reportArgumentType]
    while not task.done():
        await clock.advance(1)
    return task.result()


async def test_object_is_read() -> None:
    assert await read(lambda _: httpx.Response(200, content=b"body")) == b"body"


async def test_missing_object_is_none() -> None:
    assert await read(lambda _: httpx.Response(404)) is None


async def test_request_carries_no_credentials() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    await read(handler)
    assert not {"authorization", "cookie"} & set(seen[0].headers)


async def test_stated_size_is_checked_before_reading() -> None:
    with pytest.raises(BlobError, match="101 bytes, more than 100"):
        await read(lambda _: httpx.Response(200, content=bytes(101)))


async def test_an_answer_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_LEAST_TIME_S", 0.0)
    asked = 0

    async def never_whole() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    def handler(_: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        return httpx.Response(200, content=never_whole())

    with pytest.raises(BlobError, match="not whole after"):
        await read(handler)
    assert asked == ATTEMPTS


async def test_size_is_checked_while_reading() -> None:
    taken = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(1_000):
            taken += 1
            yield bytes(50)

    with pytest.raises(BlobError, match="more than 100 bytes"):
        await read(lambda _: httpx.Response(200, content=chunks()))
    assert taken < 10


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_busy_server_is_asked_again(status: int) -> None:
    answers = [httpx.Response(status), httpx.Response(status), httpx.Response(200, content=b"body")]
    assert await read(lambda _: answers.pop(0)) == b"body"


async def test_repeats_are_bounded() -> None:
    asked = 0

    def handler(_: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        raise httpx.ConnectError("refused")

    with pytest.raises(BlobError, match="refused"):
        await read(handler)
    assert asked == ATTEMPTS


async def test_refusal_is_not_repeated() -> None:
    asked = 0

    def handler(_: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        return httpx.Response(403)

    with pytest.raises(BlobError, match="status 403"):
        await read(handler)
    assert asked == 1


@pytest.mark.parametrize("url", ["ftp://objects.test/k", "no url", "http:///k", "http://a:port/k"])
async def test_what_is_no_url_is_one_error(url: str) -> None:
    with pytest.raises(BlobError):
        await read(lambda _: httpx.Response(200), url=url)


async def test_endless_redirects_are_an_error() -> None:
    with pytest.raises(BlobError):
        await read(lambda _: httpx.Response(302, headers={"location": URL}))


async def test_dead_server_is_left_alone() -> None:
    clock = FakeClock()

    def handler(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    async with HttpReader(clock, httpx.MockTransport(handler)) as reader:
        for _ in range(5):
            with pytest.raises(BlobError):
                await finish(clock, reader.get(URL, size_bytes_max=1))
        assert reader.breaker.state is not BreakerState.CLOSED
