"""The device `cuda`: the bits of `cpu`, on GPUs that take turns."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, Self

import cipherstream_kernel as kernel

from streams.fhe.devices.cpu import check_shape, check_tables
from streams.fhe.devices.cuda import operations, program, sizes
from streams.fhe.devices.cuda.fleet import Fleet, Seat
from streams.fhe.devices.cuda.keys import FACTORS, RotationKey, SwitchKey, switch_key
from streams.fhe.devices.cuda.operations import Reads
from streams.fhe.devices.keys import ServerKey
from streams.fhe.devices.port import Bootstraps
from streams.fhe.devices.words import Words, flat
from streams.fhe.parameters import Parameters

SENT_MAX: Final = 4096  # ciphertexts that are sent together: 200 MB, many waves of the largest GPU


class CudaDevice:
    """Keyswitch and blind rotation of whole batches, each on the next GPU."""

    def __init__(
        self,
        parameters: Parameters,
        fleet: Fleet,
        key_switch: SwitchKey,
        bootstrap: RotationKey,
        random: RotationKey | None = None,
    ) -> None:
        """`random` bootstraps what nobody encrypted, where the key set has a key of its own for that.

        Raises:
            ConfigurationError: a set of another shape.
        """
        check_shape(parameters)
        self._parameters = parameters
        self._fleet = fleet
        self._key_switch = key_switch
        self._bootstrap = bootstrap
        self._random = random or bootstrap

    @classmethod
    def prepare(cls, key: ServerKey, fleet: Fleet) -> Self:
        """Bring a key made here into the kernels' order; raises ConfigurationError."""
        parameters = key.parameters
        check_shape(parameters)
        dimension = parameters.lwe_dimension
        switch = kernel.KeyswitchKey.prepare(flat(key.key_switch.rows), dimension, parameters.ks.level)
        rotate = kernel.BootstrapKey.prepare(flat(key.bootstrap.bits), dimension)
        switching, rotation = (memoryview(each.to_bytes()) for each in (switch, rotate))
        return cls(parameters, fleet, switch_key(switching), RotationKey(rotation))

    @property
    def parameters(self) -> Parameters:
        """The set of its keys."""
        return self._parameters

    @property
    def batch_size(self) -> int:
        """Ciphertexts from which a larger batch is hardly faster for each of them: one wave of a GPU."""
        properties = self._fleet.seats[0].gpu.properties
        return properties.multiprocessors * program.variants(properties.architecture)[-1].ciphertexts

    @property
    def least_batches(self) -> tuple[int, ...]:
        """The smallest batch of each kernel that turns: together they ask all of them."""
        properties = self._fleet.seats[0].gpu.properties
        return program.least_batches(program.variants(properties.architecture), properties.multiprocessors)

    def bootstrap(self, batch: Bootstraps) -> list[Words]:
        """For each ciphertext its results, shape (boxes of it, 2049); raises DeviceExhausted."""
        return [rows for part in _parts(batch) for rows in self._bootstrapped(self._fleet.next(), part)]

    def rotate(self, batch: Bootstraps) -> list[Words]:
        """The same for ciphertexts (batch, n + 1) of random numbers, which are under a small key already."""
        return [rows for part in _parts(batch) for rows in self._rotated(self._fleet.next(), part)]

    def _bootstrapped(self, seat: Seat, batch: Bootstraps) -> list[Words]:
        count, dimension = len(batch.ciphertexts), self._bootstrap.dimension
        reads = self._reads(batch)
        due = sizes.keyswitch_bytes(count, self._key_switch.words) + _rotation_bytes(reads, dimension)
        with seat.working(due, self._key_switch, self._bootstrap, FACTORS):
            small = operations.keyswitch(seat, self._key_switch, batch.ciphertexts)
            amounts = operations.switch_modulus(seat, small, dimension, count)
            return batch.by_ciphertext(operations.rotate(seat, self._bootstrap, amounts, reads))

    def _rotated(self, seat: Seat, batch: Bootstraps) -> list[Words]:
        count, dimension = len(batch.ciphertexts), self._random.dimension
        reads = self._reads(batch)
        due = sizes.switch_bytes(count, dimension) + _rotation_bytes(reads, dimension)
        with seat.working(due, self._random, FACTORS):
            small = seat.gpu.upload(batch.ciphertexts)
            amounts = operations.switch_modulus(seat, small, dimension, count)
            return batch.by_ciphertext(operations.rotate(seat, self._random, amounts, reads))

    def _reads(self, batch: Bootstraps) -> Reads:
        check_tables(batch)
        # A box is extracted at its first coefficient (`many_lut`).
        coefficients = [[box * self._parameters.box for box in boxes] for boxes in batch.boxes]
        return Reads(batch.polynomials, batch.tables, coefficients)


def _rotation_bytes(reads: Reads, dimension: int) -> int:
    return sizes.rotation_bytes(len(reads.table_of), dimension, len(reads.tables), reads.count)


def parts_of(count: int, most: int = SENT_MAX) -> Iterator[slice]:
    """What is sent together of a batch: parts of nearly one size, so that one kernel takes all of them."""
    parts = -(-count // most)
    size = -(-count // parts) if parts else 1
    return (slice(first, first + size) for first in range(0, count, size))


def _parts(batch: Bootstraps) -> Iterator[Bootstraps]:
    for part in parts_of(len(batch.ciphertexts)):
        yield replace(
            batch, ciphertexts=batch.ciphertexts[part], tables=batch.tables[part], boxes=batch.boxes[part]
        )
