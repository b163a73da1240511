"""How slow this machine was meanwhile: the processor time of one fixed sum.

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

_NAMES: Final = ("a fixed sum, mean", "a fixed sum, least")
_NUMBERS: Final = 30_000  # half a millisecond, so that caches which it finds cold weigh little
_PAUSE_S: Final = 0.1


class Yardstick:
    """Asks the process that adds."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def slowness(self) -> tuple[Figure, ...]:
        """Mean and least since it was last asked; nothing if the process is gone: the measurement goes on."""
        asked, answers = self._process.stdin, self._process.stdout
        assert asked is not None
        assert answers is not None
        with contextlib.suppress(BrokenPipeError):
            asked.write(b"\n")
        told = map(float, answers.readline().split())
        return tuple(
            Figure(name=name, value=value, unit="ms of a core")
            for name, value in zip(_NAMES, told, strict=False)
        )


@contextlib.contextmanager
def beside() -> Generator[Yardstick]:
    """A process that adds until the end of the context."""
    command = (sys.executable, "-m", __name__)
    pipe = subprocess.PIPE
    # Unbuffered, or what a process that is gone did not take would be flushed once more at the end. In a
    # group of its own: the terminal's interrupt is for the measurement.
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, bufsize=0, process_group=0) as process:
        try:
            yield Yardstick(process)
        finally:
            process.kill()


def answer(questions: IO[bytes], answers: IO[str], pause_s: float = _PAUSE_S) -> None:
    """Add, and answer each line with the mean and the least time since the last one, in ms.

    Args:
        questions: unbuffered.
    """
    times = [_time_ms()]
    while True:
        if select.select([questions], [], [], pause_s)[0]:
            if not questions.readline():
                return
            answers.write(f"{statistics.fmean(times):.2f} {min(times):.2f}\n")
            answers.flush()
            times = []
        times.append(_time_ms())


def _time_ms() -> float:
    started = time.thread_time()
    sum(range(_NUMBERS))
    return 1000 * (time.thread_time() - started)


if __name__ == "__main__":
    with open(sys.stdin.fileno(), "rb", buffering=0) as questions:
        answer(questions, sys.stdout)
