"""Waiting for whatever ends first."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")


async def first_of(*awaited: Coroutine[object, object, T]) -> T:
    """What the first of these gives; the others are cancelled, and have ended before this returns.

    Of several that end in the same turn of the loop the first in order counts, but an error before any
    result. Errors of those that are cancelled are dropped. Who is cancelled here cancels all of them, and is
    kept until they have ended: they are to let go of what they hold when they are told to.

    Raises: what the first one raises.
    """
    tasks = [asyncio.ensure_future(each) for each in awaited]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        results = [task.result() for task in tasks if task.done()]
        return results[0]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
