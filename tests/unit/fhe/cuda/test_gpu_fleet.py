"""Several GPUs take turns, each with its own copy of the keys, which goes when the key set goes."""

import gc
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import cipherstream_kernel as kernel
import numpy as np
import pytest

from streams.domain.errors import ConfigurationError, DeviceExhausted
from streams.fhe.devices.cuda.device import CudaDevice
from streams.fhe.devices.cuda.fleet import Fleet, Seat
from streams.fhe.devices.cuda.gpu import Array
from streams.fhe.devices.cuda.keys import packing_key
from streams.fhe.devices.cuda.memory import Reservations
from streams.fhe.devices.cuda.squashing import CudaSquashing
from streams.fhe.devices.cuda.storage import CudaStorage
from streams.fhe.devices.words import flat
from streams.fhe.parameters import COMPRESSION, PINNED
from tests.unit.fhe.cuda.emulated import BROKEN, EmulatedBuffer, EmulatedGpu
from tests.unit.fhe.cuda.raw import BIG, differing, raw_batch, raw_keys, small_batch, words
from tests.unit.fhe.cuda.wide import wide_keys

PATIENCE_S = 60.0


class Key:
    """Something to upload, 128 bytes, which counts how often it was asked for."""

    def __init__(self, meet: Callable[[], object] = lambda: None) -> None:
        self.asked = 0
        self._meet = meet

    def array(self) -> Array:
        self.asked += 1
        self._meet()
        return np.arange(16, dtype=np.uint64)


class UploadsGpu(EmulatedGpu):
    """Takes down what was promised while something was uploaded."""

    def __init__(self) -> None:
        super().__init__()
        self.uploads = list[tuple[int, int]]()  # bytes, and those promised at that moment
        self.fleet = Fleet.of([self])

    def upload(self, array: Array) -> EmulatedBuffer:
        self.uploads.append((array.nbytes, self.fleet.seats[0].memory.promised))
        return super().upload(array)


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
    gpus, key = [EmulatedGpu(), EmulatedGpu()], Key(lambda: time.sleep(0.05))  # others come meanwhile
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


def test_a_key_that_does_not_fit_is_not_uploaded() -> None:
    gpu = EmulatedGpu(memory_bytes=127)
    seat, key = Fleet.of([gpu]).next(), Key()
    with pytest.raises(DeviceExhausted, match="128 bytes"):
        seat.holding(key)
    assert (gpu.peak, seat.memory.promised) == (0, 0)


def test_keys_of_two_threads_together_never_exceed_the_memory() -> None:
    gpu, barrier = EmulatedGpu(memory_bytes=200), threading.Barrier(2, timeout=PATIENCE_S)
    seat, keys = Fleet.of([gpu]).next(), [Key(barrier.wait), Key(barrier.wait)]
    with ThreadPoolExecutor(2) as pool:
        errors = [call.exception() for call in [pool.submit(seat.holding, key) for key in keys]]
    assert sorted(type(error) for error in errors if error) == [DeviceExhausted]
    assert gpu.peak == 128
    with seat.memory.reserved(72):
        pass


def test_a_key_waits_for_batches_which_reach_what_is_there() -> None:
    waits, gpu = threading.Event(), EmulatedGpu(memory_bytes=1000)
    go_on = threading.Event()

    def pause(seconds: float) -> None:
        waits.set()
        assert go_on.wait(PATIENCE_S)

    seat, there, missing = Seat(gpu, Reservations(gpu, pause)), Key(), Key()
    with ThreadPoolExecutor(2) as pool:
        with seat.working(800, there):
            upload = pool.submit(seat.holding, missing)
            try:
                assert waits.wait(PATIENCE_S)
                assert gpu.held == 128
                pool.submit(seat.holding, there).result(PATIENCE_S)
            finally:
                assert not upload.done()
        go_on.set()
        upload.result(PATIENCE_S)
    assert (gpu.held, seat.memory.promised) == (256, 0)


def test_an_upload_that_failed_is_tried_again() -> None:
    gpu = EmulatedGpu(memory_bytes=200)
    seat, key = Fleet.of([gpu]).next(), Key()
    other = gpu.empty(100)  # of another process
    seat.memory.keep(100)
    with pytest.raises(DeviceExhausted):
        seat.holding(key)
    seat.memory.keep(-100)
    del other
    assert seat.holding(key) is seat.holding(key)
    assert gpu.held == 128


@pytest.mark.parametrize("name", ["bootstrap", "rotate", "compress", "decompress", "squash", "pack"])
def test_keys_are_there_before_a_batch_reserves_its_memory(name: str) -> None:
    gpu, keys, wide = UploadsGpu(), raw_keys(5), wide_keys(2)
    device = CudaDevice(keys.parameters, gpu.fleet, keys.switch, keys.rotate)
    size, levels = COMPRESSION.polynomial_size, COMPRESSION.packing.level
    into = kernel.PackingKey.prepare(flat(words(BIG * levels * size)), 0, size, levels)
    storage = CudaStorage(PINNED, gpu.fleet, packing_key(memoryview(into.to_bytes())), keys.rotate)
    stored = np.zeros(COMPRESSION.dimension + 2, np.uint16)
    squashing = CudaSquashing(gpu.fleet, wide.switch, wide.squash, wide.pack)
    calls: dict[str, tuple[int, Callable[[], object]]] = {
        "bootstrap": (3, lambda: device.bootstrap(raw_batch(2))),
        "rotate": (2, lambda: device.rotate(small_batch(2, 5))),
        "compress": (1, lambda: storage.compress(words(2, 2049))),
        "decompress": (2, lambda: storage.decompress([stored])),
        "squash": (3, lambda: squashing.squash(words(2, 2049))),
        "pack": (1, lambda: squashing.pack(words(2, 4097, 2))),
    }
    keys_due, call = calls[name]
    call()
    exactly = [nbytes for nbytes, promised in gpu.uploads if promised == nbytes]
    assert len(exactly) == keys_due
    assert gpu.uploads[:keys_due] == [(nbytes, nbytes) for nbytes in exactly]
    # What belongs to the batch comes later, within what it reserved.
    assert all(promised > nbytes for nbytes, promised in gpu.uploads[keys_due:])


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
