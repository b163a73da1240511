"""What was decompressed lately, and what `Storage` makes of it."""

from collections.abc import Sequence

import numpy as np

from streams.domain.operations import FheType
from streams.fhe.devices.packing import Rounded
from streams.fhe.devices.reference import ReferenceDevice
from streams.fhe.devices.words import Words
from streams.fhe.formats.ciphertext_list import PackedNumber
from streams.fhe.radix.device_executor import DeviceExecutor
from streams.fhe.wave.component import Value
from streams.fhe.wave.decompressed import Decompressed
from streams.fhe.wave.storage import Given, Storage, StoredNumber
from tests.unit.fhe.devices.sets import SMALL, keys_of

ROW = np.zeros(4, np.uint64)


def test_the_least_used_makes_room() -> None:
    cache = Decompressed(2 * ROW.nbytes)
    cache.put(b"a", ROW)
    cache.put(b"b", ROW)
    assert cache.get(b"a") is ROW
    cache.put(b"c", ROW)
    assert [cache.get(name) is ROW for name in (b"a", b"b", b"c")] == [True, False, True]
    assert (cache.hits, cache.misses) == (3, 1)


def test_what_is_larger_than_the_cache_displaces_nothing() -> None:
    cache = Decompressed(ROW.nbytes)
    cache.put(b"a", ROW)
    cache.put(b"large", np.zeros(5, np.uint64))
    cache.put(b"a", np.ones(4, np.uint64))
    assert cache.get(b"a") is ROW
    assert cache.get(b"large") is None


def test_what_was_let_go_does_not_come_back_from_a_load_that_began_before() -> None:
    cache = Decompressed()
    cache.put(b"a", ROW)
    before = cache.generation
    cache.clear()
    cache.put(b"b", ROW, before)
    assert (cache.get(b"a"), cache.get(b"b")) == (None, None)
    cache.put(b"b", ROW, cache.generation)
    assert cache.get(b"b") is ROW


class Packer:
    """Unpacks to rows that show which ciphertext they are of, and keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked = list[int]()

    def compress(self, blocks: Words) -> tuple[Rounded, ...]:
        raise AssertionError(blocks)

    def decompress(self, glwes: Sequence[Rounded]) -> list[Words]:
        self.asked.append(len(glwes))
        return [np.full((4, SMALL.big_dimension + 1), glwe.sum(), np.uint64) for glwe in glwes]


def shifted(numbers: Sequence[tuple[Words, bytes]]) -> list[Words]:
    return [blocks + np.uint64(int.from_bytes(seed[:7], "big")) for blocks, seed in numbers]


def number(mark: int) -> StoredNumber:
    packed = PackedNumber(False, 4, (np.array([mark], np.uint16),))
    return StoredNumber(FheType.UINT8, bytes([mark]), packed)


def words(loaded: Sequence[Sequence[Value]]) -> list[list[int]]:
    """The first word of each number."""
    return [[int(value.blocks[0].terms[0][0].data[0]) for value in values] for values in loaded]


def test_a_number_is_decompressed_once_for_all_that_compute_with_it() -> None:
    packer = Packer()
    storage = Storage(packer, shifted, DeviceExecutor(ReferenceDevice(keys_of(SMALL)[1])))
    one, two, three = number(1), number(2), number(3)
    first = words(storage.load([Given((one, two), b"first"), Given((two, two), b"second")]))
    assert packer.asked == [2]
    words(storage.load([Given((three, one), b"third")]))
    assert packer.asked == [2, 1]
    assert words(storage.load([Given((one, two), b"first")])) == first[:1]
    assert (packer.asked, storage.cache.hits) == ([2, 1], 3)


def test_each_use_of_a_number_is_re_randomised_by_itself() -> None:
    storage = Storage(Packer(), shifted, DeviceExecutor(ReferenceDevice(keys_of(SMALL)[1])))
    one = number(1)
    loaded = words(storage.load([Given((one, one), b"first"), Given((one,), b"second")]))
    assert len({word for words_of in loaded for word in words_of}) == 3
