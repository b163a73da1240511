"""The layout of an activated `CompressedXofKeySet`, as TFHE-rs 1.6.3 writes it for the protocol's parameters.

Numbers in `marks` are versions of structs and variants of enums in the order of the file: the structs that
wrap a key, outermost first. What computes is read; the keys that squash noise are stepped over, and checked
like the rest.
"""

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streams.domain.errors import KeyMaterialError, KeyMissing
from streams.fhe.formats import seeded
from streams.fhe.formats.cursor import Cursor
from streams.fhe.formats.seeded import SeededRows
from streams.fhe.parameters import COMPRESSION, PINNED, Gadget

_BIG: Final = (PINNED.glwe_dimension, PINNED.polynomial_size)
_PACKED: Final = (COMPRESSION.glwe_dimension, COMPRESSION.polynomial_size)
_PUBLIC_DIMENSION: Final = 2048  # of the compact public key
_PUBLIC_NOISE_LOG2: Final = 17
_RE_RANDOMISE: Final = Gadget(base_log=24, level=1)
_SQUASHING: Final = (Gadget(base_log=24, level=3), (2, 2048))
_SQUASHED_DIMENSION: Final = 2 * 2048
_SQUASHED_PACKING: Final = (Gadget(base_log=61, level=1), (6, 1024))
_SQUASHED_PER_GLWE: Final = 128
_MODULUS: Final = 4  # of a message, and of a carry
_DEGREE_MAX: Final = 12
_NOISE_LEVEL_MAX: Final = 5


@dataclass(frozen=True)
class ActivatedKeys:
    """The parts of a key set that an engine of ours computes with."""

    public: SeededRows  # the compact public key
    switch: SeededRows  # keyswitch from the big to the small LWE key
    rotate: SeededRows  # bootstrap under the small key
    cast: SeededRows  # keyswitch from the compact public key's to the small key
    pack: SeededRows  # packing keyswitch of compression
    unpack: SeededRows  # bootstrap of decompression
    re_randomise: SeededRows  # keyswitch from the compact public key's to the big key
    random: SeededRows  # bootstrap of random numbers


def read(path: Path) -> ActivatedKeys:
    """The keys of a file, which stays mapped for as long as they are used.

    Raises:
        KeyMissing: there is no such file.
        KeyMaterialError: it is not a `CompressedXofKeySet` of this release and these parameters.
    """
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError as error:
        raise KeyMissing(f"there is no {path.name} here") from error
    except ValueError as error:
        raise KeyMaterialError("the key set is empty") from error
    return parse(memoryview(mapped))


def parse(data: memoryview) -> ActivatedKeys:
    """The keys in these bytes; raises KeyMaterialError."""
    cursor = Cursor(data)
    _header(cursor)
    public = _public(cursor)
    cursor.marks(2, 7)  # server key: outer and inner
    switch, rotate = _compute(cursor)
    cast = _cast(cursor)
    pack, unpack = _compression(cursor)
    _step_over_squashing(cursor)
    re_randomise = _re_randomisation(cursor)
    random = _random(cursor)
    _tag(cursor)
    cursor.end()
    return ActivatedKeys(public, switch, rotate, cast, pack, unpack, re_randomise, random)


def _header(cursor: Cursor) -> None:
    cursor.text("0.5")  # of safe serialisation
    cursor.marks(0)  # versioned
    cursor.text("0.1")  # of versioning
    cursor.text("high_level_api::CompressedXofKeySet")
    cursor.marks(1, 0, 0, 0)  # key set, start of its stream: first byte, seed
    cursor.raw()  # every key names it again


def _public(cursor: Cursor) -> SeededRows:
    cursor.marks(1, 0, 0, 1, 0, 0)
    key = seeded.read_public(cursor, _PUBLIC_DIMENSION)
    cursor.marks(1)  # parameters of the encryption
    cursor.wrapped(_PUBLIC_DIMENSION)
    cursor.marks(0, 1, 0, _PUBLIC_NOISE_LOG2)  # TUniform
    _moduli(cursor)
    seeded.native_modulus(cursor)
    cursor.marks(1, 0, 0, 2)  # a cast follows the expansion; the second version of the proofs
    _tag(cursor)
    return key


def _compute(cursor: Cursor) -> tuple[SeededRows, SeededRows]:
    cursor.marks(2, 3, 0, 0, 0, 2)  # the standard pattern: keyswitch, then bootstrap
    switch = seeded.read_keyswitch(cursor, PINNED.big_dimension, PINNED.ks, PINNED.lwe_dimension)
    cursor.marks(3, 0, 1, 1)  # one bit per step
    rotate = seeded.read_bootstrap(cursor, PINNED.lwe_dimension, PINNED.pbs, _BIG)
    cursor.marks(0, 2)  # the modulus switch is mean-centred
    cursor.marks(0, 0)  # ciphertexts are under the big key
    _moduli(cursor)
    cursor.wrapped(_DEGREE_MAX)
    cursor.wrapped(_NOISE_LEVEL_MAX)
    return switch, rotate


def _cast(cursor: Cursor) -> SeededRows:
    cursor.present()
    cursor.marks(2, 2, 2)
    key = seeded.read_keyswitch(cursor, _PUBLIC_DIMENSION, PINNED.ks, PINNED.lwe_dimension)
    _destination(cursor, 1)
    return key


def _compression(cursor: Cursor) -> tuple[SeededRows, SeededRows]:
    cursor.present()
    cursor.marks(2, 2, 2)
    pack = seeded.read_packing(cursor, PINNED.big_dimension, COMPRESSION.packing, _PACKED)
    cursor.wrapped(COMPRESSION.polynomial_size)
    cursor.wrapped(COMPRESSION.storage_log2)
    cursor.present()
    cursor.marks(1, 2, 3, 0, 1, 1)
    unpack = seeded.read_bootstrap(cursor, COMPRESSION.dimension, COMPRESSION.unpacking, _BIG)
    cursor.marks(0, 0)  # the modulus switch is the standard one
    cursor.wrapped(COMPRESSION.polynomial_size)
    return pack, unpack


def _step_over_squashing(cursor: Cursor) -> None:
    cursor.present()
    cursor.marks(0, 3, 0, 0, 0, 1, 0, 1, 1)
    seeded.skip_wide_bootstrap(cursor, PINNED.lwe_dimension, *_SQUASHING)
    cursor.marks(0, 2)  # mean-centred
    _moduli(cursor)
    seeded.native_modulus(cursor, bits=128)
    cursor.present()
    cursor.marks(0, 0, 2)
    seeded.skip_wide_packing(cursor, _SQUASHED_DIMENSION, *_SQUASHED_PACKING)
    cursor.wrapped(_SQUASHED_PER_GLWE)


def _re_randomisation(cursor: Cursor) -> SeededRows:
    cursor.present()
    cursor.marks(0, 0, 0, 1, 2, 2, 2)  # by the public key and a keyswitch of its own
    key = seeded.read_keyswitch(cursor, _PUBLIC_DIMENSION, _RE_RANDOMISE, PINNED.big_dimension)
    _destination(cursor, 0)
    return key


def _random(cursor: Cursor) -> SeededRows:
    cursor.present()
    cursor.marks(0, 0, 0, 0, 1, 1)
    return seeded.read_bootstrap(cursor, PINNED.lwe_dimension, PINNED.pbs, _BIG)


def _destination(cursor: Cursor, key: int) -> None:
    place = cursor.at
    if cursor.u8():
        raise KeyMaterialError(f"the keyswitch at byte {place} shifts what it switches")
    cursor.marks(0, key, 0, 0)  # the big (0) or the small (1) key of the standard pattern


def _moduli(cursor: Cursor) -> None:
    cursor.wrapped(_MODULUS)
    cursor.wrapped(_MODULUS)


def _tag(cursor: Cursor) -> None:
    cursor.marks(0)
    cursor.raw()
