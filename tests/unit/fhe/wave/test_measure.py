"""The measurement measures what it says, and trusts no device."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from streams.fhe.devices.cpu import CpuDevice
from streams.fhe.devices.port import Bootstraps
from streams.fhe.devices.randomness import SeededSource
from streams.fhe.devices.words import Words
from streams.fhe.parameters import PINNED
from streams.fhe.radix.forms import Form
from streams.fhe.wave.measure import Bench, Transfer, WrongResult
from tests.unit.fhe.devices.sets import keys_of

# The pinned set but for a short small key: 51 times fewer steps, the same polynomials.
CLIENT, SERVER = keys_of(replace(PINNED, lwe_dimension=18))


def ticks() -> Iterator[tuple[float, float]]:
    yield from ((100.0, 7.0), (104.0, 10.5))


def bench(device: CpuDevice) -> Bench:
    return Bench(CLIENT, device, SeededSource(b"bench"))


def test_a_window_of_transfers() -> None:
    found = bench(CpuDevice.prepare(SERVER)).measure(8, ticks().__next__)
    assert (found.transfers, found.seconds, found.per_second) == (8, 4.0, 2.0)
    assert (found.processor_s, found.look_up_ms) == (3.5, 3500 / (8 * 112))
    assert (found.look_ups, found.batch_size) == (8 * 112, 32)
    assert found.fill == found.look_ups / (found.batches * 32)


def test_the_latency_form_takes_fewer_batches() -> None:
    wide = bench(CpuDevice.prepare(SERVER)).measure(1, ticks().__next__)
    shallow = bench(CpuDevice.prepare(SERVER)).measure(1, ticks().__next__, Form.LATENCY)
    assert shallow.look_ups > wide.look_ups == 112
    assert shallow.batches < wide.batches == 49


@pytest.mark.parametrize("form", Form)
def test_a_sum_alone(form: Form) -> None:
    assert bench(CpuDevice.prepare(SERVER)).sum_s(ticks().__next__, form) == 4.0


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Transfer(10, 5, 10), (0, 15)),
        (Transfer(10, 5, 11), (10, 5)),
        (Transfer(10, 2**64 - 1, 2), (8, 1)),
    ],
)
def test_what_a_transfer_moves(given: Transfer, expected: tuple[int, int]) -> None:
    assert given.expected() == expected


class Lying(CpuDevice):
    """Turns the wrong ciphertexts."""

    def bootstrap(self, batch: Bootstraps) -> list[Words]:
        return super().bootstrap(replace(batch, ciphertexts=batch.ciphertexts[::-1]))


def test_a_wrong_balance_is_no_measurement() -> None:
    with pytest.raises(WrongResult, match="gave"):
        bench(Lying.prepare(SERVER)).measure(2, ticks().__next__)
    with pytest.raises(WrongResult, match="gave"):
        bench(Lying.prepare(SERVER)).sum_s(ticks().__next__, Form.LATENCY)
