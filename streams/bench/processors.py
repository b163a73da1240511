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


def keep_to(processor: int, leader: ProcessId) -> None:
    """For the processes of a session with their threads, and for what they start from here on."""
    for member in session_members(leader):
        # A process or a thread may have ended since it was listed.
        with contextlib.suppress(FileNotFoundError):
            for thread in Path(f"/proc/{member.pid}/task").iterdir():
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setaffinity(int(thread.name), {processor})
