"""LWE, GLWE, GGSW, keyswitch, modulus switch: what they hide and how much noise they add."""

import math

import numpy as np
import pytest

from streams.fhe import noise
from streams.fhe.devices import encoding, ggsw, glwe, key_switch, lwe
from streams.fhe.devices.modulus_switch import modulus_switch
from streams.fhe.devices.randomness import NoiselessSource, SeededSource, binary_key
from streams.fhe.parameters import PINNED, Parameters
from tests.unit.fhe.devices.sets import SMALL, WIDE, encrypted, keys_of

SETS = [SMALL, WIDE]


@pytest.mark.parametrize("parameters", SETS)
def test_lwe_phases_are_messages_up_to_the_noise(parameters: Parameters) -> None:
    source = SeededSource(b"lwe")
    key, messages = binary_key(source, 50), source.uniform((3, 7))
    ciphertexts = lwe.encrypt(source, key, messages, 20)
    assert ciphertexts.shape == (3, 7, 51)
    assert np.abs((lwe.phase(key, ciphertexts) - messages).view(np.int64)).max() <= 1 << 20


def test_lwe_ciphertexts_add() -> None:
    source = NoiselessSource(b"lwe")
    key, messages = binary_key(source, 50), source.uniform((2, 4))
    ciphertexts = lwe.encrypt(source, key, messages, 20)
    assert (lwe.phase(key, ciphertexts[0] + ciphertexts[1]) == messages[0] + messages[1]).all()


def test_trivial_ciphertexts_need_no_key() -> None:
    messages = np.array([5, 7], dtype=np.uint64)
    assert (lwe.phase(np.ones(9, np.uint64), lwe.trivial(messages, 9)) == messages).all()


@pytest.mark.parametrize("parameters", SETS)
def test_every_value_and_the_padding_bit_decode(parameters: Parameters) -> None:
    values = np.arange(2 * parameters.space)
    phases = encoding.encode(parameters, values)
    quarter = np.uint64(1 << (parameters.delta_log2 - 2))
    assert encoding.decode(parameters, phases + quarter).tolist() == values.tolist()
    assert encoding.decode(parameters, phases - quarter).tolist() == values.tolist()
    assert (encoding.encode_halves(parameters, 2 * values) == phases).all()
    assert not encoding.error(parameters, phases, values).any()


@pytest.mark.parametrize("parameters", SETS)
def test_glwe_coefficients_are_lwe_ciphertexts_under_the_flat_key(parameters: Parameters) -> None:
    client, _ = keys_of(parameters)
    source = SeededSource(b"glwe")
    message = source.uniform((2, parameters.polynomial_size))
    ciphertexts = glwe.encrypt(source, client.glwe, message, 10)
    assert np.abs((glwe.phase(client.glwe, ciphertexts) - message).view(np.int64)).max() <= 1 << 10
    for coefficient in (0, 1, parameters.polynomial_size - 1):
        extracted = glwe.sample_extract(ciphertexts, coefficient)
        expected = glwe.phase(client.glwe, ciphertexts)[:, coefficient]
        assert (lwe.phase(client.big, extracted) == expected).all()


@pytest.mark.parametrize(("dtype", "count"), [(np.uint64, 8), (np.uint16, 5), (np.uint16, 1)])
def test_the_first_coefficients_are_extracted_like_one(dtype: type[np.unsignedinteger], count: int) -> None:
    words = SeededSource(b"extracted").uniform((4, 8)).astype(dtype)
    found = glwe.sample_extract_first(words, count)
    one_by_one = [glwe.sample_extract(words.astype(np.uint64), place).astype(dtype) for place in range(count)]
    assert found.dtype == dtype
    assert np.array_equal(found, np.stack(one_by_one))


@pytest.mark.parametrize("parameters", SETS)
@pytest.mark.parametrize("bit", [0, 1])
def test_a_cmux_chooses_within_its_noise_bound(parameters: Parameters, bit: int) -> None:
    client, _ = keys_of(parameters)
    source = SeededSource(b"ggsw")
    key_bit = np.array([bit], dtype=np.uint64)
    ready = ggsw.spectrum_of(ggsw.encrypt_bits(source, parameters, client.glwe, key_bit)[0])
    messages = source.uniform((2, 3, parameters.polynomial_size))
    zero, one = glwe.encrypt(source, client.glwe, messages, 10)
    chosen = ggsw.cmux(ready, parameters.pbs, zero, one)
    error = (glwe.phase(client.glwe, chosen) - messages[bit]).view(np.int64)
    # each digit times key noise, plus what the digits leave out times the key, plus the input's own noise
    terms = parameters.pbs.level * (parameters.glwe_dimension + 1) * parameters.polynomial_size
    products = terms * (parameters.pbs.base // 2 << parameters.glwe_noise_log2)
    dropped = (1 + parameters.big_dimension) << (63 - parameters.pbs.kept_bits)
    assert np.abs(error).max() <= products + dropped + (1 << 10)


@pytest.mark.parametrize("parameters", SETS)
def test_a_keyswitch_stays_within_its_noise_bound(parameters: Parameters) -> None:
    client, server = keys_of(parameters)
    values = np.arange(parameters.space)
    switched = key_switch.key_switch(server.key_switch, encrypted(SeededSource(b"in"), client, values))
    assert switched.shape == (parameters.space, parameters.lwe_dimension + 1)
    error = encoding.error(parameters, lwe.phase(client.small, switched), values)
    products = parameters.big_dimension * parameters.ks.level * parameters.ks.base // 2
    dropped = parameters.big_dimension << (63 - parameters.ks.kept_bits)
    assert np.abs(error).max() <= (products << parameters.lwe_noise_log2) + dropped + (1 << 10)


def test_the_keyswitch_of_doubles_is_the_one_of_words() -> None:
    client, server = keys_of(SMALL)
    ciphertexts = encrypted(SeededSource(b"in"), client, np.arange(8))
    digits = key_switch.decompose(ciphertexts[:, :-1], SMALL.ks).reshape(8, -1).view(np.uint64)
    rows = server.key_switch.rows.reshape(-1, SMALL.lwe_dimension + 1)
    expected = -(digits @ rows)
    expected[:, -1] += ciphertexts[:, -1]
    assert (key_switch.key_switch(server.key_switch, ciphertexts) == expected).all()


def test_the_centred_switch_has_a_quarter_of_the_rounding_variance() -> None:
    source = NoiselessSource(b"switch")
    key = binary_key(source, PINNED.lwe_dimension)
    messages = source.uniform((4000,))
    exponents = modulus_switch(PINNED, lwe.encrypt(source, key, messages, 0))
    turn = 2 * PINNED.polynomial_size
    assert exponents.min() >= 0
    assert exponents.max() < turn
    phases = exponents[:, -1] - exponents[:, :-1] @ key.view(np.int64)
    exact = messages.astype(np.float64) / 2.0**64 * turn
    errors = (phases + 0.5 - exact + turn / 2) % turn - turn / 2  # a cut body lies half a step low
    variance = errors.var() - 1 / 12
    assert variance / turn**2 == pytest.approx(noise.switch_variance(PINNED), rel=0.1)
    assert abs(errors.mean()) < 4 * math.sqrt(errors.var() / 4000)
