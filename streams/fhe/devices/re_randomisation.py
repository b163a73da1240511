"""Re-randomisation: fresh encryptions of zero are added to ciphertexts before anything is computed with them.

Who may choose the inputs of a computation could otherwise choose their noise too, and learn from failures
(IACR ePrint 2024/127 on CPA-D; TFHE-rs: `shortint/ciphertext/re_randomization`). The zeros come from the
compact public key (Joye, "TFHE public-key encryption revisited", CT-RSA 2024) and are switched to the big
key.

They are drawn from a seed, so that every operator adds the same ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from streams.fhe.devices.decomposition import decompose
from streams.fhe.devices.polynomial import negacyclic_product
from streams.fhe.devices.randomness import SeededSource, binary_key
from streams.fhe.devices.words import Word, Words, as_signed, as_words
from streams.fhe.parameters import RE_RANDOMISATION, WORD_BITS

# Of the protocol's meta-parameters; `formats/xof_key_set` refuses a key set that was made with others.
NOISE_LOG2: Final = RE_RANDOMISATION.noise_log2
GADGET: Final = RE_RANDOMISATION.switch
_LIMB_BITS: Final = 16  # digits are below 2^24: a sum of 2,048 products with a limb stays below 2^53


@dataclass(frozen=True)
class PublicKey:
    """The compact public key: B = A * reversed S + E for the public key's secret S of N bits."""

    mask: Words  # A, (N,)
    body: Words  # B, (N,)


class Switches(Protocol):
    """Exact keyswitch from the public key's secret to the big key."""

    def __call__(self, ciphertexts: Words) -> Words:
        """Ciphertexts (count, N + 1) to (count, k N + 1)."""
        ...


class ReRandomiser:
    """Adds encryptions of zero."""

    def __init__(self, public: PublicKey, switch: Switches) -> None:
        self._public = public
        self._switch = switch

    def __call__(self, numbers: Sequence[tuple[Words, bytes]]) -> list[Words]:
        """The same messages in other ciphertexts.

        Args:
            numbers: ciphertexts (count, k N + 1), at most N of them, and the seed of what is added to them.
        """
        if not numbers:
            return []
        counts = [len(ciphertexts) for ciphertexts, _ in numbers]
        # One product for all of them: the key, 34 MB, passes through the processor once.
        added = self._switch(
            np.concatenate([zeros(self._public, seed, len(ciphertexts)) for ciphertexts, seed in numbers])
        )
        parts = np.split(added, list(accumulate(counts))[:-1])
        return [ciphertexts + part for (ciphertexts, _), part in zip(numbers, parts, strict=True)]


class LimbSwitch:
    """The keyswitch without native code: it holds the key as doubles, which multiply exactly."""

    def __init__(self, rows: Words) -> None:
        """`rows`: (N, k N + 1)."""
        # Four limbs of 16 bits: 2,048 products of a digit below 2^23 and a limb below 2^16 sum up to less
        # than 2^50, so a matrix product of doubles is exact, and BLAS does it.
        mask = Word((1 << _LIMB_BITS) - 1)
        shifts = range(0, WORD_BITS, _LIMB_BITS)
        self._limbs = [((rows >> Word(shift)) & mask).astype(np.float64) for shift in shifts]

    def __call__(self, ciphertexts: Words) -> Words:
        """Ciphertexts (count, N + 1) to (count, k N + 1)."""
        # (count, N): one level, hence one digit per mask word
        digits = decompose(ciphertexts[:, :-1], GADGET)[..., 0].astype(np.float64)
        switched = np.zeros((len(ciphertexts), self._limbs[0].shape[1]), np.uint64)
        for index, limb in enumerate(self._limbs):
            # as in `key_switch`: (0, b) minus the sum of digits times rows, limb by limb
            switched -= _exact(digits, limb) << Word(index * _LIMB_BITS)
        # The message of a zero is 0: what is added to the ciphertext is noise and another mask, nothing
        # else.
        switched[:, -1] += ciphertexts[:, -1]
        return switched


def zeros(key: PublicKey, seed: bytes, count: int) -> Words:
    """LWE encryptions of zero (count, N + 1) under the public key's secret, the same for the same seed."""
    size = len(key.mask)
    # The order of the draws (R, noise of the mask, noise of the bodies) is part of the bytes that operators
    # agree on.
    source = SeededSource(seed)
    chosen = as_signed(binary_key(source, size))  # R: one polynomial serves up to N ciphertexts
    # A R + E1, a single polynomial (N,): the zeros' masks are its rotations
    mask = negacyclic_product(chosen, key.mask) + as_words(source.noise(NOISE_LOG2, (size,)))
    # B R read backwards, as the secret is reversed in the public key: body i belongs to coefficient N - 1 -
    # i
    body = negacyclic_product(chosen, key.body)[::-1][:count] + as_words(source.noise(NOISE_LOG2, (count,)))
    # <X^i A R, S> is coefficient N - 1 - i of A R * reversed S, which is that of B R but for noise.
    # X^i times the mask is a window on -mask, mask, as X^N = -1.
    masks = sliding_window_view(np.concatenate([-mask, mask]), size)[size - np.arange(count)]
    return np.concatenate([masks, body[:, None]], axis=-1)


def _exact(digits: NDArray[np.float64], limb: NDArray[np.float64]) -> Words:
    return as_words((digits @ limb).astype(np.int64))
