"""Executors without ciphertexts: one counts, one computes on clear numbers exactly as a device would."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streams.fhe.devices.randomness import SeededSource
from streams.fhe.radix.block import MESSAGE_BITS, Block, RangeClaimWrong, Wire, digits
from streams.fhe.radix.random import blocks_needed, seeded
from streams.fhe.radix.steps import BUDGET, LOADED, LookUp, Outputs, checked
from streams.fhe.radix.table import TURN, Table

Values = NDArray[np.int64]


class CountingExecutor:
    """Runs no look-up, but refuses what a device would refuse, and counts."""

    def __init__(self, budget: int = BUDGET) -> None:
        self.budget = budget
        self.look_ups = 0
        self.depth = 0
        self.widest = 0
        self.noise = 0.0

    def run(self, batch: Sequence[LookUp]) -> list[Outputs]:
        """The results as blocks without data; raises NoiseExceeded or PaddingExceeded."""
        tables = [checked(look_up, self.budget) for look_up in batch]
        self.look_ups += len(batch)
        # A call of `run` is a batch: how many there are is the depth, as long as nobody else shares them.
        self.depth += 1
        # how large a device's batch would have to be for the depth to be the time
        self.widest = max(self.widest, len(batch))
        self.noise = max([self.noise, *(look_up.block.noise for look_up in batch)])
        return [self._outputs(look_up, table) for look_up, table in zip(batch, tables, strict=True)]

    def seeded(self, seed: bytes, bits: int) -> list[Block]:
        """Seeded blocks without data."""
        del seed
        return [seeded() for _ in range(blocks_needed(bits))]

    def _outputs(self, look_up: LookUp, table: Table) -> Outputs:
        return look_up.outputs([None] * len(table.shifts))


class ClearExecutor(CountingExecutor):
    """Computes on clear numbers, many samples at once: a wire's data is an array of halves, shape (samples,).

    Results go through the sixteen table entries and the padding bit's sign, as on a device, and every value
    is held against the range that its block claims.
    """

    def encrypt(self, values: Sequence[int], bits: int, noise: float = LOADED) -> list[Block]:
        """Samples of a number as blocks of two bits (one of one bit for a Bool), as noisy as loaded ones."""
        count = max(1, bits // MESSAGE_BITS)
        # (blocks, samples), each block an array of halves
        columns = np.array([digits(value, count) for value in values], dtype=np.int64).T
        top = 2 if bits == 1 else 6  # largest value in halves
        return [Block.of(Wire(0, top, noise, 2 * column)) for column in columns]

    def seeded(self, seed: bytes, bits: int) -> list[Block]:
        """Seeded blocks of one sample each."""
        # Not the phases that a device finds for this seed, which depend on its key: uniform is all they
        # share.
        positions = SeededSource(seed).uniform((blocks_needed(bits),)) % np.uint64(TURN)
        return [seeded(np.array([2 * int(position)])) for position in positions]

    def values(self, block: Block) -> Values:
        """The samples of a block, shape (samples,).

        Raises:
            RangeClaimWrong: a sample lies outside the block's range or is not whole.
        """
        halves = (
            sum((factor * wire.data for wire, factor in block.terms), np.zeros(1, np.int64)) + block.halves
        )
        values = halves >> 1
        # A half-integer or a value outside its claim is an error of the algorithm that a device would hide:
        # it would read a wrong box, now and then.
        if np.any(halves & 1) or values.min() < block.low or values.max() > block.high:
            raise RangeClaimWrong(f"a value outside [{block.low}, {block.high}]")
        return values

    def decrypt(self, blocks: Sequence[Block], samples: int) -> list[int]:
        """The numbers that blocks stand for; every block must be a clean digit."""
        columns = [np.broadcast_to(self.values(block), samples).tolist() for block in blocks]
        numbers = zip(*columns, strict=True)
        return [sum(digit << (MESSAGE_BITS * i) for i, digit in enumerate(number)) for number in numbers]

    def _outputs(self, look_up: LookUp, table: Table) -> Outputs:
        # Held against its claim first: a table made for a narrower range would answer, and wrongly.
        values = self.values(look_up.block)
        turned = [_read(table, output, values) for output in range(len(table.shifts))]
        return look_up.outputs(turned)


def _read(table: Table, output: int, values: Values) -> Values:
    # T[v + 16] = -T[v]: the turn has 32 positions
    whole = np.array([*table.entries, *(-entry for entry in table.entries)], dtype=np.int64)
    return whole[(values + table.shifts[output]) % len(whole)]
