"""Exact arithmetic in Z_q[X] / (X^N + 1), q = 2^64.

Products of small and large polynomials are computed with a Fourier transform of doubles and are exact all the
same: the large one is cut into limbs of 11 bits, and sums of products of a digit (at most 2^22) with a limb
(at most 2^10) stay below 2^45 for N = 2048 and two rows, where the transform's error is below 1/8.
"""

import numpy as np
from numpy.typing import NDArray

from streams.fhe.devices.words import Digits, Word, Words, as_words

Spectrum = NDArray[np.complex128]

# Larger limbs would bring the transform's error near 1/2, where rounding is not exact any more; smaller
# ones would be more of them, and each is a transform of its own.
LIMB_BITS = 11
LIMBS = 6  # cover 66 bits


def rotate(polynomials: Words, exponents: Digits) -> Words:
    """X^e times polynomials: shapes (batch, rows, N) and (batch,), any sign of e; X^N = -1."""
    size = polynomials.shape[-1]
    # Coefficient j comes from j - e; positions N to 2N hold the negated polynomial.
    # (batch, N), in [0, 2N)
    origin = (np.arange(size) - exponents[:, None]) % (2 * size)
    index = np.broadcast_to((origin % size)[:, None], polynomials.shape)
    moved = np.take_along_axis(polynomials, index, axis=-1)
    return np.where((origin >= size)[:, None], -moved, moved)


def transform(polynomials: NDArray[np.float64]) -> Spectrum:
    """Values at the odd 2N-th roots of unity, half of them: shape (..., N) becomes (..., N/2).

    c_j = p_j + i p_(j + N/2) folds X^N + 1 to X^(N/2) - i; a twist by e^(i pi j / N) makes that a plain DFT.
    """
    half = polynomials.shape[-1] // 2
    # A real polynomial has conjugate values at conjugate roots: half of the N values say all of it.
    folded = polynomials[..., :half] + 1j * polynomials[..., half:]
    return np.fft.fft(folded * np.exp(1j * np.pi * np.arange(half) / (2 * half)))


def inverse_transform(spectrum: Spectrum) -> NDArray[np.float64]:
    """The real polynomials of a spectrum, shape (..., N)."""
    half = spectrum.shape[-1]
    folded = np.fft.ifft(spectrum) * np.exp(-1j * np.pi * np.arange(half) / (2 * half))
    # unfolding: the real parts are the lower half of the coefficients, the imaginary parts the upper one
    return np.concatenate([folded.real, folded.imag], axis=-1)


def limbs(words: Words) -> NDArray[np.float64]:
    """Signed limbs in [-2^10, 2^10] of words, lowest first: shape (..., N) becomes (..., LIMBS, N)."""
    found = np.empty((*words.shape[:-1], LIMBS, words.shape[-1]), np.float64)
    # signed: a key word near 2^64 is a small negative number and has small limbs
    rest = words.view(np.int64)
    for index in range(LIMBS):
        # the remainder nearest to zero: signed limbs have half the size, their sums a quarter of the error
        limb = ((rest + (1 << (LIMB_BITS - 1))) & ((1 << LIMB_BITS) - 1)) - (1 << (LIMB_BITS - 1))
        found[..., index, :] = limb
        # exact, as rest - limb is a multiple of 2^11; the last rest is 0 or carries out of bit 64, where it
        # wraps
        rest = (rest - limb) >> LIMB_BITS
    return found


def from_limbs(products: NDArray[np.float64]) -> Words:
    """Words from sums of limb products, (..., LIMBS, N) to (..., N); rounds the transform's error away."""
    # Limb i counts 2^(11 i); what exceeds 2^64 wraps, as it should.
    whole = np.rint(products).astype(np.int64)
    shifts = np.array([LIMB_BITS * index for index in range(LIMBS)], dtype=np.uint64)
    # (..., LIMBS, N): the shift of a negative sum, seen as a word, is still right modulo 2^64
    shifted = as_words(whole) << shifts[:, None]
    return shifted.sum(-2, dtype=np.uint64)


def negacyclic_product(small: Digits, words: Words) -> Words:
    """Products of polynomials with small coefficients and polynomials of words; shapes (..., N) broadcast."""
    # (..., 1, N/2) times (..., LIMBS, N/2): each limb is a polynomial of its own
    spectrum = transform(small.astype(np.float64))[..., None, :] * transform(limbs(words))
    return from_limbs(inverse_transform(spectrum))


def schoolbook_product(small: Digits, words: Words) -> Words:
    """The same for one pair of polynomials (N,), by the definition: the legible version."""
    size = len(words)
    # 2N - 1 coefficients of the plain product, one more to make two halves; uint64 wraps by itself
    whole = np.append(np.convolve(as_words(small), words), Word(0))
    return whole[:size] - whole[size:]  # X^N = -1
