"""How slow this machine was meanwhile: the processor time of one fixed sum, beside its least.

What neighbours on the same hardware take of a core, and a clock that is lowered, is not told to a guest:
it counts as the time of whoever ran. So a process of its own adds the same numbers every tenth of a second.
Its processor time leaves out what others of this machine take, the measured services too.
"""

import contextlib
import select
import statistics
import subprocess
import sys
import time
from collections.abc import Generator
from typing import IO, Final

from streams.bench.report import Figure

_NAME: Final = "the same sum takes, of its least"
_NUMBERS: Final = 30_000  # half a millisecond: long beside the caches that it finds cold
_PAUSE_S: Final = 0.1


class Yardstick:
    """Asks the process that adds."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def slowness(self) -> tuple[Figure, ...]:
        """The mean since it was last asked; nothing if the process is gone, which costs no measurement."""
        asked, answers = self._process.stdin, self._process.stdout
        assert asked is not None
        assert answers is not None
        with contextlib.suppress(BrokenPipeError):
            asked.write(b"\n")
        told = answers.readline()
        return (Figure(name=_NAME, value=float(told), unit="times"),) if told else ()


@contextlib.contextmanager
def beside() -> Generator[Yardstick]:
    """A process that adds until the end of the context."""
    command = (sys.executable, "-m", __name__)
    pipe = subprocess.PIPE
    # Unbuffered, or what a process that is gone did not take would be flushed once more at the end.
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, bufsize=0) as process:
        try:
            yield Yardstick(process)
        finally:
            process.kill()


def answer(questions: IO[bytes], answers: IO[str], pause_s: float = _PAUSE_S) -> None:
    """Add, and answer each line with the mean time since the last one, as a multiple of the least ever.

    Args:
        questions: unbuffered.
    """
    times, least = [_time()], float("inf")
    while True:
        if select.select([questions], [], [], pause_s)[0]:
            if not questions.readline():
                return
            least = min(least, *times)
            answers.write(f"{statistics.fmean(times) / least:.2f}\n")
            answers.flush()
            times = []
        times.append(_time())


def _time() -> float:
    started = time.thread_time()
    sum(range(_NUMBERS))
    return time.thread_time() - started


if __name__ == "__main__":
    with open(sys.stdin.fileno(), "rb", buffering=0) as questions:
        answer(questions, sys.stdout)
