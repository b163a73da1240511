"""What an executor and a suite ask of a device; every device keeps it, and is tested with the same tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from streams.fhe.devices.packing import Rounded
from streams.fhe.devices.words import Words
from streams.fhe.parameters import Parameters


# A struct of arrays: a batch crosses to native code or to a GPU as four buffers, whatever its size.
@dataclass(frozen=True)
class Bootstraps:
    """A batch of keyswitches and programmable bootstraps."""

    ciphertexts: Words  # (batch, k N + 1), LWE under the big key; (batch, n + 1) where it says so
    # apart from the ciphertexts: many of a batch turn the same one, which has 16 KB
    polynomials: Words  # (tables, N), test polynomials in torus elements
    tables: Sequence[int]  # (batch,), which polynomial a ciphertext turns
    boxes: Sequence[tuple[int, ...]]  # (batch,), the boxes that are extracted after the rotation

    def by_ciphertext(self, rows: Words) -> list[Words]:
        """Results, a row (k N + 1,) for each box in the order of the batch, cut by ciphertext."""
        return np.split(rows, np.cumsum(list(map(len, self.boxes)))[:-1])


# The promise about size and order is what lets the executor mix the look-ups of all components: otherwise
# two operators with other neighbours in their batches would store other bytes for one handle.
class Device(Protocol):
    """Bootstraps in batches; results do not depend on a batch's size or order."""

    @property
    def parameters(self) -> Parameters:
        """The set of its keys."""
        ...

    @property
    def batch_size(self) -> int:
        """Ciphertexts from which a larger batch is hardly faster for each of them."""
        ...

    def bootstrap(self, batch: Bootstraps) -> list[Words]:
        """For each ciphertext its results, shape (boxes of it, k N + 1), LWE under the big key."""
        ...

    def rotate(self, batch: Bootstraps) -> list[Words]:
        """The same for ciphertexts (batch, n + 1) of random numbers, which are under a small key already."""
        ...


class BlockStorage(Protocol):
    """Blocks to the words in which numbers are stored, and back."""

    def compress(self, blocks: Words) -> tuple[Rounded, ...]:
        """The stored words of a number's blocks (count, k N + 1), below 4 and of any noise in budget."""
        ...

    def decompress(self, glwes: Sequence[Rounded]) -> list[Words]:
        """Fresh ciphertexts (blocks of it, k N + 1) of each packed ciphertext, all in one batch."""
        ...


class Squashing(Protocol):
    """Noise squashing; results do not depend on a batch's size or order."""

    def squash(self, blocks: Words) -> Words:
        """Blocks (count, k N + 1) below 16, their padding bit empty, to words (count, 4097, 2)."""
        ...

    def pack(self, squashed: Words) -> tuple[Words, ...]:
        """Packed ciphertexts of words (count, 4097, 2), each (words, 2) up to its last body."""
        ...
