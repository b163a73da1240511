"""The factors of the Fourier transform, as the SIMD kernel has them: angles in units of 2 pi / 4096.

Where X^M - e^(i t) is split R ways, group m of the coefficients is multiplied by e^(i m t / R), and child k
has the angle (t + 2 pi k) / R (`native/kernel/src/fourier/twiddles.rs`). All are the nearest doubles.
"""

from decimal import Decimal, localcontext
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Complexes = NDArray[np.complex128]

TURN: Final = 4096
ROWS: Final = 16
LANES: Final = 8
_DIGITS: Final = 60  # twice what the nearest double needs
_TERMS: Final = 40  # (pi/4)^n / n! is below 10^-50 from here on
_PI: Final = Decimal("3.14159265358979323846264338327950288419716939937510582097494459")


def row_factors() -> Complexes:
    """[set 5][3]: of the first stage over the rows, then of each of the four children in the second."""
    # X^(N/2) - i: the root has the angle of a quarter turn
    quarters = [TURN // 4 // 4, *((TURN // 16 + TURN // 4 * child) // 4 for child in range(4))]
    return np.array([_radix_four(quarter) for quarter in quarters])


def across_factors() -> Complexes:
    """[row 16][5]: three of radix four, two of radix two (the other two are i times these)."""
    return np.array([_eight(row_quarter(row)) for row in range(ROWS)])


def within_factors() -> Complexes:
    """[5][row 16][lane 8]: the same of each lane's eight points."""
    found = [[_eight(_lane_quarter(row, lane)) for lane in range(LANES)] for row in range(ROWS)]
    return np.ascontiguousarray(np.array(found).transpose(2, 0, 1))


def row_quarter(row: int) -> int:
    """A quarter of a row's angle, which is (1024 + 4096 k1) / 16 + 1024 k2 with row = 4 k1 + k2."""
    return 16 + 64 * (row // 4) + 256 * (row % 4)


def _lane_quarter(row: int, lane: int) -> int:
    return row_quarter(row) // 8 + 128 * (lane // 2) + 512 * (lane % 2)


def _radix_four(quarter: int) -> list[complex]:
    return [cos_sin(m * quarter) for m in (1, 2, 3)]


def _eight(quarter: int) -> list[complex]:
    return [*_radix_four(quarter), *(cos_sin(quarter // 2 + 512 * child) for child in range(2))]


@cache
def cos_sin(k: int) -> complex:
    """e^(2 pi i k / 4096), both parts the nearest double."""
    k %= TURN
    if k >= TURN // 2:
        opposite = cos_sin(k - TURN // 2)
        return complex(-opposite.real, -opposite.imag)
    if k >= TURN // 4:
        before = cos_sin(k - TURN // 4)
        return complex(-before.imag, before.real)
    if k > TURN // 8:
        mirrored = cos_sin(TURN // 4 - k)
        return complex(mirrored.imag, mirrored.real)
    return _taylor(k)


def _taylor(k: int) -> complex:
    # Even powers to the cosine, odd ones to the sine.
    with localcontext() as context:
        context.prec = _DIGITS
        angle = _PI * 2 * k / TURN
        sums, term = [Decimal(1), Decimal(0)], Decimal(1)
        for n in range(1, _TERMS):
            term = term * angle / n
            sums[n % 2] += -term if n // 2 % 2 else term
        return complex(float(sums[0]), float(sums[1]))
