"""Several results of one blind rotation (PBSmanyLUT: Chillotti, Ligier, Orfila, Tap, Asiacrypt 2021).

Rotation by v puts entry v of the table in front, and entry v + s at box s: any box can be extracted.
"""

from collections.abc import Sequence

import numpy as np

from streams.fhe.devices.glwe import sample_extract
from streams.fhe.devices.words import Words
from streams.fhe.parameters import Parameters


def extract_boxes(parameters: Parameters, accumulator: Words, boxes: Sequence[int]) -> Words:
    """LWE ciphertexts (boxes, k N + 1) of one rotated accumulator (k + 1, N)."""
    # The rotation is nearly all of the cost, an extraction is a copy of 2049 words: a second result is as
    # good as free, but its table takes half of the space (`radix/table`).
    return np.stack([sample_extract(accumulator, box * parameters.box) for box in boxes])
