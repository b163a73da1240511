"""The device `cpu`: our SIMD kernel. Equal bits on every instruction set, for any batch and any threads.

The kernel is made for one shape, that of the pinned set; the small dimension n is free. Its keyswitch gives
the words of `reference`, its bootstrap the same values with the rounding of a Fourier transform of doubles.
"""

from typing import Final, Self

import cipherstream_kernel as kernel
import numpy as np

from streams.domain.errors import ConfigurationError
from streams.fhe.devices.keys import ServerKey
from streams.fhe.devices.port import Bootstraps
from streams.fhe.devices.words import Words, flat
from streams.fhe.parameters import PINNED, Parameters

# The two sizes below are promises of the kernel's Rust source; a change there has to be made here too.
CHUNK: Final = 32  # ciphertexts that a thread of the kernel turns together (`native/kernel/src/batch.rs`)
TABLE_UNIT: Final = 1 << 32  # the kernel keeps the upper half of a test polynomial's words


class CpuDevice:
    """Keyswitch and blind rotation of whole batches on `threads` threads."""

    def __init__(
        self,
        parameters: Parameters,
        key_switch: kernel.KeyswitchKey,
        bootstrap: kernel.BootstrapKey,
        threads: int = 1,
        path: str | None = None,
        random: kernel.BootstrapKey | None = None,
    ) -> None:
        """`random` bootstraps what nobody encrypted, where the key set has a key of its own for that."""
        self._parameters = parameters
        self._key_switch = key_switch
        self._bootstrap = bootstrap
        # Keys that we make ourselves have one bootstrapping key; an activated set brings a second one,
        # which TFHE-rs uses for random numbers only.
        self._random = random or bootstrap
        self._threads = threads
        self._path = path

    @classmethod
    def prepare(cls, key: ServerKey, threads: int = 1, path: str | None = None) -> Self:
        """Bring a key into the kernel's order.

        Args:
            key: keyswitch rows (2048, level, n + 1), bootstrap bits (n, 1, 2, 2, 2048).
            threads: of one call.
            path: an instruction set; by default the fastest of this machine.

        Raises:
            ConfigurationError: a set of another shape.
        """
        parameters = key.parameters
        check_shape(parameters)
        dimension = parameters.lwe_dimension
        switching = kernel.KeyswitchKey.prepare(flat(key.key_switch.rows), dimension, parameters.ks.level)
        rotation = kernel.BootstrapKey.prepare(flat(key.bootstrap.bits), dimension, path)
        return cls(parameters, switching, rotation, threads, path)

    @property
    def parameters(self) -> Parameters:
        """The set of its keys."""
        return self._parameters

    @property
    def batch_size(self) -> int:
        """Ciphertexts from which a larger batch is hardly faster for each of them: a chunk per thread."""
        return CHUNK * self._threads

    def bootstrap(self, batch: Bootstraps) -> list[Words]:
        """For each ciphertext its results, shape (boxes of it, 2049)."""
        # Both steps in one call: each thread takes its part of the batch through both, and the small
        # ciphertexts between them never come back to Python.
        results = kernel.keyswitch_bootstrap(
            flat(batch.ciphertexts),
            _tables(batch),
            np.array(batch.tables, np.uint32).data,
            self._reads(batch),
            self._key_switch,
            self._bootstrap,
            self._threads,
            self._path,
        )
        return self._by_ciphertext(results, batch)

    def rotate(self, batch: Bootstraps) -> list[Words]:
        """The same for ciphertexts (batch, n + 1) of random numbers, which are under a small key already."""
        # No keyswitch: a seeded ciphertext is made under the small key (`seeded`).
        amounts = kernel.modulus_switch(flat(batch.ciphertexts), self._parameters.lwe_dimension)
        results = self._random.bootstrap(
            np.frombuffer(amounts, np.uint16).data,
            _tables(batch),
            np.array(batch.tables, np.uint32).data,
            self._reads(batch),
            self._threads,
            self._path,
        )
        return self._by_ciphertext(results, batch)

    def _reads(self, batch: Bootstraps) -> memoryview:
        # A box is extracted at its first coefficient (`many_lut`).
        reads = [(i, box * self._parameters.box) for i, boxes in enumerate(batch.boxes) for box in boxes]
        return np.array(reads, np.uint32).reshape(-1).data

    def _by_ciphertext(self, results: bytes, batch: Bootstraps) -> list[Words]:
        rows = np.frombuffer(results, np.uint64).reshape(-1, self._parameters.big_dimension + 1)
        return batch.by_ciphertext(rows)


def check_shape(parameters: Parameters) -> None:
    """Refuse a set for which the kernel was not made; raises ConfigurationError."""
    # Not compared: n (the kernel loops over it), the noises (they lie in the key) and how a block is split
    # into message and carry (that is in the tables).
    found = (parameters.glwe_dimension, parameters.polynomial_size, parameters.pbs, parameters.ks)
    if found != (PINNED.glwe_dimension, PINNED.polynomial_size, PINNED.pbs, PINNED.ks):
        raise ConfigurationError("the kernel bootstraps with the pinned set's polynomials and gadgets only")


def check_tables(batch: Bootstraps) -> None:
    """Refuse test polynomials that lose bits in the kernel; raises ConfigurationError."""
    # Every entry is a multiple of Delta / 2 = 2^58, so this holds for all tables of the pinned set. The
    # kernel refuses others too, but as a ValueError, which an executor takes for a defect of one operation.
    if (batch.polynomials % np.uint64(TABLE_UNIT)).any():
        raise ConfigurationError("a test polynomial has bits below the kernel's unit of 2^32")


def _tables(batch: Bootstraps) -> memoryview:
    check_tables(batch)
    return flat(batch.polynomials)
