"""How much of a time limit a process could use: on a crowded machine it is often ready and not run.

A limit in seconds of the wall clock would kill what only waits for a core, and whoever computes it again
waits as long: under load nothing would ever end. Linux counts per thread how long it ran and how long it
was ready to run (`/proc/PID/task/TID/schedstat`, in nanoseconds).
"""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, Final

import msgspec

STRETCH_MAX: Final = 10  # times its limit by the wall clock, however crowded the machine is
_STEPS_MAX: Final = 20  # per limit: the time that is left is not halved for ever
_PROMPT_S: Final = 1.0  # what is done by then costs no look at the threads, of which there may be a hundred


class Effort(msgspec.Struct, frozen=True):
    """Seconds of a process over all its threads: run, and ready but kept waiting."""

    ran_s: float = 0.0
    kept_s: float = 0.0


def effort(pid: int) -> Effort:
    """What the process's threads have got so far; nothing where the system does not count it."""
    ran = kept = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            fields = path.read_bytes().split()
            ran, kept = ran + int(fields[0]), kept + int(fields[1])
        except (OSError, IndexError, ValueError):
            continue  # a thread that ended meanwhile
    return Effort(ran / 1e9, kept / 1e9)


def used_s(elapsed_s: float, before: Effort, after: Effort) -> float:
    """The part of that time in which the process ran, or slept by its own choice.

    Threads that wait together are kept from running once: their share of the time counts, not their sum.
    """
    ran, kept = after.ran_s - before.ran_s, after.kept_s - before.kept_s
    if ran < 0 or kept <= 0:  # threads ended and took their counts with them
        return elapsed_s
    return elapsed_s - min(kept, elapsed_s * kept / (ran + kept), elapsed_s)


async def wait_while_used(pid: int, awaited: Awaitable[Any], limit_s: float) -> bool:
    """Wait until that is done, or the process has used up its limit; whether it is done.

    What is awaited is left as it is when the time is over.
    """
    future = asyncio.ensure_future(awaited)
    loop = asyncio.get_running_loop()
    end_s, prompt_s = loop.time() + STRETCH_MAX * limit_s, min(_PROMPT_S, limit_s / 2)
    await asyncio.wait({future}, timeout=prompt_s)
    left_s = limit_s - prompt_s
    while left_s > 0 and loop.time() < end_s and not future.done():
        begun_s, before = loop.time(), effort(pid)
        await asyncio.wait({future}, timeout=max(left_s, limit_s / _STEPS_MAX))
        if not future.done():
            left_s -= used_s(loop.time() - begun_s, before, effort(pid))
    return future.done()
