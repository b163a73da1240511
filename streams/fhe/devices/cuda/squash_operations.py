"""The steps of noise squashing on one GPU: which kernel runs over which grid, with what."""

from typing import Final

import numpy as np

from streams.fhe.devices.cuda import sizes
from streams.fhe.devices.cuda.fleet import Seat
from streams.fhe.devices.cuda.gpu import Buffer, Launch
from streams.fhe.devices.cuda.keys import FACTORS, SquashKey, WideKey
from streams.fhe.devices.cuda.program import SQUASHING_PROGRAM
from streams.fhe.devices.words import Words
from streams.fhe.parameters import SQUASHING

HALVES: Final = 2  # a word of 128 bits is a pair of words, the low one first
TILE: Final = 64  # frequencies of a block of the product
TILES: Final = SQUASHING.polynomial_size // 2 // TILE
EDGE_THREADS: Final = 256
PACK_THREADS: Final = 128
_COLUMN_THREADS: Final = 64  # of a polynomial
_COMPLEX_BYTES: Final = 16
_POLYNOMIAL_BYTES: Final = _COMPLEX_BYTES * (SQUASHING.polynomial_size // 2)  # transformed


def _transforming(polynomials: int) -> tuple[int, int]:
    return polynomials * _COLUMN_THREADS, polynomials * _POLYNOMIAL_BYTES


# Threads and shared bytes of a block (`squashing.cu`).
_FORWARD: Final = _transforming(SQUASHING.pbs.level)
_PRODUCT: Final = (sizes.COLUMNS * TILE, 2 * sizes.COLUMNS * SQUASHING.pbs.level * TILE * _COMPLEX_BYTES)
_INVERSE: Final = _transforming(sizes.LIMBS)
_EDGE: Final = (EDGE_THREADS, 0)
_PACK: Final = (PACK_THREADS, 0)
BLOCKS: Final = {
    "squash_start": _EDGE,
    "squash_forward": _FORWARD,
    "squash_product": _PRODUCT,
    "squash_inverse": _INVERSE,
    "squash_extract": _EDGE,
    "wide_digits": _PACK,
    "wide_product": _PACK,
    "wide_sum": _PACK,
}


def rotate(seat: Seat, key: SquashKey, amounts: Buffer, batch: int) -> Words:
    """The identity's table, turned by amounts (batch, n + 1) and read at 0: words (batch, 4097, 2)."""
    gpu, n = seat.gpu, key.dimension
    highs, lows = gpu.empty(batch * sizes.HIGH_BYTES), gpu.empty(batch * sizes.LOW_BYTES)
    areas, found = gpu.empty(batch * sizes.AREA_BYTES), gpu.empty(batch * sizes.SQUASHED_BYTES)
    steps, factors = seat.holding(key), seat.holding(FACTORS)
    share = _share(batch, gpu.properties.multiprocessors)
    polynomials, tiles = (sizes.COLUMNS, batch), (TILES, _ceil(batch, share))
    _launch(seat, "squash_start", (batch, 1), (highs, lows, amounts, n))
    for step in range(n):
        _launch(seat, "squash_forward", polynomials, (highs, lows, amounts, factors, areas, step, n))
        _launch(seat, "squash_product", tiles, (steps, areas, step, share, batch))
        _launch(seat, "squash_inverse", polynomials, (highs, lows, factors, areas))
    _launch(seat, "squash_extract", (batch, 1), (highs, lows, found))
    return gpu.download(found, np.uint64, (batch, SQUASHING.dimension + 1, HALVES))


def pack(seat: Seat, key: WideKey, squashed: Words) -> Words:
    """Words (count, 4097, 2), at most as many as a polynomial holds, to a packed ciphertext (columns, 2)."""
    gpu, count, columns = seat.gpu, len(squashed), key.columns
    shares, blocks = _ceil(count, sizes.WIDE_SHARE), _ceil(columns, PACK_THREADS)
    given = gpu.upload(squashed)
    digits = gpu.empty(shares * sizes.WIDE_DIGITS_BYTES)
    switched = gpu.empty(count * columns * sizes.WIDE_WORD)
    packed = gpu.empty(columns * sizes.WIDE_WORD)
    inputs = (SQUASHING.dimension // PACK_THREADS, shares * sizes.WIDE_SHARE)
    _launch(seat, "wide_digits", inputs, (given, digits, count))
    _launch(seat, "wide_product", (blocks, shares), (seat.holding(key), digits, switched, columns, count))
    _launch(seat, "wide_sum", (blocks, 1), (switched, given, packed, columns, key.polynomial_size, count))
    return gpu.download(packed, np.uint64, (columns, HALVES))


def _share(batch: int, multiprocessors: int) -> int:
    """Ciphertexts of a block of the product: one block for each multiprocessor, if there are as many."""
    return _ceil(batch * TILES, multiprocessors)


def _ceil(count: int, unit: int) -> int:
    return -(-count // unit)


def _launch(seat: Seat, kernel: str, grid: tuple[int, int], arguments: tuple[Buffer | int, ...]) -> None:
    threads, shared_bytes = BLOCKS[kernel]
    seat.gpu.launch(Launch(SQUASHING_PROGRAM, kernel, grid, threads, arguments, shared_bytes))
