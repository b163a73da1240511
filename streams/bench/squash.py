"""Processor time of squashing one stored number: our engine beside the crate, in one run, on one thread each.

Decompression, which a number that is squashed passes through, is measured alone and taken off; compression
is measured alone. All of them take turns, so that what neighbours take for a while is taken from all, and the
least time of each counts.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeAlias

from streams.bench.report import Figure, Report
from streams.domain.errors import Fatal
from streams.domain.operations import FheType

SQUASH_RATIO_AIM: Final = 0.12
COMPRESSION_RATIO_AIM: Final = 0.2
OURS, CRATE = "wave", "tfhe-rs"
BITS_PER_BLOCK: Final = 4  # of what is squashed: two blocks of two bits in one
Clock: TypeAlias = Callable[[], float]


class WrongSquash(Fatal):
    """A squashed number decrypts to another one."""


@dataclass(frozen=True)
class Measured:
    """What an engine does with a stored number."""

    decompress: Callable[[], object]
    squash: Callable[[], Any]  # decompresses it first
    compress: Callable[[Any], bytes]  # what was squashed, to a ct128


@dataclass(frozen=True)
class Times:
    """Milliseconds of a core for a squashed block."""

    squash: float
    compress: float


def compare(
    engines: Mapping[str, Measured],
    fhe_type: FheType,
    number: int,
    decrypt: Callable[[bytes], int],
    repeats: int,
    clock: Clock = time.process_time,
) -> Report:
    """The figures of both engines and their ratios.

    Args:
        engines: `OURS` and `CRATE`.
        fhe_type: of the stored number.
        number: what it decrypts to.
        decrypt: opens a ct128.
        repeats: of which the least time counts.
        clock: seconds of this process.

    Raises:
        WrongSquash: a result is another number.
    """
    blocks = -(-fhe_type.bits // BITS_PER_BLOCK)
    rounds = [
        {name: _spent(each, number, decrypt, clock) for name, each in engines.items()} for _ in range(repeats)
    ]
    times = {name: _times([found[name] for found in rounds], blocks) for name in engines}
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
    setting: dict[str, int | float | str] = {"bits": fhe_type.bits, "blocks": blocks, "repeats": repeats}
    return Report(bench="squash", setting=setting, figures=(*own, squash, compress))


def _spent(
    engine: Measured, number: int, decrypt: Callable[[bytes], int], clock: Clock
) -> tuple[float, float, float]:
    """Seconds of decompression, of squashing with decompression, and of compression."""
    times = [clock()]
    engine.decompress()
    times.append(clock())
    squashed = engine.squash()
    times.append(clock())
    ct128 = engine.compress(squashed)
    times.append(clock())
    if decrypt(ct128) != number:
        raise WrongSquash(f"{number} is another number once it is squashed")
    decompress, squash, compress = (after - before for before, after in pairwise(times))
    return decompress, squash, compress


def _times(rounds: Sequence[tuple[float, float, float]], blocks: int) -> Times:
    decompress, squash, compress = map(min, zip(*rounds, strict=True))
    return Times(1000 * (squash - decompress) / blocks, 1000 * compress / blocks)


def _ratio(name: str, ours: float, crate: float, aim: float) -> Figure:
    return Figure(name=name, value=round(ours / crate, 3), unit="", at_most=aim)
