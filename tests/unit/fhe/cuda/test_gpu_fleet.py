"""Several GPUs take turns, each with its own copy of the keys, which goes when the key set goes."""

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from streams.domain.errors import ConfigurationError
from streams.fhe.devices.cuda.fleet import Fleet
from streams.fhe.devices.cuda.gpu import Array
from tests.unit.fhe.cuda.emulated import BROKEN, EmulatedGpu
from tests.unit.fhe.cuda.raw import differing, raw_batch, raw_keys


class Key:
    """Something to upload, which counts how often it was asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def array(self) -> Array:
        self.asked += 1
        return np.arange(16, dtype=np.uint64)


def test_gpus_take_turns() -> None:
    gpus = [EmulatedGpu() for _ in range(3)]
    fleet = Fleet.of(gpus)
    assert [fleet.next().gpu for _ in range(7)] == [*gpus, *gpus, gpus[0]]


def test_turns_of_many_threads_are_even() -> None:
    fleet = Fleet.of([EmulatedGpu() for _ in range(2)])
    with ThreadPoolExecutor(4) as pool:
        turns = [pool.submit(fleet.next) for _ in range(400)]
    seats = [turn.result() for turn in turns]
    assert [seats.count(seat) for seat in fleet.seats] == [200, 200]


@pytest.mark.parametrize(("index", "served"), [(0, 0), (1, 1), (2, 0), (-1, 0)])
def test_an_index_that_no_gpu_has_means_the_first(index: int, served: int) -> None:
    fleet = Fleet.of([EmulatedGpu() for _ in range(2)])
    assert fleet.only(index).seats == (fleet.seats[served],)


def test_without_a_gpu_there_is_no_fleet() -> None:
    with pytest.raises(ConfigurationError, match="no GPU"):
        Fleet.of([])


def test_a_key_is_uploaded_once_to_each_gpu() -> None:
    gpus, key = [EmulatedGpu(), EmulatedGpu()], Key()
    fleet = Fleet.of(gpus)
    first, second = fleet.seats
    with ThreadPoolExecutor(4) as pool:
        held = [pool.submit(first.holding, key) for _ in range(20)]
    assert (len({id(each.result()) for each in held}), key.asked) == (1, 1)
    assert second.holding(key) is not first.holding(key)
    assert fleet.only(0).seats[0].holding(key) is first.holding(key)
    assert key.asked == 2
    assert [gpu.waits for gpu in gpus] == [1, 1]


def test_a_key_goes_with_its_owner() -> None:
    gpu = EmulatedGpu(memory_bytes=1000)
    seat, key = Fleet.of([gpu]).next(), Key()
    seat.holding(key)
    assert gpu.held == 128
    with pytest.raises(Exception, match="memory"), seat.memory.reserved(873):
        pass
    del key
    gc.collect()
    assert gpu.held == 0
    with seat.memory.reserved(1000):
        pass


def test_batches_go_round_and_bits_do_not_depend_on_it() -> None:
    keys, batch = raw_keys(5), raw_batch(4)
    gpus = [EmulatedGpu((9, 0)), EmulatedGpu((8, 0), multiprocessors=4)]
    device = keys.on(*gpus)
    expected = keys.cpu.bootstrap(batch)
    assert all(differing(device.bootstrap(batch), expected) == 0 for _ in range(3))
    rotations = [[launch.kernel for launch in gpu.launches].count("blind_rotate") for gpu in gpus]
    assert rotations == [2, 1]


def test_a_wave_of_the_widest_variant_is_a_batch() -> None:
    keys = raw_keys(5)
    assert keys.on(EmulatedGpu(multiprocessors=132)).batch_size == 396
    assert keys.on(EmulatedGpu((8, 0), multiprocessors=108)).batch_size == 216


def test_a_fault_is_planted_where_it_says() -> None:
    """The twin itself: one GPU of a fleet may be broken."""
    keys, batch = raw_keys(5), raw_batch(4)
    device = keys.on(EmulatedGpu(), EmulatedGpu(fault=BROKEN))
    found = [differing(device.bootstrap(batch), keys.cpu.bootstrap(batch)) for _ in range(2)]
    assert found[0] == 0 < found[1]
