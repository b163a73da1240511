"""Background tasks for the length of a context."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Coroutine

import structlog

_log = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def beside(*endless: Coroutine[object, object, None]) -> AsyncGenerator[None]:
    """Run these until the context ends. An error ends its own task only; the log has it at once."""
    tasks = [asyncio.create_task(each) for each in endless]
    for task in tasks:
        task.add_done_callback(_tell)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("a task in the background failed", action="background_failed", exc_info=error)
