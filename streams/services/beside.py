"""What runs for ever beside something else."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Coroutine


@contextlib.asynccontextmanager
async def beside(*endless: Coroutine[object, object, None]) -> AsyncGenerator[None]:
    """Run these as long as the context lasts; how they end is nobody's business."""
    tasks = [asyncio.create_task(each) for each in endless]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
