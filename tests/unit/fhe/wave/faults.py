"""Devices with planted faults, on a set of keys on which everything runs in milliseconds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.fhe.devices.packing import Rounded
from streams.fhe.devices.port import BlockStorage, Bootstraps, Device
from streams.fhe.devices.reference import ReferenceDevice
from streams.fhe.devices.words import Words
from streams.fhe.parameters import Parameters
from streams.fhe.wave.exam import Subject, Unit
from tests.unit.fhe.devices.sets import SMALL, keys_of

_, KEY = keys_of(SMALL)
BATCH_SIZE = 9


class Broken(RuntimeError):
    """As a driver raises it."""


@dataclass
class Fault:
    """What is wrong with a unit, if anything; a test changes it as it goes."""

    wrong: frozenset[Subject] = frozenset()
    raises: frozenset[Subject] = frozenset()
    period: int = 0  # of all look-ups, each n-th is wrong
    kernel: range = range(1 << 30)  # sizes of batches in which it is wrong, or raises
    error: type[BaseException] = Broken
    gate: Callable[[Subject, int], None] = lambda subject, count: None
    calls: list[tuple[Subject, int]] = field(default_factory=list[tuple[Subject, int]])
    turned: int = 0

    def applied(self, subject: Subject, rows: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Results as this unit gives them."""
        self.calls.append((subject, len(rows)))
        self.gate(subject, len(rows))
        is_affected = len(rows) in self.kernel
        if is_affected and subject in self.raises:
            raise self.error
        is_wrong = is_affected and subject in self.wrong
        return [self._row(subject, row, is_wrong) for row in rows]

    def _row(self, subject: Subject, row: NDArray[Any], is_wrong: bool) -> NDArray[Any]:
        self.turned += subject is Subject.LOOK_UP
        is_turn = subject is Subject.LOOK_UP and bool(self.period) and self.turned % self.period == 0
        return row ^ row.dtype.type(1) if is_wrong or is_turn else row

    @property
    def batches(self) -> list[int]:
        """Ciphertexts of each call for look-ups."""
        return [count for subject, count in self.calls if subject is Subject.LOOK_UP]


@dataclass(frozen=True)
class FaultyDevice:
    device: Device
    fault: Fault

    @property
    def parameters(self) -> Parameters:
        return self.device.parameters

    @property
    def batch_size(self) -> int:
        return BATCH_SIZE

    def bootstrap(self, batch: Bootstraps) -> list[Words]:
        return self.fault.applied(Subject.LOOK_UP, self.device.bootstrap(batch))

    def rotate(self, batch: Bootstraps) -> list[Words]:
        return self.fault.applied(Subject.RANDOM, self.device.rotate(batch))


@dataclass(frozen=True)
class FaultyStorage:
    storage: BlockStorage
    fault: Fault

    def compress(self, blocks: Words) -> tuple[Rounded, ...]:
        return tuple(self.fault.applied(Subject.PACK, self.storage.compress(blocks)))

    def decompress(self, glwes: Sequence[Rounded]) -> list[Words]:
        return self.fault.applied(Subject.UNPACK, self.storage.decompress(glwes))


class PlainStorage:
    """Words as they are, all but the upper ones cut off."""

    def compress(self, blocks: Words) -> tuple[Rounded, ...]:
        return (blocks.astype(np.uint16),)

    def decompress(self, glwes: Sequence[Rounded]) -> list[Words]:
        return [glwe.astype(np.uint64) for glwe in glwes]


def faulty(unit: Unit, fault: Fault) -> Unit:
    """The same unit with a fault."""
    return replace(unit, device=FaultyDevice(unit.device, fault), storage=FaultyStorage(unit.storage, fault))


def honest(name: str = "honest") -> Unit:
    return Unit(name, ReferenceDevice(KEY), PlainStorage())
