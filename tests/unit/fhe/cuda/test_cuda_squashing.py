"""Squashing by the CUDA kernels, executed thread by thread on the CPU: the words of the device `cpu`."""

from dataclasses import replace

import numpy as np
import pytest

from streams.domain.errors import ConfigurationError, DeviceExhausted, KeyMaterialError
from streams.fhe.devices.cuda import operations, sizes, squashing
from streams.fhe.devices.cuda.fleet import Fleet
from streams.fhe.devices.cuda.gpu import Gpu
from streams.fhe.devices.cuda.keys import SquashKey, WideKey
from streams.fhe.devices.cuda.squashing import CudaSquashing
from streams.fhe.devices.words import Words
from streams.fhe.parameters import SQUASHING
from tests.unit.fhe.cuda.emulated import ORDERS, EmulatedGpu
from tests.unit.fhe.cuda.raw import raw_batch, words
from tests.unit.fhe.cuda.wide import WidePair, keys_with_amounts, placed, wide_keys

STEPS = 4
# By multiprocessors: how many ciphertexts share a block of the product; of five in twos the last is alone.
SHARES = {1: 80, 40: 2, 132: 1}
# The body's last: nothing at all; one coefficient; half a turn, and a whole one but for one coefficient.
AMOUNTS = np.array(
    [
        (0, 0, 0, 0),
        (0, 0, 0, 4095),
        (1, 2047, 2048, 1),
        (2049, 4095, 0, 2048),
        (64, 1024, 3072, 2047),
        (4095, 1, 63, 64),
    ],
    np.uint64,
)

# Upper halves with half a digit, the largest digit, ties, all bits.
CORNERS = (1 << 63, (1 << 63) - 1, (1 << 63) + 4, (1 << 63) + 3, 4, 3, 12, 0, (1 << 64) - 1, (1 << 64) - 5)


@pytest.fixture(scope="module")
def keys() -> WidePair:
    return wide_keys(STEPS)


def blocks(count: int) -> Words:
    """Random ciphertexts with corners of the keyswitch's digits."""
    return raw_batch(count).ciphertexts


@pytest.mark.parametrize("multiprocessors", SHARES)
def test_words_are_those_of_the_cpu_in_any_order_of_threads(multiprocessors: int, keys: WidePair) -> None:
    given = blocks(5)
    expected = keys.cpu.squash(given)
    for order in ORDERS:
        gpu = EmulatedGpu(order=order, multiprocessors=multiprocessors)
        assert np.array_equal(keys.on(gpu).squash(given), expected), order
        products = [each.grid for each in gpu.launches if each.kernel == "squash_product"]
        assert products == [(16, -(-5 // SHARES[multiprocessors]))] * STEPS


def test_amounts_at_the_edges(gpus: list[Gpu]) -> None:
    """Amounts of zero too, of which the CPU leaves the steps out and the GPU does not."""
    keys, given = keys_with_amounts(AMOUNTS), placed(len(AMOUNTS))
    seat = Fleet.of(gpus).next()
    small = operations.keyswitch(seat, keys.switch, given)
    dimension = AMOUNTS.shape[1] - 1
    amounts = operations.switch_modulus(seat, small, dimension, len(given))
    assert seat.gpu.download(amounts, np.uint16, AMOUNTS.shape).tolist() == AMOUNTS.tolist()
    found = keys.on(EmulatedGpu(multiprocessors=40)).squash(given)
    assert np.array_equal(found, keys.cpu.squash(given))
    # Nothing was added to the table, whose masks are empty.
    assert not found[:2, :-1].any()


def test_a_batch_is_cut_and_gpus_take_turns(keys: WidePair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(squashing, "SQUASHED_MAX", 2)
    gpus, given = (EmulatedGpu(), EmulatedGpu()), blocks(5)
    assert np.array_equal(keys.on(*gpus).squash(given), keys.cpu.squash(given))
    starts = [[each.grid for each in gpu.launches if each.kernel == "squash_start"] for gpu in gpus]
    assert starts == [[(2, 1), (1, 1)], [(2, 1)]]


def test_no_blocks_are_no_words(keys: WidePair, gpus: list[Gpu]) -> None:
    assert keys.on(*gpus).squash(blocks(1)[:0]).shape == keys.cpu.squash(blocks(1)[:0]).shape


def test_a_machine_without_the_copy_engine_squashes_too(keys: WidePair) -> None:
    given = blocks(2)
    assert np.array_equal(keys.on(EmulatedGpu((8, 0))).squash(given), keys.cpu.squash(given))


def test_a_batch_takes_no_more_than_it_reserved(keys: WidePair) -> None:
    gpu = EmulatedGpu()
    on_gpu = keys.on(gpu)
    on_gpu.squash(blocks(1))
    resident, gpu.peak = gpu.held, gpu.held
    on_gpu.squash(blocks(5))
    due = sizes.squashing_bytes(5, STEPS + 1)
    assert 0.8 * due < gpu.peak - resident <= due
    assert gpu.held == resident


def test_what_never_fits_is_refused(keys: WidePair) -> None:
    gpu = EmulatedGpu(memory_bytes=sizes.squashing_bytes(2, STEPS + 1) - 1)
    with pytest.raises(DeviceExhausted):
        keys.on(gpu).squash(blocks(2))
    assert gpu.launches == []


@pytest.mark.parametrize("count", [1, 8, 11])
def test_packed_words_are_those_of_the_cpu_in_any_order_of_threads(count: int, keys: WidePair) -> None:
    given = words(count, 4097, 2)
    given[0, : len(CORNERS), 1] = CORNERS
    (expected,) = keys.cpu.pack(given)
    for order in ORDERS:
        (found,) = keys.on(EmulatedGpu(order=order)).pack(given)
        assert np.array_equal(found, expected), order


def test_what_was_squashed_is_packed(keys: WidePair, gpus: list[Gpu]) -> None:
    on_gpu, given = keys.on(*gpus), blocks(3)
    (expected,) = keys.cpu.pack(keys.cpu.squash(given))
    assert np.array_equal(on_gpu.pack(on_gpu.squash(given))[0], expected)


def test_a_number_is_packed_into_as_many_as_it_takes(
    keys: WidePair, gpus: list[Gpu], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = replace(SQUASHING, packed_most=2, packed_dimension=2, packed_size=64)
    monkeypatch.setattr(squashing, "SQUASHING", few)
    given = words(3, 4097, 2)
    found = keys.on(*gpus).pack(given)
    assert [len(each) for each in found] == [2 * 64 + 2, 2 * 64 + 1]
    assert np.array_equal(found[0], keys.cpu.pack(given[:2])[0][: 2 * 64 + 2])


def test_packing_takes_no_more_than_it_reserved(keys: WidePair) -> None:
    gpu = EmulatedGpu()
    on_gpu = keys.on(gpu)
    on_gpu.pack(words(1, 4097, 2))
    resident, gpu.peak = gpu.held, gpu.held
    on_gpu.pack(words(9, 4097, 2))
    due = sizes.wide_packing_bytes(9, keys.pack.columns)
    assert 0.9 * due < gpu.peak - resident <= due


def test_more_than_a_polynomial_holds_are_refused(keys: WidePair, gpus: list[Gpu]) -> None:
    with pytest.raises(ValueError, match="65 ciphertexts, 64 fit"):
        keys.on(*gpus).pack(np.zeros((65, 4097, 2), np.uint64))


def test_keys_of_two_small_keys_are_refused(keys: WidePair) -> None:
    fleet, other = Fleet.of([EmulatedGpu()]), wide_keys(STEPS - 1).squash
    with pytest.raises(ConfigurationError, match="to n = 4, squashing from n = 3"):
        CudaSquashing(fleet, keys.switch, other, keys.pack)
    with pytest.raises(KeyMaterialError, match="another kind"):
        CudaSquashing(fleet, keys.switch, SquashKey(keys.switch.prepared), keys.pack)
    with pytest.raises(KeyMaterialError, match="another kind"):
        CudaSquashing(fleet, keys.switch, keys.squash, WideKey(keys.squash.prepared)).pack(words(1, 4097, 2))
