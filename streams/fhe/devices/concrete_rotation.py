"""Blind rotations by the runtime of concrete-python, any box of whose result can be read."""

from collections.abc import Sequence

import numpy as np

from streams.domain.errors import ConfigurationError
from streams.fhe.devices import glwe
from streams.fhe.devices.concrete_runtime import Runtime
from streams.fhe.devices.many_lut import extract_boxes
from streams.fhe.devices.words import Digits, Word, Words, as_words
from streams.fhe.parameters import WORD_BITS, Gadget, Parameters


class Rotation:
    """Turns test polynomials by ciphertexts of one key; any number of threads may call it.

    When the library first needs a transform of a size it times several and keeps the fastest one. The order
    of a transformed polynomial, and which way the last bits of a product round, are those of its choice: a
    transformed key is never stored, and another process may give other words of the same values.
    """

    def __init__(self, runtime: Runtime, parameters: Parameters, gadget: Gadget, bits: Words) -> None:
        """`bits`: GGSW ciphertexts (n, level, k + 1, k + 1, N) of a key's bits, under the big key."""
        self._runtime = runtime
        self._parameters = parameters
        self._key = runtime.fourier_key(bits, gadget)

    def boxes(self, exponents: Digits, polynomial: Words, boxes: Sequence[int]) -> Words:
        """LWE ciphertexts (boxes, k N + 1) of a test polynomial (N,) that was turned.

        Args:
            exponents: a switched ciphertext (n + 1,), in [0, 2N).
            polynomial: in torus elements.
            boxes: that are extracted.

        Raises:
            ConfigurationError: the library keeps its accumulator elsewhere than the one that was bound.
        """
        # The library switches the modulus itself, rounding all words and centring nothing. A multiple of a
        # step is left alone, so exponents come through as they are.
        words = as_words(exponents) << Word(WORD_BITS - self._parameters.rotation_log2)
        table = glwe.trivial(polynomial, self._parameters.glwe_dimension)
        first, accumulator = self._runtime.bootstrap(self._key, words, table)
        # Its result is the constant coefficient only. All others lie in the accumulator, which it leaves at
        # the beginning of its scratch memory; that no document says so, hence it is compared each time.
        if not np.array_equal(glwe.sample_extract(accumulator, 0), first):
            raise ConfigurationError("the runtime does not leave the rotated polynomial where it is read")
        return extract_boxes(self._parameters, accumulator, boxes)
