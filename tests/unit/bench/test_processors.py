"""Processes and their threads stay on the processor that a measurement gave them."""

import os
import subprocess
import sys
from pathlib import Path

from streams.bench import processors
from streams.devnet.processes import identify

# A thread beside the first one, then a process that is started after that.
_CHILD = """
import os, subprocess, sys, threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
print("ready", flush=True)
sys.stdin.readline()
later = "import os; print(sorted(os.sched_getaffinity(0)))"
subprocess.run([sys.executable, "-c", later])
sys.stdin.readline()
"""


def test_threads_and_what_is_started_later_stay_where_their_process_is_put() -> None:
    first, last = processors.ends()
    assert {first, last} <= os.sched_getaffinity(0)
    pipe = subprocess.PIPE
    argv = (sys.executable, "-c", _CHILD)
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, start_new_session=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        leader = identify(child.pid)
        assert leader is not None
        processors.keep_to(last, leader)
        threads = [int(thread.name) for thread in Path(f"/proc/{child.pid}/task").iterdir()]
        assert len(threads) == 2
        assert all(os.sched_getaffinity(thread) == {last} for thread in threads)
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.stdout.readline() == f"[{last}]\n"
        child.stdin.write("\n")
