"""Runs look-ups on a device: a wire's data is one LWE ciphertext under the big key, shape (k N + 1,)."""

from collections.abc import Sequence

import numpy as np

from streams.fhe.devices.encoding import encode_halves
from streams.fhe.devices.lookup_table import test_polynomial
from streams.fhe.devices.port import Bootstraps, Device
from streams.fhe.devices.words import Word, Words
from streams.fhe.noise import norm2_budget
from streams.fhe.radix.block import Block
from streams.fhe.radix.steps import LookUp, Outputs, checked

WRAP = (1 << 64) - 1


class DeviceExecutor:
    """One batch of look-ups becomes one batch of bootstraps; equal tables are sent once."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._budget = norm2_budget(device.parameters)

    def run(self, batch: Sequence[LookUp]) -> list[Outputs]:
        """The results in order; raises NoiseExceeded or PaddingExceeded before anything is computed."""
        tables = [checked(look_up, self._budget) for look_up in batch]
        distinct: dict[tuple[int, ...], int] = {}
        which = [distinct.setdefault(table.entries, len(distinct)) for table in tables]
        results = self._device.bootstrap(
            Bootstraps(
                np.stack([self.ciphertext(look_up.block) for look_up in batch]),
                test_polynomial(self._device.parameters, np.array(list(distinct), dtype=np.int64)),
                which,
                [table.shifts for table in tables],
            )
        )
        return [look_up.outputs(list(rows)) for look_up, rows in zip(batch, results, strict=True)]

    def ciphertext(self, block: Block) -> Words:
        """The LWE ciphertext of a block, shape (k N + 1,)."""
        combined = np.zeros(self._device.parameters.big_dimension + 1, np.uint64)
        for wire, factor in block.terms:
            combined += wire.data * Word(factor & WRAP)
        combined[-1:] += encode_halves(self._device.parameters, np.array([block.halves], dtype=np.int64))
        return combined
