"""Killing a service while it has work in hand.

What a service says of itself is over when the answer arrives. So it is stopped first, and others are asked
what it has; it is killed where it stands, or goes on and is looked at again.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, Callable
from typing import Final, Protocol

from streams.devnet import processes
from streams.devnet.processes import ProcessId
from streams.devnet.supervisor import ChildDied, Supervisor
from streams.domain.errors import Fatal

BUSY_TIMEOUT_S: Final = 120.0
_LOOK_S: Final = 0.01
_STEP_S: Final = 0.001  # an item of the clear engine takes a few
_STOP_S: Final = 0.001  # the kernel stops a process as soon as each of its threads has run


class IdleKill(Fatal):
    """A service was to be killed while busy, but it had nothing in its hands."""


class Proof(Protocol):
    """What others say of the work of one process."""

    async def is_likely(self) -> bool:
        """Whether it is worth stopping the process now; asked while it runs, and while it is stopped."""
        ...

    async def holds(self) -> bool:
        """Whether the process, which is stopped, has had work in hand ever since."""
        ...


Prove = Callable[[int], Proof]  # for a process of this number


async def kill_busy(
    supervisor: Supervisor, name: str, prove: Prove, timeout_s: float = BUSY_TIMEOUT_S
) -> None:
    """SIGKILL a process that has work in hand.

    Raises: IdleKill when that could not be shown in time, ChildDied when it ended by itself.
    """
    process = supervisor.process(name)
    if process is None:
        raise ChildDied(f"{name} was never started")
    proof = prove(process.pid)
    try:
        async with asyncio.timeout(timeout_s):
            while not await _is_killed(process, proof):
                if not processes.is_running(process):
                    raise ChildDied(f"{name} ended by itself\n{supervisor.log_tail(name)}")
                await asyncio.sleep(_LOOK_S)
    except TimeoutError:
        raise IdleKill(f"{name} had nothing to do for {timeout_s:g} s: a kill proves nothing") from None


async def _is_killed(process: ProcessId, proof: Proof) -> bool:
    """In steps of a few milliseconds as long as work is under way: a short item would be over in between."""
    is_likely = await proof.is_likely()
    while is_likely:
        async with stopped(process):
            if await proof.holds():
                return processes.send(process, signal.SIGKILL)
            is_likely = await proof.is_likely()
        await asyncio.sleep(_STEP_S)
    return False


@contextlib.asynccontextmanager
async def stopped(leader: ProcessId) -> AsyncGenerator[None]:
    """A process and the others of its session stand still while the context is open."""
    members = (leader,)
    try:
        await _stop(leader)  # alone first: from here on it starts no other
        members = processes.session_members(leader)
        for member in members:
            await _stop(member)
        yield
    finally:
        for member in members:
            processes.send(member, signal.SIGCONT)


async def _stop(process: ProcessId) -> None:
    processes.send(process, signal.SIGSTOP)
    while True:  # its threads stop one by one
        if processes.is_still(process):
            return
        await asyncio.sleep(_STOP_S)
