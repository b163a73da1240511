"""The device `concrete`: the C functions of concrete-python's runtime. Nothing is compiled for it.

It has nothing in common with `cpu` and `cuda` but the key: other digits' code, other transforms, another
bootstrap. That makes it a check of both, and a slow stand-in where the kernel cannot be built. The words of a
keyswitch are those of `reference`; those of a bootstrap are its own (`concrete_rotation`), so that operators
who have to agree on digests do not compute with it.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from streams.fhe.devices.concrete_rotation import Rotation
from streams.fhe.devices.concrete_runtime import Runtime, runtime
from streams.fhe.devices.decomposition import decompose
from streams.fhe.devices.keys import ServerKey
from streams.fhe.devices.modulus_switch import modulus_switch
from streams.fhe.devices.port import Bootstraps
from streams.fhe.devices.words import Word, Words
from streams.fhe.parameters import WORD_BITS, Gadget, Parameters

# The library takes one ciphertext a call: a larger batch only spreads the executor's own work, and the wait
# for a batch's last ciphertexts.
BATCH_SIZE: Final = 16  # for each thread


class KeySwitch:
    """From the big key to the small one; rows (k N, level, n + 1), the least significant level first."""

    def __init__(self, runtime: Runtime, rows: Words, gadget: Gadget) -> None:
        self._runtime = runtime
        self._rows = rows
        self._gadget = gadget

    def __call__(self, ciphertext: Words) -> Words:
        """A ciphertext (k N + 1,) becomes (n + 1,): the words of `reference`."""
        switched = self._runtime.key_switch(self._rows, self._gadget, ciphertext)
        # The library's highest digit may be B/2 and never -B/2, where TFHE-rs of today takes the sign of the
        # whole word: both are right modulo 2^64, and lie B rows apart.
        negative = self._lowest(ciphertext[:-1])
        return switched + Word(self._gadget.base) * self._rows[negative, -1].sum(0, dtype=np.uint64)

    def _lowest(self, words: Words) -> NDArray[np.intp]:
        """Places of words whose highest digit is -B/2."""
        half, bits = self._gadget.base // 2, self._gadget.base_log
        rounding = Word(1 << (WORD_BITS - 1 - self._gadget.kept_bits))
        # few words begin with these bits: the others need no digits here
        places = np.flatnonzero((words + rounding) >> Word(WORD_BITS - bits) == half)
        return places[decompose(words[places], self._gadget)[:, -1] == -half]


class ConcreteDevice:
    """Keyswitch and blind rotation of each ciphertext of a batch by itself, on `threads` threads."""

    def __init__(
        self,
        parameters: Parameters,
        key_switch: KeySwitch,
        bootstrap: Rotation,
        threads: int = 1,
        random: Rotation | None = None,
    ) -> None:
        """`random` bootstraps what nobody encrypted, where the key set has a key of its own for that."""
        self._parameters = parameters
        self._key_switch = key_switch
        self._bootstrap = bootstrap
        self._random = random or bootstrap
        self._threads = threads

    @classmethod
    def prepare(cls, key: ServerKey, threads: int = 1) -> Self:
        """Transform a key of any set; raises DeviceMissing where the runtime is not installed."""
        parameters, library = key.parameters, runtime()
        switching = KeySwitch(library, key.key_switch.rows, parameters.ks)
        rotation = Rotation(library, parameters, parameters.pbs, key.bootstrap.bits)
        return cls(parameters, switching, rotation, threads)

    @property
    def parameters(self) -> Parameters:
        """The set of its keys."""
        return self._parameters

    @property
    def batch_size(self) -> int:
        """Ciphertexts from which a larger batch is hardly faster for each of them."""
        return BATCH_SIZE * self._threads

    def bootstrap(self, batch: Bootstraps) -> list[Words]:
        """For each ciphertext its results, shape (boxes of it, k N + 1)."""
        return self._each(batch, lambda place: self._turned(self._bootstrap, batch, place, is_small=False))

    def rotate(self, batch: Bootstraps) -> list[Words]:
        """The same for ciphertexts (batch, n + 1) that are under the small key already."""
        return self._each(batch, lambda place: self._turned(self._random, batch, place, is_small=True))

    def _turned(self, rotation: Rotation, batch: Bootstraps, place: int, *, is_small: bool) -> Words:
        ciphertext = np.ascontiguousarray(batch.ciphertexts[place])
        small = ciphertext if is_small else self._key_switch(ciphertext)
        exponents = modulus_switch(self._parameters, small[None])[0]
        return rotation.boxes(exponents, batch.polynomials[batch.tables[place]], batch.boxes[place])

    def _each(self, batch: Bootstraps, compute: Callable[[int], Words]) -> list[Words]:
        places = range(len(batch.ciphertexts))
        if self._threads == 1:
            return [compute(place) for place in places]
        with ThreadPoolExecutor(self._threads) as pool:
            return list(pool.map(compute, places))
