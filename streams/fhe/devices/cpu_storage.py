"""Compression and decompression on the device `cpu`."""

from collections.abc import Sequence
from itertools import accumulate

import cipherstream_kernel as kernel
import numpy as np

from streams.fhe.devices import packing
from streams.fhe.devices.packing import Rounded
from streams.fhe.devices.words import Words, flat
from streams.fhe.parameters import COMPRESSION, Parameters


class CpuStorage:
    """Blocks of stored numbers, `threads` threads to a call."""

    def __init__(
        self,
        parameters: Parameters,
        pack: kernel.PackingKey,
        unpack: kernel.BootstrapKey,
        threads: int = 1,
        path: str | None = None,
    ) -> None:
        self._parameters = parameters
        self._pack = pack
        self._unpack = unpack
        self._threads = threads
        self._path = path
        # The table is the same for every block ever unpacked: the identity on the four stored digits.
        self._table = flat(packing.digit_polynomial(parameters))

    def compress(self, blocks: Words) -> tuple[Rounded, ...]:
        """The stored words of a number's blocks (count, k N + 1), all fresh and below 4."""
        # A packed ciphertext holds N = 256 blocks. The widest type of the protocol has 128 (Uint256), so
        # contracts' numbers take one; the library's Uint2048 takes four.
        size = COMPRESSION.polynomial_size
        return tuple(self._packed(blocks[first : first + size]) for first in range(0, len(blocks), size))

    def decompress(self, glwes: Sequence[Rounded]) -> list[Words]:
        """Fresh ciphertexts (blocks of it, k N + 1) of each packed ciphertext, all in one batch."""
        # (blocks of it, 1024 + 1) each: a packed ciphertext is taken apart without a key, only the rotation
        # after it needs one.
        rows = [packing.exponents(glwe) for glwe in glwes]
        amounts = np.concatenate(rows)
        count = len(amounts)
        results = self._unpack.bootstrap(
            flat(amounts),
            self._table,
            # which table each ciphertext turns: there is only number 0
            np.zeros(count, np.uint32).data,
            _constant_terms(count),
            self._threads,
            self._path,
        )
        words = np.frombuffer(results, np.uint64).reshape(count, self._parameters.big_dimension + 1)
        return np.split(words, list(accumulate(map(len, rows)))[:-1])

    def _packed(self, blocks: Words) -> Rounded:
        # (count, k N + 1) in, (k' + 1, N') out: coefficient i of the body is block i
        ready = flat(packing.scaled(blocks))
        packed = np.frombuffer(self._pack.pack(ready, self._threads, self._path), np.uint64)
        return packing.rounded(packed, len(blocks))


def _constant_terms(count: int) -> memoryview:
    reads = np.zeros((count, 2), np.uint32)  # (ciphertext, coefficient)
    reads[:, 0] = np.arange(count)
    return flat(reads)
