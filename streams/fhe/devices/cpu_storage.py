"""Compression and decompression on the device `cpu`."""

from collections.abc import Sequence

import cipherstream_kernel as kernel
import numpy as np

from streams.fhe.devices import packing
from streams.fhe.devices.packing import Rounded
from streams.fhe.devices.words import Words, flat
from streams.fhe.parameters import Parameters


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
        """The stored words of a number's blocks (count, k N + 1), below 4 and of any noise in budget."""
        return packing.compressed(blocks, self._packed)

    def decompress(self, glwes: Sequence[Rounded]) -> list[Words]:
        """Fresh ciphertexts (blocks of it, k N + 1) of each packed ciphertext, all in one batch."""
        return packing.decompressed(glwes, self._unpacked)

    def _unpacked(self, amounts: Rounded) -> Words:
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
        return np.frombuffer(results, np.uint64).reshape(count, self._parameters.big_dimension + 1)

    def _packed(self, scaled: Words) -> Words:
        return np.frombuffer(self._pack.pack(flat(scaled), self._threads, self._path), np.uint64)


def _constant_terms(count: int) -> memoryview:
    reads = np.zeros((count, 2), np.uint32)  # (ciphertext, coefficient)
    reads[:, 0] = np.arange(count)
    return flat(reads)
