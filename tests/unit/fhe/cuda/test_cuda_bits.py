"""The CUDA kernels, executed thread by thread on the CPU, give the words of the device `cpu`."""

from dataclasses import replace

import cipherstream_kernel as kernel
import numpy as np
import pytest

from streams.domain.errors import ConfigurationError
from streams.fhe.devices.cpu_storage import CpuStorage
from streams.fhe.devices.cuda.device import CudaDevice
from streams.fhe.devices.cuda.fleet import Fleet
from streams.fhe.devices.cuda.gpu import Gpu
from streams.fhe.devices.cuda.keys import RotationKey, packing_key
from streams.fhe.devices.cuda.storage import CudaStorage
from streams.fhe.parameters import COMPRESSION, PINNED
from tests.unit.fhe.cuda.emulated import ORDERS, EmulatedGpu
from tests.unit.fhe.cuda.raw import BIG, Pair, differing, raw_batch, raw_keys, small_batch, words
from tests.unit.fhe.devices.sets import SMALL

STEPS = 5  # more than the key steps in shared memory, so that each place is filled again
COUNT = 7  # no variant's blocks are all full
# Batches of seven in one wave of so many multiprocessors make one variant after another.
VARIANTS = {
    "rotation-1-2": ((9, 0), 7),
    "rotation-2-1": ((9, 0), 4),
    "rotation-3-1": ((9, 0), 1),
    "rotation-1-0": ((8, 0), 7),
    "rotation-2-0": ((8, 0), 1),
}


@pytest.fixture(scope="module")
def keys() -> Pair:
    return raw_keys(STEPS)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_gives_the_words_of_the_cpu_in_any_order_of_threads(variant: str, keys: Pair) -> None:
    architecture, multiprocessors = VARIANTS[variant]
    batch = raw_batch(COUNT)
    expected = keys.cpu.bootstrap(batch)
    for order in ORDERS:
        gpu = EmulatedGpu(architecture, order, multiprocessors)
        assert differing(keys.on(gpu).bootstrap(batch), expected) == 0, order
        assert gpu.launches[-1].program.name == variant


def test_words_are_those_of_the_cpu_at_the_real_size(gpus: list[Gpu]) -> None:
    """All steps and all columns of the pinned set; a second block of threads with one ciphertext."""
    keys, batch = raw_keys(PINNED.lwe_dimension), raw_batch(4)
    assert differing(keys.on(*gpus).bootstrap(batch), keys.cpu.bootstrap(batch)) == 0


@pytest.mark.parametrize(
    ("variant", "architecture", "multiprocessors", "count"),
    [
        ("rotation-1-2", (9, 0), 1, 1),
        ("rotation-2-1", (9, 0), 2, 3),  # the last block of threads has one ciphertext
        ("rotation-1-0", (8, 0), 1, 1),
        ("rotation-2-0", (8, 0), 1, 3),
    ],
)
def test_the_other_variants_give_them_at_the_real_size_too(
    variant: str, architecture: tuple[int, int], multiprocessors: int, count: int
) -> None:
    keys, batch = raw_keys(PINNED.lwe_dimension), raw_batch(count)
    gpu = EmulatedGpu(architecture, "shuffled", multiprocessors)
    assert differing(keys.on(gpu).bootstrap(batch), keys.cpu.bootstrap(batch)) == 0
    assert gpu.launches[-1].program.name == variant


def test_a_batch_of_more_than_a_warp_of_the_keyswitch_takes(keys: Pair, gpus: list[Gpu]) -> None:
    """And than a block of its grid."""
    batch = raw_batch(67)
    assert differing(keys.on(*gpus).bootstrap(batch), keys.cpu.bootstrap(batch)) == 0


def test_batches_that_ask_each_variant_of_the_machine(keys: Pair, gpus: list[Gpu]) -> None:
    device = keys.on(*gpus)
    for count in device.least_batches:
        batch = raw_batch(count)
        assert differing(device.bootstrap(batch), keys.cpu.bootstrap(batch)) == 0, count


def test_random_numbers_are_rotated_by_their_own_key(keys: Pair, gpus: list[Gpu]) -> None:
    batch = small_batch(COUNT, STEPS)
    expected = keys.cpu.rotate(batch)
    assert differing(keys.on(*gpus).rotate(batch), expected) == 0
    fleet = Fleet.of(gpus)
    apart = CudaDevice(keys.parameters, fleet, keys.switch, raw_keys(STEPS + 1).rotate, random=keys.rotate)
    assert differing(apart.rotate(batch), expected) == 0


def test_an_amount_of_zero_adds_nothing(keys: Pair, gpus: list[Gpu]) -> None:
    """The CPU leaves such a step out, the GPU does not."""
    batch = small_batch(3, STEPS)
    batch.ciphertexts[:, :] = 0
    batch.ciphertexts[1, 2] = 1 << 60
    assert differing(keys.on(*gpus).rotate(batch), keys.cpu.rotate(batch)) == 0


def test_numbers_are_stored_and_read_as_on_the_cpu(gpus: list[Gpu]) -> None:
    """Both keys at their real size."""
    size, wide = COMPRESSION.polynomial_size, COMPRESSION.glwe_dimension
    rows = BIG * COMPRESSION.packing.level * (wide + 1) * size
    pack = kernel.PackingKey.prepare(words(rows).data, wide, size, COMPRESSION.packing.level)
    unpack = kernel.BootstrapKey.prepare(words(COMPRESSION.dimension * 4 * BIG).data, COMPRESSION.dimension)
    on_cpu = CpuStorage(PINNED, pack, unpack, threads=2)
    prepared = (memoryview(pack.to_bytes()), memoryview(unpack.to_bytes()))
    fleet = Fleet.of(gpus)
    on_gpu = CudaStorage(PINNED, fleet, packing_key(prepared[0]), RotationKey(prepared[1]))
    blocks = raw_batch(9).ciphertexts
    (stored,) = on_cpu.compress(blocks)
    assert np.array_equal(on_gpu.compress(blocks)[0], stored)
    one, two = stored[: COMPRESSION.dimension + 1], stored[: COMPRESSION.dimension + 2]
    assert differing(on_gpu.decompress([one, two]), on_cpu.decompress([one, two])) == 0


def test_what_would_read_outside_is_refused(keys: Pair, gpus: list[Gpu]) -> None:
    device, batch = keys.on(*gpus), raw_batch(2)
    with pytest.raises(ValueError, match="no table 3"):
        device.bootstrap(replace(batch, tables=[0, 3]))
    with pytest.raises(ValueError, match="outside of the polynomial"):
        device.bootstrap(replace(batch, boxes=[(0,), (16,)]))
    with pytest.raises(ConfigurationError, match="2\\^32"):
        device.bootstrap(replace(batch, polynomials=batch.polynomials + np.uint64(1)))


def test_a_set_of_another_shape_is_refused(keys: Pair, gpus: list[Gpu]) -> None:
    with pytest.raises(ConfigurationError, match="polynomials and gadgets"):
        CudaDevice(SMALL, Fleet.of(gpus), keys.switch, keys.rotate)
