"""Processor time of one look-up, a keyswitch and a bootstrap: our kernel beside the crate, on one core.

The crate's is a slope: bitwise and of two 64-bit numbers takes as many look-ups as its own counter counted
(`tfhe_rs_counts`), so what a component of several takes more than one of a single one is look-ups alone.
"""

import time
from collections.abc import Callable
from typing import Final, TypeAlias

from streams.bench.components import CRATE, OURS
from streams.bench.report import Figure, Report
from streams.bench.tfhe_rs_counts import counted
from streams.domain.operations import FheType

Act: TypeAlias = Callable[[int], object]
Clock: TypeAlias = Callable[[], float]

OPERATION: Final = "BitAnd"
LENGTHS: Final = (1, 5)  # of the components whose times are subtracted
BATCHES: Final = (1, 16, 32)
SINGLE_AIM: Final = 0.6
BATCH_AIM: Final = 0.33


def compare(crate: Act, ours: Act, repeats: int, clock: Clock = time.process_time) -> Report:
    """The figures of both and their ratios.

    Args:
        crate: computes a component of so many operations, one after the other.
        ours: bootstraps so many ciphertexts together.
        repeats: of which the least time counts.
        clock: seconds of this process, which has one thread.
    """
    calls = [*((crate, length) for length in LENGTHS), *((ours, batch) for batch in BATCHES)]
    # In turns: a minute in which neighbours are busy is one of both.
    rounds = [[_seconds(act, size, clock) for act, size in calls] for _ in range(repeats)]
    short, long, *batches = map(min, zip(*rounds, strict=True))
    theirs = (long - short) / ((LENGTHS[1] - LENGTHS[0]) * _counted())
    figures = [_ms(CRATE, theirs)]
    for batch, seconds in zip(BATCHES, batches, strict=True):
        each = seconds / batch
        name = f"{OURS}, {batch} at once"
        aim = SINGLE_AIM if batch == 1 else BATCH_AIM
        ratio = Figure(name=f"look-up, {name}, ratio", value=round(each / theirs, 3), unit="", at_most=aim)
        figures += [_ms(name, each), ratio]
    return Report(bench="look-up", setting={"repeats": repeats}, figures=tuple(figures))


def _counted() -> int:
    """Look-ups of one operation of the crate."""
    found = counted(OPERATION, FheType.UINT64.bits, "encrypted")
    assert found is not None
    return found.one_thread


def _seconds(act: Act, size: int, clock: Clock) -> float:
    started = clock()
    act(size)
    return clock() - started


def _ms(name: str, seconds: float) -> Figure:
    return Figure(name=f"look-up, {name}", value=round(1000 * seconds, 3), unit="ms of a core")
