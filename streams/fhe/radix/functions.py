"""The functions that radix algorithms look up, as one object each: equal tables are made once."""

from collections.abc import Callable
from functools import lru_cache

from streams.fhe.radix.block import BASE, MESSAGE_BITS
from streams.fhe.radix.table import Function


# Functions are module-level or cached, never fresh lambdas: `tabulate` caches by them, and a function that
# is another object would be tabulated again.
def message(value: int) -> int:
    """The digit that stays in its column."""
    # Python's % and // floor: -1 is 3 with a carry of -1, as a borrow wants
    return value % BASE


def carry(value: int) -> int:
    """What goes to the next column; of a negative sum it is negative."""
    return value // BASE


def resolved(value: int) -> int:
    """The digit of (2 s + state + carry) / 2: the last step of a look-ahead addition."""
    return (value >> 1) % BASE


def state(value: int) -> int:
    """0, 1, 2 for a negative value, zero, a positive one."""
    return _sign(value) + 1


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)


@lru_cache
def power_sign(exponent: int) -> Function:
    """2^exponent times the sign; odd, so it uses the padding bit and takes [-15, 15]."""
    # -1 << e is -2^e in Python
    return lambda value: _sign(value) << exponent


@lru_cache
def step(weight: int) -> Function:
    """weight * [v > 0]."""
    return lambda value: weight * (value > 0)


@lru_cache
def at_least(limit: int, weight: int = 1) -> Function:
    """weight * [v >= limit]."""
    return lambda value: weight * (value >= limit)


@lru_cache
def below(limit: int, weight: int = 1) -> Function:
    """weight * [v < limit]."""
    return lambda value: weight * (value < limit)


@lru_cache
def equals(target: int, weight: int = 1) -> Function:
    """weight * [v = target]."""
    return lambda value: weight * (value == target)


@lru_cache
def differs(target: int, weight: int = 1) -> Function:
    """weight * [v != target]."""
    return lambda value: weight * (value != target)


@lru_cache
def scaled(weight: int) -> Function:
    """weight * v."""
    return lambda value: weight * value


@lru_cache
def chosen(weight: int, low: int) -> Function:
    """Of v = d + weight * c with a bit c and d >= low: c * d."""
    # d >= low always, so values below weight + low can only have c = 0
    return lambda value: value - weight if value >= weight + low else 0


@lru_cache
def spared(weight: int, low: int) -> Function:
    """Of v = d + weight * c with a bit c and d >= low: (1 - c) * d."""
    return lambda value: 0 if value >= weight + low else value


@lru_cache
def of_pair(function: Callable[[int, int], int], base: int) -> Function:
    """A function of two digits a and b, packed as base * a + b."""
    # the inverse of base * a + b, for which b < base
    return lambda value: function(value // base, value % base)


@lru_cache
def with_constant(function: Callable[[int, int], int], constant: int) -> Function:
    """A function of two digits, the second one known."""
    return lambda value: function(value, constant)


@lru_cache
def bit(index: int, weight: int = 1) -> Function:
    """weight * bit of a digit."""
    return lambda value: weight * (value >> index & 1)


@lru_cache
def moved_here(left: int) -> Function:
    """Of a digit shifted left by `left` bits (right if negative): what stays in its block."""
    return lambda value: (value << left) % BASE if left >= 0 else value >> -left


@lru_cache
def moved_on(left: int) -> Function:
    """Of a digit shifted left by `left` bits (right if negative): what enters the neighbour."""
    # left: the high bits enter above as low ones; right: the low bits enter below as high ones
    return lambda value: (
        value << left >> MESSAGE_BITS if left >= 0 else (value << (MESSAGE_BITS + left)) % BASE
    )


@lru_cache
def when(weight: int, off: Function, on: Function) -> Function:
    """Of v = d + weight * c with a bit c and a digit d: on(d) if c, else off(d)."""
    return lambda value: on(value - weight) if value >= weight else off(value)
