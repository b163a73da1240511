"""Processor time of squashing one stored number: our engine beside the crate, in one run, on one thread each.

What a suite does is measured whole: to the bare element, to the compressed list. Decompression, which both
begin with, is measured alone and taken off. All of them take turns, so that what neighbours take for a while
is taken from all, and the least time of each counts.
"""

import time
from collections.abc import Callable, Mapping, Sequence
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
Action: TypeAlias = Callable[[], object]
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
    actions = {name: _actions(each, stored, decrypt) for name, each in suites.items()}
    rounds = [
        {name: [_spent(act, clock) for act in own] for name, own in actions.items()} for _ in range(repeats)
    ]
    times = {name: _times([found[name] for found in rounds], blocks) for name in suites}
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


def _actions(measured: Measured, stored: tuple[bytes, FheType, int], decrypt: Decrypt) -> list[Action]:
    """Decompression, the bare element and the list; both were right once."""
    ct64, fhe_type, number = stored
    actions: list[Action] = [measured.decompress]
    for compressed in (False, True):
        squash = partial(measured.suite.squash, ct64, fhe_type, compressed=compressed)
        if decrypt(squash(), compressed) != number:
            raise WrongSquash(f"{number} is another number once it is squashed")
        actions.append(squash)
    return actions


def _spent(action: Action, clock: Clock) -> float:
    started = clock()
    action()
    return clock() - started


def _times(rounds: Sequence[Sequence[float]], blocks: int) -> Times:
    """Of the seconds that a suite's actions took in each round."""
    decompress, bare, whole = map(min, zip(*rounds, strict=True))
    return Times(1000 * (bare - decompress) / blocks, 1000 * (whole - bare) / blocks)


def _ratio(name: str, ours: float, crate: float, aim: float) -> Figure:
    return Figure(name=name, value=round(ours / crate, 3), unit="", at_most=aim)
