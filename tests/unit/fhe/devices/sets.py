"""A small parameter set on which everything runs in milliseconds; it protects nothing."""

import numpy as np

from streams.fhe.devices import encoding, lwe
from streams.fhe.devices.keys import ClientKey, ServerKey, generate_client, generate_server
from streams.fhe.devices.randomness import SeededSource, Source
from streams.fhe.devices.words import Digits, Words
from streams.fhe.parameters import Gadget, Parameters

SMALL = Parameters(
    lwe_dimension=16,
    glwe_dimension=1,
    polynomial_size=256,
    pbs=Gadget(23, 1),
    ks=Gadget(4, 4),
    lwe_noise_log2=30,
    glwe_noise_log2=10,
    message_bits=2,
    carry_bits=2,
)
# Two mask polynomials and two levels: shapes that the pinned set does not have.
WIDE = Parameters(
    lwe_dimension=12,
    glwe_dimension=2,
    polynomial_size=128,
    pbs=Gadget(15, 2),
    ks=Gadget(5, 3),
    lwe_noise_log2=30,
    glwe_noise_log2=10,
    message_bits=2,
    carry_bits=1,
)


def keys_of(parameters: Parameters, seed: bytes = b"keys") -> tuple[ClientKey, ServerKey]:
    source = SeededSource(seed)
    client = generate_client(source, parameters)
    return client, generate_server(source, client)


def encrypted(source: Source, client: ClientKey, values: Digits) -> Words:
    """Values under the big key, shape (values, k N + 1)."""
    messages = encoding.encode(client.parameters, values)
    return lwe.encrypt(source, client.big, messages, client.parameters.glwe_noise_log2)


def decrypted(client: ClientKey, ciphertexts: Words) -> list[int]:
    return encoding.decode(client.parameters, lwe.phase(client.big, ciphertexts)).tolist()


def every_value(parameters: Parameters) -> Digits:
    return np.arange(parameters.space)
