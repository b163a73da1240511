"""What `Storage` packs as it is, and what it looks up once more before."""

from collections.abc import Sequence

import numpy as np

from streams.domain.operations import FheType
from streams.fhe.devices.packing import Rounded
from streams.fhe.devices.reference import ReferenceDevice
from streams.fhe.devices.words import Words
from streams.fhe.formats.ciphertext_list import PackedNumber
from streams.fhe.parameters import COMPRESSION
from streams.fhe.radix.block import Block
from streams.fhe.radix.device_executor import DeviceExecutor
from streams.fhe.radix.steps import BUDGET, LOADED, LookUp, Outputs
from streams.fhe.wave.component import Value
from streams.fhe.wave.storage import Given, Storage, StoredNumber
from tests.unit.fhe.devices.sets import SMALL, decrypted, keys_of
from tests.unit.fhe.wave.windows import U8, DeviceSide

CLIENT, SERVER = keys_of(SMALL)


class Shelf:
    """Keeps the ciphertexts that it is given to pack."""

    def __init__(self) -> None:
        self.rows = list[Words]()

    def compress(self, blocks: Words) -> tuple[Rounded, ...]:
        self.rows.append(blocks)
        return (np.zeros(COMPRESSION.dimension + len(blocks), np.uint16),)

    def decompress(self, glwes: Sequence[Rounded]) -> list[Words]:
        return [np.zeros((4, SMALL.big_dimension + 1), np.uint64) for _ in glwes]


class Counted(DeviceExecutor):
    """Keeps how many look-ups it was asked for."""

    look_ups = 0

    def run(self, batch: Sequence[LookUp]) -> list[Outputs]:
        self.look_ups += len(batch)
        return super().run(batch)


class Bench:
    def __init__(self) -> None:
        device = ReferenceDevice(SERVER)
        self.side, self.executor, self.shelf = DeviceSide(CLIENT, device), Counted(device), Shelf()
        self.storage = Storage(self.shelf, lambda numbers: [blocks for blocks, _ in numbers], self.executor)

    def number(self, value: int, noise: float = LOADED) -> tuple[Block, ...]:
        return self.side.value(U8, value, noise).blocks


def test_a_sum_of_ciphertexts_is_stored_as_it_is() -> None:
    """As a selection leaves it, and as loud as a look-up's input may be."""
    bench = Bench()
    left, right = bench.number(0b01_00_10_01), bench.number(0b01_10_00_01)
    sums = [(x + y).within(0, 3) for x, y in zip(left, right, strict=True)]
    loud = bench.number(77, noise=BUDGET)
    bench.storage.store([Value(U8, tuple(sums)), Value(U8, loud)])
    assert bench.executor.look_ups == 0
    first, second = bench.shelf.rows
    assert decrypted(CLIENT, first) == [2, 2, 2, 2]
    assert (second == np.stack([bench.executor.ciphertext(block) for block in loud])).all()


def test_carries_and_too_much_noise_are_looked_up_away_once_for_all() -> None:
    bench = Bench()
    (low, *_), loud = bench.number(1), bench.number(0b11_10_01_00, noise=BUDGET + 1)
    wide = low + low  # up to 6, as far as anybody can tell
    bench.storage.store([Value(U8, (wide, low, low, wide)), Value(U8, (wide, *loud[1:]))])
    assert bench.executor.look_ups == 1 + 3
    assert [decrypted(CLIENT, rows) for rows in bench.shelf.rows] == [[2, 1, 1, 2], [2, 1, 2, 3]]


def test_a_loaded_block_counts_what_decompression_leaves() -> None:
    bench = Bench()
    packed = PackedNumber(False, 4, (np.zeros(COMPRESSION.dimension + 4, np.uint16),))
    ((value,),) = bench.storage.load([Given((StoredNumber(FheType.UINT8, b"digest", packed),), b"context")])
    assert {block.noise for block in value.blocks} == {LOADED}
    # and is stored again as it is
    bench.storage.store([value])
    assert bench.executor.look_ups == 0
