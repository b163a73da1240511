"""Keys in the order in which the GPU's threads read them, made from the SIMD kernel's prepared keys.

A prepared key is a header of 64 bytes and a payload (`native/kernel/src/key_bytes.rs`). Nothing is computed
here: the words are the same, so the bits of the results can be.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.domain.errors import KeyMaterialError
from streams.fhe.devices.cuda.factors import across_factors, within_factors
from streams.fhe.devices.words import Words

Bytes = NDArray[np.uint8]
Doubles = NDArray[np.float64]

HEADER_BYTES: Final = 64
INPUTS: Final = 2048
LEVELS: Final = 4
WORD_BYTES: Final = 8
_SHAPE_WORDS: Final = 5  # of the header, behind the magic; then the length of the payload
_LENGTH: Final = slice((1 + _SHAPE_WORDS) * WORD_BYTES, (2 + _SHAPE_WORDS) * WORD_BYTES)
_TILE_WORDS: Final = 6  # of the SIMD kernel's byte matrix: three cache lines of four levels
_GROUP_WORDS: Final = 8  # output words of a warp
_K_TILE: Final = 8  # inputs of a product on the tensor cores


def rotation_key(prepared: memoryview) -> Doubles:
    """[n][row 16][column 2][e 8][key row 2][re, im][lane 8] to [n][e][column][key row][row][lane][re, im]."""
    steps = _payload(prepared, b"CSBSK").view(np.float64).reshape(-1, 16, 2, 8, 2, 2, 8)
    return np.ascontiguousarray(steps.transpose(0, 3, 2, 4, 1, 6, 5))


def keyswitch_key(prepared: memoryview) -> Bytes:
    """[tile][input][byte 48][level 4] to [group][k tile][byte pair m][lane][half h, parity r][level].

    The last axes are the sixteen bytes of a lane: register 2 h + r has the bytes of weight 2 m + r, of the
    four levels of input 4 h + lane % 4 (the fragment of m16n8k32).
    """
    words = keyswitch_words(prepared)
    tiles = _payload(prepared, b"CSKSK").reshape(-1, INPUTS, _TILE_WORDS * WORD_BYTES, LEVELS)
    # [input][word][byte][level]
    matrix = tiles.transpose(1, 0, 2, 3).reshape(INPUTS, -1, WORD_BYTES, LEVELS)[:, :words]
    groups = -(-words // _GROUP_WORDS)
    padded = np.zeros((INPUTS, groups * _GROUP_WORDS, WORD_BYTES, LEVELS), np.uint8)
    padded[:, :words] = matrix
    # k tile, half, quad | group, word | pair, parity | level
    split = padded.reshape(INPUTS // _K_TILE, 2, 4, groups, _GROUP_WORDS, 4, 2, LEVELS)
    return np.ascontiguousarray(split.transpose(3, 0, 5, 4, 2, 1, 6, 7))


def keyswitch_words(prepared: memoryview) -> int:
    """Words of an output of a keyswitch key."""
    return _shape(prepared, b"CSKSK")[0]


def rotation_steps(prepared: memoryview) -> int:
    """n of a bootstrap key."""
    return _shape(prepared, b"CSBSK")[0]


def squashing_key(prepared: memoryview) -> Doubles:
    """[n][vector 128][key row 9][column 3][limb 4][re, im][lane 8], as it is: 1.6 GB that are not copied."""
    return _payload(prepared, b"CSSQK").view(np.float64)


def squashing_steps(prepared: memoryview) -> int:
    """n of a squashing key."""
    return _shape(prepared, b"CSSQK")[0]


def wide_packing_key(prepared: memoryview) -> Words:
    """[chunk 4][column / 8][input 1024, then their sum][low 8, high 8], as it is."""
    return _payload(prepared, b"CSWPK").view(np.uint64)


def wide_packing_shape(prepared: memoryview) -> tuple[int, int]:
    """Mask polynomials of a packing key of squashed ciphertexts, and their coefficients."""
    dimension, size, *_ = _shape(prepared, b"CSWPK")
    return dimension, size


def factor_table() -> NDArray[np.complex128]:
    """What `blind_rotate` reads: [row 16][5], then [5][row 16][lane 8]."""
    return np.concatenate([across_factors().reshape(-1), within_factors().reshape(-1)])


def _shape(prepared: memoryview, magic: bytes) -> tuple[int, ...]:
    if bytes(prepared[: len(magic)]) != magic:
        raise KeyMaterialError("not a prepared key of the kernel, or one of another kind")
    return tuple(np.frombuffer(prepared[WORD_BYTES : _LENGTH.start], "<u8").tolist())


def _payload(prepared: memoryview, magic: bytes) -> NDArray[Any]:
    _shape(prepared, magic)
    (due,) = np.frombuffer(prepared[_LENGTH], "<u8").tolist()
    found = len(prepared) - HEADER_BYTES
    # A kernel would read behind the end of what is too short.
    if found != due:
        raise KeyMaterialError(f"the prepared key has {found} bytes behind its header, {due} are due")
    return np.frombuffer(prepared[HEADER_BYTES:], np.uint8)
