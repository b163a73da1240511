"""The device `reference`: every table, several results, the real set, the noise that the model promises."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streams.fhe import noise
from streams.fhe.devices import glwe, key_switch
from streams.fhe.devices.blind_rotation import blind_rotate
from streams.fhe.devices.keys import ClientKey, generate_server
from streams.fhe.devices.lookup_table import test_polynomial as polynomial_of
from streams.fhe.devices.modulus_switch import modulus_switch
from streams.fhe.devices.port import Bootstraps
from streams.fhe.devices.randomness import SeededSource
from streams.fhe.devices.reference import ReferenceDevice
from streams.fhe.devices.words import Words
from streams.fhe.parameters import PINNED, Parameters
from streams.fhe.radix.addition import add, subtract
from streams.fhe.radix.block import Block, Wire, digits
from streams.fhe.radix.comparison import greater_or_equal
from streams.fhe.radix.device_executor import DeviceExecutor
from streams.fhe.radix.forms import Form
from streams.fhe.radix.functions import message
from streams.fhe.radix.random import digit, random_digits
from streams.fhe.radix.selection import SELECT_WEIGHT, select
from streams.fhe.radix.steps import NoiseExceeded, Steps, first, firsts, look_up, run
from tests.unit.fhe.devices.sets import SMALL, WIDE, decrypted, encrypted, every_value, keys_of

CLIENT, SERVER = keys_of(SMALL)


def turned(parameters: Parameters, entries: list[int], position: int) -> int:
    """Entry at a position of the whole turn: the padding bit negates."""
    position %= 2 * parameters.space
    return entries[position] if position < parameters.space else -entries[position - parameters.space]


@pytest.mark.parametrize("parameters", [SMALL, WIDE])
def test_every_value_reads_its_entry_the_padding_bit_too(parameters: Parameters) -> None:
    client, server = keys_of(parameters)
    values = np.arange(2 * parameters.space)
    entries = [2 * ((7 * i + 3) % parameters.space) for i in range(parameters.space)]
    batch = Bootstraps(
        encrypted(SeededSource(b"in"), client, values),
        polynomial_of(parameters, np.array([entries])),
        [0] * len(values),
        [(0, parameters.space // 2)] * len(values),
    )
    results = ReferenceDevice(server).bootstrap(batch)
    turn = 2 * parameters.space
    for value, pair in zip(values, results, strict=True):
        expected = [turned(parameters, entries, value + box) // 2 for box in (0, parameters.space // 2)]
        assert decrypted(client, pair) == [each % turn for each in expected]


def test_each_ciphertext_has_its_own_table_and_results_do_not_depend_on_the_batch() -> None:
    device = ReferenceDevice(SERVER)
    ciphertexts = encrypted(SeededSource(b"in"), CLIENT, every_value(SMALL))
    polynomials = polynomial_of(SMALL, np.array([[2 * i] * 16 for i in range(4)]))
    which = [i % 4 for i in range(16)]
    whole = device.bootstrap(Bootstraps(ciphertexts, polynomials, which, [(0,)] * 16))
    assert [decrypted(CLIENT, result)[0] for result in whole] == which
    alone = device.bootstrap(Bootstraps(ciphertexts[5:6], polynomials, which[5:6], [(0,)]))
    assert (alone[0] == whole[5]).all()


class Client:
    """Numbers as blocks on the device and back."""

    def __init__(self) -> None:
        self.executor = DeviceExecutor(ReferenceDevice(SERVER))
        self._source = SeededSource(b"client")

    def encrypt(self, value: int, bits: int) -> list[Block]:
        rows = encrypted(self._source, CLIENT, np.array(digits(value, bits // 2)))
        return [Block.of(Wire(0, 6, 1, row)) for row in rows]

    def decrypt(self, blocks: list[Block]) -> int:
        rows = np.stack([self.executor.ciphertext(block) for block in blocks])
        return sum(digit << (2 * i) for i, digit in enumerate(decrypted(CLIENT, rows)))


@given(x=st.integers(0, 255), y=st.integers(0, 255), form=st.sampled_from(list(Form)))
@settings(max_examples=6, deadline=None)
def test_radix_algorithms_run_on_ciphertexts(x: int, y: int, form: Form) -> None:
    client = Client()
    left, right = client.encrypt(x, 8), client.encrypt(y, 8)

    def algorithm() -> Steps[list[list[Block]]]:
        added = yield from add(left, right, form)
        subtracted = yield from subtract(left, right, form)
        condition = yield from greater_or_equal(left, right, form, SELECT_WEIGHT)
        return [added, subtracted, (yield from select(condition, left, right))]

    results = [client.decrypt(blocks) for blocks in run(algorithm(), client.executor)]
    assert results == [(x + y) % 256, (x - y) % 256, max(x, y)]


def test_random_numbers_are_uniform_and_repeat_with_their_seed() -> None:
    executor, count = DeviceExecutor(ReferenceDevice(SERVER)), 400

    def drawn(seed: bytes) -> list[int]:
        blocks = run(random_digits(executor.seeded(seed, 2 * count), 2 * count), executor)
        return decrypted(CLIENT, np.stack([executor.ciphertext(block) for block in blocks]))

    found = drawn(b"event")
    assert found == drawn(b"event")
    assert found != drawn(b"other")
    digits_found, pairs = Counter(found), Counter(zip(found[::2], found[1::2], strict=True))
    # 400 digits: 100 each, a standard deviation of 8.7
    assert all(abs(digits_found[each] - 100) < 35 for each in range(4))
    assert len(pairs) == 16


def test_seeded_and_encrypted_blocks_share_a_batch() -> None:
    client = Client()
    (seed,), (block,) = client.executor.seeded(b"event", 2), client.encrypt(3, 2)
    look_ups = [look_up(block, message), look_up(seed, digit), look_up(block, message)]
    results = run(firsts(look_ups), client.executor)
    assert [client.decrypt([results[0]]), client.decrypt([results[2]])] == [3, 3]
    assert client.decrypt([results[1]]) in range(4)


def test_a_device_refuses_what_is_too_noisy() -> None:
    block = Block.of(Wire(0, 6, 1 << 30))
    with pytest.raises(NoiseExceeded):
        run(first(look_up(block, message)), DeviceExecutor(ReferenceDevice(SERVER)))


def phase_errors(client: ClientKey, accumulators: Words) -> NDArray[np.float64]:
    """Errors of all coefficients relative to q; entries are whole multiples of the scale."""
    phases = glwe.phase(client.glwe, accumulators)
    half = np.uint64(1 << (client.parameters.delta_log2 - 1))
    errors = ((phases + half) & np.uint64(2 * int(half) - 1)).astype(np.float64) - float(half)
    return errors / 2.0**64


def test_the_noise_of_bootstraps_is_that_of_the_model() -> None:
    # The model is an average over keys: this one has as many ones as zeros. Coefficients of one accumulator
    # share a part of their error, so it takes many accumulators.
    parameters = replace(SMALL, glwe_noise_log2=17)
    order = np.argsort(SeededSource(b"order").uniform((256,)))
    glwe_key = (order % 2).astype(np.uint64)[None]
    client = ClientKey(parameters, np.array([0, 1] * 8, dtype=np.uint64), glwe_key)
    server = generate_server(SeededSource(b"server"), client)
    polynomials = polynomial_of(parameters, np.array([[2 * i for i in range(16)]]))[[0] * 256]
    source, variances = SeededSource(b"exponents"), list[float]()
    for _ in range(8):
        exponents = (source.uniform((256, 17)) >> np.uint64(64 - 9)).astype(np.int64)
        errors = phase_errors(client, blind_rotate(server.bootstrap, exponents, polynomials))
        variances.append(float((errors**2).mean()))
    model = noise.exact_bootstrap_variance(parameters)
    assert np.mean(variances) == pytest.approx(model, rel=0.05)


def test_the_pinned_set_bootstraps_with_the_noise_of_the_model() -> None:
    client, server = keys_of(PINNED)
    values = np.array([11, 16 + 6])  # the second one uses the padding bit
    entries = np.array([[2 * ((5 * i + 1) % 16) for i in range(16)]])
    ciphertexts = encrypted(SeededSource(b"in"), client, values)
    small = key_switch.key_switch(server.key_switch, ciphertexts)
    polynomials = polynomial_of(PINNED, entries)[[0, 0]]
    accumulators = blind_rotate(server.bootstrap, modulus_switch(PINNED, small), polynomials)
    extracted = glwe.sample_extract(accumulators, 0)
    assert decrypted(client, extracted) == [(5 * 11 + 1) % 16, 32 - (5 * 6 + 1) % 16]
    measured = (phase_errors(client, accumulators) ** 2).mean()
    assert 0.5 < measured / noise.exact_bootstrap_variance(PINNED) < 2
