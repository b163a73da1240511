"""Processor time of squashing one stored number: our engine beside the crate, in one run, on one thread each.

What a suite does is measured whole: to the bare element, to the compressed list. Decompression, which both
begin with, is measured alone and taken off.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from streams.bench.report import Figure, Report
from streams.domain.errors import Fatal
from streams.domain.operations import FheType
from streams.fhe.suite import SquashSuite

SQUASH_RATIO_AIM: Final = 0.12
COMPRESSION_RATIO_AIM: Final = 0.2
OURS, CRATE = "wave", "tfhe-rs"
BITS_PER_BLOCK: Final = 4  # of what is squashed: two blocks of two bits in one
Clock: TypeAlias = Callable[[], float]
Decrypt: TypeAlias = Callable[[bytes, bool], int]  # a ct128, and whether it is a list


class WrongSquash(Fatal):
    """A squashed number decrypts to another one."""


@dataclass(frozen=True)
class Measured:
    """A suite, and what decompresses for it."""

    suite: SquashSuite
    decompress: Callable[[], object]


@dataclass(frozen=True)
class Times:
    """Milliseconds of a core for a squashed block."""

    squash: float
    compress: float


def compare(
    suites: Mapping[str, Measured],
    stored: tuple[bytes, FheType, int],
    decrypt: Decrypt,
    repeats: int,
    clock: Clock = time.process_time,
) -> Report:
    """The figures of both engines and their ratios.

    Args:
        suites: `OURS` and `CRATE`.
        stored: a ct64, its type and its number.
        decrypt: opens what they made.
        repeats: of which the least time counts.
        clock: seconds of this process.

    Raises:
        WrongSquash: a result is another number.
    """
    blocks = -(-stored[1].bits // BITS_PER_BLOCK)
    times = {name: _times(each, stored, decrypt, repeats, clock, blocks) for name, each in suites.items()}
    ours, crate = times[OURS], times[CRATE]
    own = [
        figure
        for name, each in times.items()
        for figure in (
            Figure(name=f"squash, {name}", value=round(each.squash, 2), unit="ms of a core"),
            Figure(name=f"compress, {name}", value=round(each.compress, 2), unit="ms of a core"),
        )
    ]
    squash = _ratio("squash, ratio", ours.squash, crate.squash, SQUASH_RATIO_AIM)
    compress = _ratio("compress, ratio", ours.compress, crate.compress, COMPRESSION_RATIO_AIM)
    setting: dict[str, int | float | str] = {"bits": stored[1].bits, "blocks": blocks, "repeats": repeats}
    return Report(bench="squash", setting=setting, figures=(*own, squash, compress))


def _times(
    measured: Measured,
    stored: tuple[bytes, FheType, int],
    decrypt: Decrypt,
    repeats: int,
    clock: Clock,
    blocks: int,
) -> Times:
    ct64, fhe_type, number = stored
    seconds = dict[bool, float]()
    for compressed in (False, True):
        squash = partial(measured.suite.squash, ct64, fhe_type, compressed=compressed)
        if decrypt(squash(), compressed) != number:
            raise WrongSquash(f"{number} is another number once it is squashed")
        seconds[compressed] = _least(squash, repeats, clock)
    alone = seconds[False] - _least(measured.decompress, repeats, clock)
    return Times(1000 * alone / blocks, 1000 * (seconds[True] - seconds[False]) / blocks)


def _least(action: Callable[[], object], repeats: int, clock: Clock) -> float:
    found = list[float]()
    for _ in range(repeats):
        started = clock()
        action()
        found.append(clock() - started)
    return min(found)


def _ratio(name: str, ours: float, crate: float, aim: float) -> Figure:
    return Figure(name=name, value=round(ours / crate, 3), unit="", at_most=aim)
