"""The steps of a bootstrap on one GPU: which kernel runs over which grid, with what."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from streams.fhe.devices.cuda import program, sizes
from streams.fhe.devices.cuda.fleet import Seat
from streams.fhe.devices.cuda.gpu import Buffer, Launch
from streams.fhe.devices.cuda.keys import FACTORS, RotationKey, SwitchKey
from streams.fhe.devices.words import Words
from streams.fhe.parameters import COMPRESSION, PINNED

DIGIT_THREADS: Final = 256
PRODUCT_THREADS: Final = 128
PRODUCT_WORDS: Final = 16  # of a block: two warps side by side, eight words each
PRODUCT_SHARES: Final = 2
SWITCH_THREADS: Final = 128
PACK_THREADS: Final = 128
TABLE_SHIFT: Final = np.uint64(32)  # accumulators keep the upper halves


@dataclass(frozen=True)
class Reads:
    """What is looked up for each ciphertext of a batch, and where its results are read."""

    tables: Words  # (tables, N), multiples of 2^32
    table_of: Sequence[int]  # (batch,)
    coefficients: Sequence[Sequence[int]]  # (batch,), of each result

    @property
    def count(self) -> int:
        """Results in all."""
        return sum(map(len, self.coefficients))

    def check(self) -> None:
        """Refuses what would read outside of the tables or the polynomial; raises ValueError."""
        largest = max(self.table_of, default=0)
        if min(self.table_of, default=0) < 0 or largest >= len(self.tables):
            raise ValueError(f"there is no table {largest}")
        places = [place for each in self.coefficients for place in each]
        if min(places, default=0) < 0 or max(places, default=0) >= PINNED.polynomial_size:
            raise ValueError("a read is outside of the polynomial")


def keyswitch(seat: Seat, key: SwitchKey, lwes: Words) -> Buffer:
    """Ciphertexts (batch, N + 1) to (batch, words), exactly the CPU's."""
    gpu, batch = seat.gpu, len(lwes)
    shares = _ceil(batch, sizes.SHARE)
    given = gpu.upload(lwes)
    digits = gpu.empty(shares * sizes.SHARE * sizes.DIGIT_BYTES)
    found = gpu.empty(batch * key.words * sizes.WORD)
    _integers(
        seat,
        "keyswitch_digits",
        (PINNED.big_dimension // DIGIT_THREADS, shares * sizes.SHARE),
        DIGIT_THREADS,
        (given, digits, batch, key.levels, int(key.is_tie_rounded)),
    )
    _integers(
        seat,
        "keyswitch_product",
        (_ceil(key.words, PRODUCT_WORDS), _ceil(shares, PRODUCT_SHARES)),
        PRODUCT_THREADS,
        (seat.holding(key), digits, given, found, key.words, key.body, batch),
    )
    return found


def switch_modulus(seat: Seat, small: Buffer, dimension: int, batch: int) -> Buffer:
    """Ciphertexts (batch, n + 1) to rotation amounts of 16 bits."""
    amounts = seat.gpu.empty(batch * (dimension + 1) * 2)
    _integers(seat, "switch_modulus", (batch, 1), SWITCH_THREADS, (small, amounts, dimension))
    return amounts


def rotate(seat: Seat, key: RotationKey, amounts: Buffer, reads: Reads) -> Words:
    """Results (reads, N + 1) of rotations by amounts (batch, n + 1); raises ValueError."""
    reads.check()
    gpu, batch, dimension = seat.gpu, len(reads.table_of), key.dimension
    among = program.variants(gpu.properties.architecture)
    variant = program.chosen(among, batch, gpu.properties.multiprocessors)
    first = np.cumsum([0, *map(len, reads.coefficients)])
    flat = [coefficient for each in reads.coefficients for coefficient in each]
    found = gpu.empty(reads.count * sizes.BIG_LWE_BYTES)
    given = (
        seat.holding(key),
        seat.holding(FACTORS),
        amounts,
        gpu.upload((reads.tables >> TABLE_SHIFT).astype(np.uint32)),
        gpu.upload(np.array(reads.table_of, np.uint32)),
        gpu.upload(first.astype(np.uint32)),
        gpu.upload(np.array(flat, np.uint32)),
        found,
    )
    gpu.launch(
        Launch(
            variant.program,
            "blind_rotate",
            (_ceil(batch, variant.ciphertexts), 1),
            variant.threads,
            (*given, dimension, batch),
            variant.shared_bytes,
        )
    )
    return gpu.download(found, np.uint64, (reads.count, PINNED.big_dimension + 1))


def pack(seat: Seat, key: SwitchKey, lwes: Words) -> Words:
    """Ciphertexts (count, N + 1) as the coefficients of one GLWE ciphertext (words,)."""
    switched = keyswitch(seat, key, lwes)
    packed = seat.gpu.empty(key.words * sizes.WORD)
    arguments = (switched, packed, len(lwes), COMPRESSION.polynomial_size, key.words)
    _integers(seat, "pack", (_ceil(key.words, PACK_THREADS), 1), PACK_THREADS, arguments)
    return seat.gpu.download(packed, np.uint64, (key.words,))


def _integers(
    seat: Seat, kernel: str, grid: tuple[int, int], threads: int, arguments: tuple[Buffer | int, ...]
) -> None:
    seat.gpu.launch(Launch(program.INTEGER_PROGRAM, kernel, grid, threads, arguments))


def _ceil(count: int, unit: int) -> int:
    return -(-count // unit)
