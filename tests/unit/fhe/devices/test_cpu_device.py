"""The device `cpu` against `reference`: equal values on every path, equal bits whatever the batch."""

from dataclasses import replace

import cipherstream_kernel as kernel
import numpy as np
import pytest

from streams.domain.errors import ConfigurationError
from streams.fhe import noise
from streams.fhe.devices import encoding, lwe
from streams.fhe.devices.cpu import CpuDevice
from streams.fhe.devices.lookup_table import test_polynomial as polynomial_of
from streams.fhe.devices.port import Bootstraps
from streams.fhe.devices.randomness import SeededSource
from streams.fhe.devices.reference import ReferenceDevice
from streams.fhe.devices.seeded import seeded_ciphertexts
from streams.fhe.devices.words import Words
from streams.fhe.parameters import PINNED
from streams.fhe.radix.addition import add
from streams.fhe.radix.block import Block, Wire, digits
from streams.fhe.radix.device_executor import DeviceExecutor
from streams.fhe.radix.forms import Form
from streams.fhe.radix.steps import run
from tests.unit.fhe.devices.sets import SMALL, decrypted, encrypted, every_value, keys_of

# The pinned set but for a short small key: 51 times fewer steps, the same polynomials.
SHORT = replace(PINNED, lwe_dimension=18)
CLIENT, SERVER = keys_of(SHORT)
PATHS = kernel.instruction_sets()


def batch_of(ciphertexts: Words) -> Bootstraps:
    """Four tables in turns; every third ciphertext gives two results."""
    entries = np.array([[2 * ((i + 1) * value % 16) for value in range(16)] for i in range(4)])
    count = len(ciphertexts)
    boxes = [(0, 5) if i % 3 == 0 else (0,) for i in range(count)]
    return Bootstraps(ciphertexts, polynomial_of(SHORT, entries), [i % 4 for i in range(count)], boxes)


BATCH = batch_of(encrypted(SeededSource(b"in"), CLIENT, np.arange(32)))
EXPECTED = [decrypted(CLIENT, rows) for rows in ReferenceDevice(SERVER).bootstrap(BATCH)]


@pytest.mark.parametrize("path", PATHS)
def test_values_are_those_of_the_reference_and_bits_those_of_any_path(path: str) -> None:
    results = CpuDevice.prepare(SERVER, threads=2, path=path).bootstrap(BATCH)
    assert [decrypted(CLIENT, rows) for rows in results] == EXPECTED
    first = CpuDevice.prepare(SERVER, path=PATHS[0]).bootstrap(BATCH)
    assert all((one == other).all() for one, other in zip(results, first, strict=True))


def test_bits_do_not_depend_on_the_batch() -> None:
    device = CpuDevice.prepare(SERVER)
    whole = device.bootstrap(BATCH)
    for place in (0, 7, 31):
        tables, boxes = [BATCH.tables[place]], [BATCH.boxes[place]]
        alone = replace(BATCH, ciphertexts=BATCH.ciphertexts[place : place + 1], tables=tables, boxes=boxes)
        assert (device.bootstrap(alone)[0] == whole[place]).all()


def test_seeded_ciphertexts_are_rotated_without_a_keyswitch() -> None:
    batch = batch_of(seeded_ciphertexts(SHORT, b"event", 24))
    found = [decrypted(CLIENT, rows) for rows in CpuDevice.prepare(SERVER).rotate(batch)]
    assert found == [decrypted(CLIENT, rows) for rows in ReferenceDevice(SERVER).rotate(batch)]


def test_radix_algorithms_run_on_the_kernel() -> None:
    executor, source = DeviceExecutor(CpuDevice.prepare(SERVER)), SeededSource(b"client")

    def number(value: int) -> list[Block]:
        rows = encrypted(source, CLIENT, np.array(digits(value, 8)))
        return [Block.of(Wire(0, 6, 1, row)) for row in rows]

    total = run(add(number(40_000), number(30_001), Form.THROUGHPUT), executor)
    rows = np.stack([executor.ciphertext(block) for block in total])
    assert sum(digit << (2 * i) for i, digit in enumerate(decrypted(CLIENT, rows))) == 70_001 % 65_536


def test_the_noise_is_that_of_the_model() -> None:
    """The model's variance counts the steps; the rounding of the transform adds what it says it adds."""
    count = 256
    values = np.arange(count) % 16
    batch = Bootstraps(
        encrypted(SeededSource(b"noise"), CLIENT, values),
        polynomial_of(SHORT, 2 * every_value(SHORT)[None]),
        [0] * count,
        [(0,)] * count,
    )
    rows = np.concatenate(CpuDevice.prepare(SERVER, threads=2).bootstrap(batch))
    errors = encoding.error(SHORT, lwe.phase(CLIENT.big, rows), values).astype(np.float64)
    model = noise.bootstrap_variance(SHORT) * 2.0**128  # squared units of 2^-64 of a turn
    assert 0.5 * model < (errors**2).mean() < 2 * model


def test_a_set_of_another_shape_is_refused() -> None:
    _, server = keys_of(SMALL)
    with pytest.raises(ConfigurationError, match="polynomials and gadgets"):
        CpuDevice.prepare(server)


def test_a_table_below_the_kernels_unit_is_refused() -> None:
    device = CpuDevice.prepare(SERVER)
    with pytest.raises(ConfigurationError, match="2\\^32"):
        device.bootstrap(replace(BATCH, polynomials=BATCH.polynomials + np.uint64(1)))
