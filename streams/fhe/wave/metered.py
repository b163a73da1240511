"""A device whose bootstraps are counted, whoever asks for them: the window, decompression, refreshing."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from streams.fhe.devices.packing import Rounded
from streams.fhe.devices.port import BlockStorage, Bootstraps, Device
from streams.fhe.devices.words import Words
from streams.fhe.parameters import Parameters


class Meter:
    """Bootstraps, and the places of the batches that they would have filled; for several threads at once."""

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self._batches = self._bootstraps = 0
        self._lock = threading.Lock()

    def count(self, bootstraps: int) -> None:
        """A call of the device; one with more than a batch is as many as it takes."""
        with self._lock:
            self._bootstraps += bootstraps
            self._batches += -(-bootstraps // self._batch_size)

    @property
    def reading(self) -> tuple[int, int]:
        """Bootstraps so far, and places."""
        with self._lock:
            return self._bootstraps, self._batches * self._batch_size


@dataclass(frozen=True)
class MeteredDevice:
    """A device with a meter."""

    device: Device
    meter: Meter

    @property
    def parameters(self) -> Parameters:
        """The set of its keys."""
        return self.device.parameters

    @property
    def batch_size(self) -> int:
        """Ciphertexts from which a larger batch is hardly faster for each of them."""
        return self.device.batch_size

    def bootstrap(self, batch: Bootstraps) -> list[Words]:
        """For each ciphertext its results, shape (boxes of it, k N + 1), LWE under the big key."""
        found = self.device.bootstrap(batch)
        self.meter.count(len(found))
        return found

    def rotate(self, batch: Bootstraps) -> list[Words]:
        """The same for ciphertexts (batch, n + 1) of random numbers, which are under a small key already."""
        found = self.device.rotate(batch)
        self.meter.count(len(found))
        return found


@dataclass(frozen=True)
class MeteredStorage:
    """A device's storage with the same meter: each block that is unpacked is a bootstrap."""

    storage: BlockStorage
    meter: Meter

    def compress(self, blocks: Words) -> tuple[Rounded, ...]:
        """The stored words of a number's blocks (count, k N + 1), all fresh and below 4."""
        return self.storage.compress(blocks)

    def decompress(self, glwes: Sequence[Rounded]) -> list[Words]:
        """Fresh ciphertexts (blocks of it, k N + 1) of each packed ciphertext, all in one batch."""
        found = self.storage.decompress(glwes)
        self.meter.count(sum(map(len, found)))
        return found
