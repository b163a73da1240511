"""The device `reference`: NumPy, exact integers, short. What the others are held against."""

from dataclasses import replace
from typing import Final

from streams.fhe.devices.blind_rotation import blind_rotate
from streams.fhe.devices.key_switch import key_switch
from streams.fhe.devices.keys import ServerKey
from streams.fhe.devices.many_lut import extract_boxes
from streams.fhe.devices.modulus_switch import modulus_switch
from streams.fhe.devices.port import Bootstraps
from streams.fhe.devices.words import Words
from streams.fhe.parameters import Parameters

BATCH_SIZE: Final = 32  # the cost of a NumPy call is spread over it, and accumulators stay in the cache


class ReferenceDevice:
    """Keyswitch, modulus switch, blind rotation, extraction, each as its file says."""

    def __init__(self, key: ServerKey) -> None:
        self._key = key

    @property
    def parameters(self) -> Parameters:
        """The set of its keys."""
        return self._key.parameters

    @property
    def batch_size(self) -> int:
        """Ciphertexts from which a larger batch is hardly faster for each of them."""
        return BATCH_SIZE

    def bootstrap(self, batch: Bootstraps) -> list[Words]:
        """For each ciphertext its results, shape (boxes of it, k N + 1)."""
        # (batch, k N + 1) to (batch, n + 1): a blind rotation takes a step per word of the mask, and 918
        # are fewer than 2,048
        small = key_switch(self._key.key_switch, batch.ciphertexts)
        return self.rotate(replace(batch, ciphertexts=small))

    def rotate(self, batch: Bootstraps) -> list[Words]:
        """The same for ciphertexts (batch, n + 1) that are under the small key already."""
        # (batch, n + 1) in [0, 2N)
        exponents = modulus_switch(self.parameters, batch.ciphertexts)
        # one row (N,) per ciphertext; equal tables were sent once
        polynomials = batch.polynomials[list(batch.tables)]
        accumulators = blind_rotate(self._key.bootstrap, exponents, polynomials)
        pairs = zip(accumulators, batch.boxes, strict=True)
        return [extract_boxes(self.parameters, accumulator, boxes) for accumulator, boxes in pairs]
