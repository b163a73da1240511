"""Parts of a measurement on processors of their own, as if they had machines of their own.

An idle processor of a virtual machine looks taken to its scheduler, which then wakes the database and the
broker on the processor of whoever writes to them: a service waits for them while another processor is idle.
"""

import contextlib
import os
from pathlib import Path

from streams.devnet.processes import ProcessId, session_members


def ends() -> tuple[int, int]:
    """The first and the last processor that this process may use; one where there is no other."""
    usable = os.sched_getaffinity(0)
    return min(usable), max(usable)


def keep_to(processor: int, leader: ProcessId) -> bool:
    """For the processes of a session with their threads, and what they start from here on; if it is allowed.

    It may not be where a server runs under another account. Processes with a session of their own stay where
    they are, as those of Postgres do that run already.
    """
    threads = [thread for member in session_members(leader) for thread in _threads(member.pid)]
    try:
        for thread in threads:
            with contextlib.suppress(ProcessLookupError):  # it may have ended since it was listed
                os.sched_setaffinity(thread, {processor})
    except PermissionError:
        return False
    return True


def _threads(pid: int) -> list[int]:
    try:
        return [int(thread.name) for thread in Path(f"/proc/{pid}/task").iterdir()]
    except FileNotFoundError:
        return []
