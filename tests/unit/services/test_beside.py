"""What runs in the background of a context."""

import asyncio

import pytest
from structlog.testing import capture_logs

from streams.adapters.memory.clock import settle as let_run
from streams.services.beside import beside


async def test_it_ends_with_the_context_also_with_one_that_fails() -> None:
    ended = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def failing() -> None:
        async with beside(endless()):
            await let_run()
            raise ValueError("ours")

    with pytest.raises(ValueError, match="ours"):
        await failing()
    assert ended.is_set()


async def test_an_error_is_told_at_once_and_ends_nothing_else() -> None:
    others = asyncio.Event()

    async def failing() -> None:
        raise ValueError("theirs")

    async def endless() -> None:
        await others.wait()

    with capture_logs() as lines:
        async with beside(failing(), endless()):
            await let_run()
            assert [line["action"] for line in lines] == ["background_failed"]
    assert len(lines) == 1
