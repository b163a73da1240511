"""Test polynomials: a table of p entries as the polynomial that a blind rotation turns."""

import numpy as np

from streams.fhe.devices.encoding import encode_halves
from streams.fhe.devices.words import Digits, Words
from streams.fhe.parameters import Parameters


def test_polynomial(parameters: Parameters, entries: Digits) -> Words:
    """Polynomials (tables, N) of entries (tables, p) in halves of the scale.

    Each entry fills a box of N / p coefficients. The boxes are moved by half a box to the left, so that noise
    of either sign stays inside; what leaves at the left comes back negated at the right, as X^N = -1 wants.
    """
    return boxed(encode_halves(parameters, entries), parameters.polynomial_size)


def boxed(values: Words, size: int) -> Words:
    """Polynomials (tables, size) of torus elements (tables, m), each in a box of size / m coefficients."""
    # pinned set: 2048 / 16 = 128 coefficients per value of a block
    box = size // values.shape[-1]
    half = box // 2
    # (tables, size): entry v at coefficients [v box, (v + 1) box)
    boxes = np.repeat(values, box, axis=-1)
    turned = np.roll(boxes, -half, axis=-1)
    # Box v is now [v box - half, v box + half), a half-open interval. The modulus switch cuts the body
    # instead of rounding it, so that noise up to half a box on either side stays inside (`modulus_switch`).
    turned[..., -half:] = -turned[..., -half:]
    return turned
