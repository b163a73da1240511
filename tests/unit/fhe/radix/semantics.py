"""The operations on Python integers, for all widths: what radix algorithms are held against."""

from collections.abc import Callable, Sequence

from streams.domain.operations import FheType


def rotated(value: int, amount: int, bits: int) -> int:
    amount %= bits
    return (value << amount | value >> (bits - amount)) & ((1 << bits) - 1)


BINARY: dict[str, Callable[[int, int, int], int]] = {
    "Add": lambda x, y, bits: x + y,
    "Sub": lambda x, y, bits: x - y,
    "Mul": lambda x, y, bits: x * y,
    "Div": lambda x, y, bits: x // y,
    "Rem": lambda x, y, bits: x % y,
    "BitAnd": lambda x, y, bits: x & y,
    "BitOr": lambda x, y, bits: x | y,
    "BitXor": lambda x, y, bits: x ^ y,
    "Shl": lambda x, y, bits: x << y % bits,
    "Shr": lambda x, y, bits: x >> y % bits,
    "Rotl": rotated,
    "Rotr": lambda x, y, bits: rotated(x, -y, bits),
    "Eq": lambda x, y, bits: int(x == y),
    "Ne": lambda x, y, bits: int(x != y),
    "Ge": lambda x, y, bits: int(x >= y),
    "Gt": lambda x, y, bits: int(x > y),
    "Le": lambda x, y, bits: int(x <= y),
    "Lt": lambda x, y, bits: int(x < y),
    "Min": lambda x, y, bits: min(x, y),
    "Max": lambda x, y, bits: max(x, y),
}
UNARY: dict[str, Callable[[int], int]] = {"Neg": lambda x: -x, "Not": lambda x: ~x}


def edges(bits: int) -> list[tuple[int, int]]:
    """Pairs at which carries, borrows and comparisons turn."""
    top = (1 << bits) - 1
    return [
        (0, 0), (top, top), (top, 1), (1, top), (0, top), (top, 0), (top >> 1, 1), ((top >> 1) + 1, top >> 1),
        (0x5555 & top, 0xAAAA & top), (top // 3, top // 3), (top // 3, top // 3 + 1), (4 & top, 3), (1, 0),
    ]  # fmt: skip


def expected(name: str, pairs: Sequence[tuple[int, int]], fhe_type: FheType) -> list[int]:
    """The results of a binary operation."""
    mask = (1 << fhe_type.bits) - 1
    return [BINARY[name](x, y, fhe_type.bits) & mask for x, y in pairs]
