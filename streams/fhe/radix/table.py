"""Look-up tables: from functions on a range to the sixteen boxes of a test polynomial.

Blind rotation by v reads box v of a polynomial modulo X^N + 1, hence of a list of sixteen entries T with
T[v + 16] = -T[v]. Two things follow. A function on at most sixteen consecutive values is always a table. On a
wider range it is one exactly if f(v) + f(v + 16) is the same number 2c wherever both are in range: the table
holds f - c and the constant c is added after the bootstrap, for free. So the padding bit is used, not wasted.

Several functions in one bootstrap (PBSmanyLUT: Chillotti, Ligier, Orfila, Tap, Asiacrypt 2021, section 4):
every coefficient of the rotated polynomial can be extracted, and box s away from the first reads T[v + s].
Noises of two coefficients share what the digits' rounding adds times the mean of the key; the share changes
sign where X^N wraps, so that half a polynomial apart, where two results lie, they are uncorrelated.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from streams.domain.errors import OperationError

Function = Callable[[int], int]

SPACE: Final = 16  # boxes of a test polynomial
TURN: Final = 2 * SPACE  # a whole turn of the rotation


class PaddingExceeded(OperationError):
    """The functions of a look-up do not fit its input's range: the padding bit would spoil the result."""


@dataclass(frozen=True, slots=True)
class Table:
    """What one bootstrap computes."""

    entries: tuple[int, ...]  # 16 values of the boxes, in halves of the scale
    shifts: tuple[int, ...]  # box at which each result is read
    halves: tuple[int, ...]  # constant to be added to each result, in halves
    ends: tuple[tuple[int, int], ...] = ()  # least and largest value of each result
    names: tuple[bytes, ...] = ()  # of what is read for each result, in words

    def read(self, value: int, output: int) -> int:
        """The result in halves that a device gives for this input, before the constant."""
        position = (value + self.shifts[output]) % TURN
        return self.entries[position] if position < SPACE else -self.entries[position - SPACE]


# The same few tables come with every operation, found by functions and range: a device is sent each once
# per batch.
@lru_cache(maxsize=4096)
def tabulate(functions: tuple[Function, ...], low: int, high: int) -> Table:
    """The table whose bootstrap computes all functions on every value of the range.

    Raises:
        PaddingExceeded: there is none.
    """
    # more than 32 positions: two values would be the same position of the turn
    if high - low >= TURN:
        raise PaddingExceeded(f"a range of {high - low + 1} values")
    entries: dict[int, int] = {}  # box to halves; boxes that no value reads stay 0
    # two functions: boxes 0 and 8, half a polynomial apart, where their noises are uncorrelated
    shifts = tuple(SPACE * i // len(functions) for i in range(len(functions)))
    halves = tuple(_constant(function, low, high) for function in functions)
    for function, shift, constant in zip(functions, shifts, halves, strict=True):
        for value in range(low, high + 1):
            # 2 f - 2c in halves of Delta
            _place(entries, (value + shift) % TURN, 2 * function(value) - constant)
    boxes = tuple(entries.get(box, 0) for box in range(SPACE))
    ends = tuple(_ends(function, low, high) for function in functions)
    names = tuple(b"%d" % shift + b",%d" * SPACE % boxes for shift in shifts)
    return Table(boxes, shifts, halves, ends, names)


def _ends(function: Function, low: int, high: int) -> tuple[int, int]:
    # Exact and not a bound: narrow ranges are what makes the next look-up possible.
    values = [function(value) for value in range(low, high + 1)]
    return min(values), max(values)


def _constant(function: Function, low: int, high: int) -> int:
    # 2c in halves of the scale; zero where no two values of the range are half a turn apart
    sums = {function(value) + function(value + SPACE) for value in range(low, high + 1 - SPACE)}
    if len(sums) > 1:
        raise PaddingExceeded(f"values half a turn apart disagree on [{low}, {high}]")
    return sums.pop() if sums else 0


def _place(entries: dict[int, int], position: int, halves: int) -> None:
    box, entry = (position, halves) if position < SPACE else (position - SPACE, -halves)
    # the second half of a turn reads the same boxes negated; an entry that two values want differently is
    # no table
    if entries.setdefault(box, entry) != entry:
        raise PaddingExceeded(f"two results need different entries in box {box}")
