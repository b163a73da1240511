"""Several services as children of one process: started, restarted when they die, stopped together."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from streams.services.first import first_of
from streams.services.runtime import DRAIN_S, PROCESS_VARIABLE, STATE_VARIABLE

RESTART_S: Final = (
    0.5,
    1.0,
    2.0,
    4.0,
    8.0,
    15.0,
    30.0,
)  # between a death and the next start, the last for ever
_SETTLED_S: Final = 60.0  # a child that lived this long starts from the shortest pause again

_log = structlog.get_logger(__name__)


@dataclass
class _Member:
    name: str
    argv: Sequence[str]
    service_id: str  # as settings call it; "" leaves it to the service
    process: asyncio.subprocess.Process | None = None


async def keep(
    state: Path,
    members: Mapping[str, Sequence[str]],
    pauses_s: Sequence[float] = RESTART_S,
    service_id: str = "",
) -> int:
    """Keep every member running until SIGTERM or SIGINT; 0 when all then ended gracefully.

    A given id is made one of each member: workers of the same id would take each other's heartbeats.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    # The only way out: without it a member that dies is started again for ever.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    (state / "logs").mkdir(parents=True, exist_ok=True)
    ids = {name: f"{service_id}-{name}" if service_id else "" for name in members}
    watched = [_Member(name, argv, ids[name]) for name, argv in members.items()]
    async with asyncio.TaskGroup() as group:
        codes = [group.create_task(_keep_one(state, member, stopping, pauses_s)) for member in watched]
        await stopping.wait()
        _log.info("told to stop", action="stopping")
    return max((task.result() for task in codes), default=0)


async def _keep_one(state: Path, member: _Member, stopping: asyncio.Event, pauses_s: Sequence[float]) -> int:
    deaths = 0
    while not stopping.is_set():
        started_s = asyncio.get_running_loop().time()
        code = await _life(state, member, stopping)
        # told to end: its own exit code is the answer, not a reason to start it again
        if stopping.is_set():
            return 0 if code == 0 else 1
        lived_s = asyncio.get_running_loop().time() - started_s
        # One death after days must not be punished like the tenth within a minute.
        deaths = 1 if lived_s > _SETTLED_S else deaths + 1
        pause_s = pauses_s[min(deaths, len(pauses_s)) - 1]
        _log.warning(
            "child ended", action="child_ended", child=member.name, exit_code=code, again_in_s=pause_s
        )
        await _pause(stopping, pause_s)
    return 0


async def _life(state: Path, member: _Member, stopping: asyncio.Event) -> int:
    """One process of a member, from start to end; its exit code."""
    # The child keeps its copy of the descriptor; appended, so that a restart does not wipe out why it was
    # needed.
    with (state / "logs" / f"{member.name}.log").open("ab") as log:
        child = await asyncio.create_subprocess_exec(
            *member.argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_environment(state, member),
            start_new_session=True,  # Ctrl-C reaches us only, and we stop the children
        )
    member.process = child
    _log.info("child started", action="child_started", child=member.name, pid=child.pid)
    await first_of(child.wait(), stopping.wait())
    if stopping.is_set():
        _terminate(member)
    return await _end(child)


async def _end(child: asyncio.subprocess.Process) -> int:
    """Exit code of a child that ended or was told to; one that ignores it is killed after its drain time."""
    try:
        async with asyncio.timeout(DRAIN_S + 5):
            return await child.wait()
    except TimeoutError:
        # It drains for DRAIN_S by itself and was given five seconds more: it is stuck.
        child.kill()
        return await child.wait()


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return


def _terminate(member: _Member) -> None:
    if member.process is not None and member.process.returncode is None:
        member.process.terminate()


def _environment(state: Path, member: _Member) -> dict[str, str]:
    ours = {
        STATE_VARIABLE: str(state),
        PROCESS_VARIABLE: member.name,
        "CIPHERSTREAM_SERVICE__HTTP_PORT": "0",  # one setting cannot be the port of all
        "CIPHERSTREAM_SERVICE__ID": member.service_id,  # nor the id
    }
    return {**os.environ, **ours}
