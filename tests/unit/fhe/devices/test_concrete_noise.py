"""Noise of the device `concrete`, an implementation that is not ours: within 5 % of the model of `noise`."""

from dataclasses import replace

import numpy as np
import pytest

from streams.fhe import noise
from streams.fhe.devices import blind_rotation, key_switch, lwe
from streams.fhe.devices.concrete import ConcreteDevice, KeySwitch
from streams.fhe.devices.concrete_rotation import Rotation
from streams.fhe.devices.concrete_runtime import runtime
from streams.fhe.devices.keys import generate_client
from streams.fhe.devices.lookup_table import test_polynomial as polynomial_of
from streams.fhe.devices.port import Bootstraps
from streams.fhe.devices.randomness import NoiselessSource, SeededSource, Source
from streams.fhe.devices.words import Words, as_signed
from streams.fhe.parameters import PINNED, Gadget, Parameters

WITHIN = 0.05


def variance(errors: Words) -> float:
    """Of words, relative to q."""
    return float(np.mean(np.square(as_signed(errors).astype(np.float64)))) * 2.0**-128


def test_a_keyswitch_is_as_loud_as_the_model_says() -> None:
    """What the rows add does not depend on how many words of the small key they have: four will do.

    Words are always the same ones, so this holds for ever or never: 6,000 ciphertexts under four keys.
    """
    parameters, found = replace(PINNED, lwe_dimension=4), list[float]()
    for index in range(4):
        source = SeededSource(b"switch %d" % index)
        client = generate_client(source, parameters)
        rows = key_switch.generate(source, parameters, client.big, client.small).rows
        switch = KeySwitch(runtime(), rows, parameters.ks)
        messages = source.uniform((1500,))
        given = lwe.encrypt(NoiselessSource(b"in %d" % index), client.big, messages, 0)
        small = np.stack([switch(each) for each in given])
        found.append(variance(lwe.phase(client.small, small) - messages))
    assert np.mean(found) == pytest.approx(noise.keyswitch_variance(parameters), rel=WITHIN)


BOXES = tuple(range(0, 16, 2))  # of one rotation: worth six rotations or so


def bootstrap_variance(parameters: Parameters, source: Source, small: Words, count: int) -> float:
    """Of rotations of random ciphertexts.

    The model is an average over keys: the big key has as many ones as zeros.
    """
    big = (np.argsort(source.uniform((parameters.big_dimension,))) % 2).astype(np.uint64)
    bits = blind_rotation.generate(source, parameters, small, big[None]).bits
    rotation = Rotation(runtime(), parameters, parameters.pbs, bits)
    unused = KeySwitch(runtime(), np.zeros((1, 1, 1), np.uint64), parameters.ks)
    device = ConcreteDevice(parameters, unused, rotation, threads=2)
    tables = polynomial_of(parameters, 2 * np.arange(parameters.space)[None])
    given = source.uniform((count, parameters.lwe_dimension + 1))
    batch = Bootstraps(given, tables, [0] * count, [BOXES] * count)
    phases = np.concatenate([lwe.phase(big, rows) for rows in device.rotate(batch)])
    # entries are whole multiples of the scale: what is left of a phase modulo it is noise
    scale = 64 - parameters.delta_log2
    return variance(phases << np.uint64(scale)) * 2.0 ** (-2 * scale)


def test_a_bootstrap_is_as_loud_as_the_model_says() -> None:
    """Key noise and what the digits leave out, about half of it each; the transform's error drowns in them.

    4,000 rotations: one deviation of the estimate is 1 %. Words are others in each process.
    """
    steps = 12
    quiet = replace(PINNED, lwe_dimension=steps, pbs=Gadget(20, 1), glwe_noise_log2=0)
    parameters = replace(quiet, glwe_noise_log2=23)
    dropped, model = noise.exact_bootstrap_variance(quiet), noise.exact_bootstrap_variance(parameters)
    assert noise.transform_variance(parameters) < 0.001 * model
    # One step comes before these, for a key bit of 0. It turns a table that has no mask: no word of it is
    # rounded, and half of the key's noise is missing.
    model += (model - dropped) / steps / 2
    alternating = (np.arange(steps + 1) % 2).astype(np.uint64)
    longer = replace(parameters, lwe_dimension=steps + 1)
    found = bootstrap_variance(longer, SeededSource(b"bootstrap"), alternating, 4000)
    assert found == pytest.approx(model, rel=WITHIN)


def test_a_step_of_the_transform_is_about_as_loud_as_the_fit() -> None:
    """0.9 to 1.1 times, by the transform that the library has chosen in this process.

    A key of zeros without noise leaves nothing but the transform's error. A table's few boxes make the first
    steps louder than those that follow, which is why two lengths are compared.
    """
    found = list[float]()
    for steps in (16, 64):
        parameters = replace(PINNED, lwe_dimension=steps)
        zeros = np.zeros(steps, np.uint64)
        found.append(bootstrap_variance(parameters, NoiselessSource(b"transform"), zeros, 400))
    fit = noise.transform_variance(replace(PINNED, lwe_dimension=64 - 16))
    assert 0.7 < (found[1] - found[0]) / fit < 1.4
