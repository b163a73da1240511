"""Memory is promised before it is taken: batches of many threads together never exceed a GPU."""

import threading
from collections.abc import Callable

import pytest

from streams.domain.errors import DeviceExhausted
from streams.fhe.devices.cuda import memory, sizes
from streams.fhe.devices.cuda.memory import Reservations
from streams.fhe.parameters import COMPRESSION
from tests.unit.fhe.cuda.emulated import EmulatedGpu
from tests.unit.fhe.cuda.raw import raw_batch, raw_keys


class Pauses:
    """Counts pauses, and does something in one of them."""

    def __init__(self, during: dict[int, Callable[[], object]] | None = None) -> None:
        self.count = 0
        self.during = during or {}

    def __call__(self, seconds: float) -> None:
        assert seconds == memory.PAUSE_S
        self.count += 1
        self.during.get(self.count, lambda: None)()


def test_what_fits_is_promised_at_once_and_given_back() -> None:
    pauses = Pauses()
    reservations = Reservations(EmulatedGpu(memory_bytes=1000), pauses)
    with reservations.reserved(600), reservations.reserved(400):
        assert reservations.promised == 1000
    assert (reservations.promised, pauses.count) == (0, 0)


def test_a_batch_waits_for_another_ones_memory() -> None:
    pauses = Pauses()
    reservations = Reservations(EmulatedGpu(memory_bytes=1000), pauses)
    other = reservations.reserved(700)
    other.__enter__()
    pauses.during[3] = lambda: other.__exit__(None, None, None)
    with reservations.reserved(500):
        assert reservations.promised == 500
    assert pauses.count == 3


def test_while_it_waits_it_holds_nothing() -> None:
    """Else two batches that wait for each other would wait forever."""
    seen = list[int]()
    pauses = Pauses({1: lambda: seen.append(reservations.promised)})
    gpu = EmulatedGpu(memory_bytes=1000)
    reservations = Reservations(gpu, pauses)
    pauses.during[2] = lambda: other.__exit__(None, None, None)
    other = reservations.reserved(700)
    other.__enter__()
    with reservations.reserved(500):
        assert seen == [700]


def test_what_never_fits_is_refused_without_waiting() -> None:
    pauses = Pauses()
    with (
        pytest.raises(DeviceExhausted, match="1001 bytes"),
        Reservations(EmulatedGpu(memory_bytes=1000), pauses).reserved(1001),
    ):
        pass
    assert pauses.count == 0


def test_waiting_has_an_end() -> None:
    pauses = Pauses()
    reservations = Reservations(EmulatedGpu(memory_bytes=1000), pauses)
    with (
        reservations.reserved(700),
        pytest.raises(DeviceExhausted),
        reservations.reserved(500),
    ):
        pass
    assert pauses.count == memory.ATTEMPTS
    assert reservations.promised == 0


def test_keys_are_not_for_batches_but_the_memory_of_batches_is() -> None:
    gpu = EmulatedGpu(memory_bytes=1000)
    reservations = Reservations(gpu)
    key, pooled = gpu.empty(300), gpu.empty(200)
    reservations.keep(key.nbytes)
    with reservations.reserved(700):
        assert pooled.nbytes == 200
    with pytest.raises(DeviceExhausted), reservations.reserved(701):
        pass
    reservations.keep(-key.nbytes)


def test_an_error_gives_the_memory_back() -> None:
    reservations = Reservations(EmulatedGpu(memory_bytes=1000))
    with pytest.raises(KeyError), reservations.reserved(1000):
        raise KeyError
    assert reservations.promised == 0


def test_threads_together_never_exceed_the_memory() -> None:
    reservations = Reservations(EmulatedGpu(memory_bytes=1000), lambda _: None)
    inside, seen = list[int](), list[int]()

    def work() -> None:
        for _ in range(200):
            with reservations.reserved(400):
                inside.append(400)
                seen.append(sum(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(seen) <= 1000
    assert reservations.promised == 0


def test_a_batch_takes_no_more_than_it_reserved() -> None:
    keys, count = raw_keys(5), 40
    gpu = EmulatedGpu()
    device = keys.on(gpu)
    device.bootstrap(raw_batch(3))
    resident, gpu.peak = gpu.held, gpu.held
    batch = raw_batch(count)
    device.bootstrap(batch)
    reads = sum(map(len, batch.boxes))
    due = sizes.keyswitch_bytes(count, 6) + sizes.rotation_bytes(count, 5, 3, reads)
    assert 0.5 * due < gpu.peak - resident <= due  # digits are gone before the rotation begins
    assert gpu.held == resident


def test_sizes_are_those_of_the_operation() -> None:
    words = COMPRESSION.dimension + COMPRESSION.polynomial_size
    assert sizes.packing_bytes(32, words) > sizes.keyswitch_bytes(32, words)
    assert sizes.rotation_bytes(10, 918, 1, 30) > 2 * sizes.rotation_bytes(10, 918, 1, 10)
    assert sizes.switch_bytes(1, 918) == 15 * sizes.UNIT  # 919 words, rounded up
