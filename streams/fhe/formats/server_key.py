"""The layout of a `CompressedServerKey`, as TFHE-rs 1.6.3 writes it for the protocol's parameters.

It is activated alone or is the larger part of a `CompressedXofKeySet`. Numbers in `marks` are versions of
structs and variants of enums in the order of the file: the structs that wrap a key, outermost first.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streams.domain.errors import KeyMaterialError, KeyMissing
from streams.fhe.devices.re_randomisation import GADGET as RE_RANDOMISE
from streams.fhe.formats import seeded
from streams.fhe.formats.cursor import Cursor
from streams.fhe.formats.seeded import SeededRows, WideRows
from streams.fhe.key_objects import KeyObject
from streams.fhe.key_parts import Part
from streams.fhe.mapped_bytes import mapped_bytes
from streams.fhe.parameters import COMPRESSION, PINNED, SQUASHING

PUBLIC_DIMENSION: Final = 2048  # of the compact public key

_BIG: Final = (PINNED.glwe_dimension, PINNED.polynomial_size)
_PACKED: Final = (COMPRESSION.glwe_dimension, COMPRESSION.polynomial_size)
_SQUASHED: Final = (SQUASHING.glwe_dimension, SQUASHING.polynomial_size)
_SQUASHED_PACKED: Final = (SQUASHING.packed_dimension, SQUASHING.packed_size)
_MODULUS: Final = 4  # of a message, and of a carry
_DEGREE_MAX: Final = 12
_NOISE_LEVEL_MAX: Final = 5


@dataclass(frozen=True)
class ServerKey:
    """The parts that an engine of ours computes with; None where whoever made the key left one out."""

    switch: SeededRows  # keyswitch from the big to the small LWE key
    rotate: SeededRows  # bootstrap under the small key
    cast: SeededRows | None  # keyswitch from the compact public key's to the small key
    pack: SeededRows | None  # packing keyswitch of compression
    unpack: SeededRows | None  # bootstrap of decompression
    squash: WideRows | None  # bootstrap that squashes noise
    pack_squashed: WideRows | None  # packing keyswitch of what was squashed
    re_randomise: SeededRows | None  # keyswitch from the compact public key's to the big key
    random: SeededRows | None  # bootstrap of random numbers

    @property
    def lacks(self) -> tuple[Part, ...]:
        """What is left out; its public key always is another object."""
        there = {
            Part.CASTING: self.cast is not None,
            Part.COMPRESSION: self.pack is not None and self.unpack is not None,
            Part.SQUASHING: self.squash is not None and self.pack_squashed is not None,
            Part.RE_RANDOMISATION: self.re_randomise is not None,
            Part.RANDOM: self.random is not None,
        }
        return tuple(part for part, is_there in there.items() if not is_there)


def read(path: Path) -> ServerKey:
    """The keys of a file, which stays mapped for as long as they are used.

    Raises:
        KeyMissing: there is no such file.
        KeyMaterialError: it is not a `CompressedServerKey` of this release and these parameters.
    """
    return parse(mapped(path))


def parse(data: memoryview) -> ServerKey:
    """The keys in these bytes; raises KeyMaterialError."""
    cursor = Cursor(data)
    header(cursor, KeyObject.SERVER_KEY)
    key = read_from(cursor)
    cursor.end()
    return key


def mapped(path: Path) -> memoryview:
    """A file of key material; raises KeyMissing, KeyMaterialError."""
    try:
        return mapped_bytes(path)
    except FileNotFoundError as error:
        raise KeyMissing(f"there is no {path.name} here") from error
    except ValueError as error:
        raise KeyMaterialError(f"the file {path.name} is empty") from error


def header(cursor: Cursor, name: str) -> None:
    """What safe serialisation writes before an object of that name."""
    cursor.text("0.5")  # of safe serialisation
    cursor.marks(0)  # versioned
    cursor.text("0.1")  # of versioning
    cursor.text(str(name))


def read_from(cursor: Cursor) -> ServerKey:
    """The server key that begins here."""
    cursor.marks(2, 7)  # outer and inner
    switch, rotate = _compute(cursor)
    cast = _cast(cursor) if cursor.optional() else None
    pack = _pack(cursor) if cursor.optional() else None
    unpack = _unpack(cursor) if cursor.optional() else None
    squash = _squash(cursor) if cursor.optional() else None
    pack_squashed = _pack_squashed(cursor) if cursor.optional() else None
    re_randomise = _re_randomisation(cursor) if cursor.optional() else None
    random = _random(cursor) if cursor.optional() else None
    tag(cursor)
    return ServerKey(switch, rotate, cast, pack, unpack, squash, pack_squashed, re_randomise, random)


def _compute(cursor: Cursor) -> tuple[SeededRows, SeededRows]:
    cursor.marks(2, 3, 0, 0, 0, 2)  # the standard pattern: keyswitch, then bootstrap
    switch = seeded.read_keyswitch(cursor, PINNED.big_dimension, PINNED.ks, PINNED.lwe_dimension)
    cursor.marks(3, 0, 1, 1)  # one bit per step
    rotate = seeded.read_bootstrap(cursor, PINNED.lwe_dimension, PINNED.pbs, _BIG)
    cursor.marks(0, 2)  # the modulus switch is mean-centred
    cursor.marks(0, 0)  # ciphertexts are under the big key
    moduli(cursor)
    cursor.wrapped(_DEGREE_MAX)
    cursor.wrapped(_NOISE_LEVEL_MAX)
    return switch, rotate


def _cast(cursor: Cursor) -> SeededRows:
    cursor.marks(2, 2, 2)
    key = seeded.read_keyswitch(cursor, PUBLIC_DIMENSION, PINNED.ks, PINNED.lwe_dimension)
    _destination(cursor, 1)
    return key


def _pack(cursor: Cursor) -> SeededRows:
    cursor.marks(2, 2, 2)
    pack = seeded.read_packing(cursor, PINNED.big_dimension, COMPRESSION.packing, _PACKED)
    cursor.wrapped(COMPRESSION.polynomial_size)
    cursor.wrapped(COMPRESSION.storage_log2)
    return pack


def _unpack(cursor: Cursor) -> SeededRows:
    cursor.marks(1, 2, 3, 0, 1, 1)
    unpack = seeded.read_bootstrap(cursor, COMPRESSION.dimension, COMPRESSION.unpacking, _BIG)
    cursor.marks(0, 0)  # the modulus switch is the standard one
    cursor.wrapped(COMPRESSION.polynomial_size)
    return unpack


def _squash(cursor: Cursor) -> WideRows:
    cursor.marks(0, 3, 0, 0, 0, 1, 0, 1, 1)
    squash = seeded.read_wide_bootstrap(cursor, PINNED.lwe_dimension, SQUASHING.pbs, _SQUASHED)
    cursor.marks(0, 2)  # mean-centred
    moduli(cursor)
    seeded.native_modulus(cursor, bits=128)
    return squash


def _pack_squashed(cursor: Cursor) -> WideRows:
    cursor.marks(0, 0, 2)
    pack = seeded.read_wide_packing(cursor, SQUASHING.dimension, SQUASHING.packing, _SQUASHED_PACKED)
    cursor.wrapped(SQUASHING.packed_most)
    return pack


def _re_randomisation(cursor: Cursor) -> SeededRows:
    cursor.marks(0, 0, 0, 1, 2, 2, 2)  # by the public key and a keyswitch of its own
    key = seeded.read_keyswitch(cursor, PUBLIC_DIMENSION, RE_RANDOMISE, PINNED.big_dimension)
    _destination(cursor, 0)
    return key


def _random(cursor: Cursor) -> SeededRows:
    cursor.marks(0, 0, 0, 0, 1, 1)
    return seeded.read_bootstrap(cursor, PINNED.lwe_dimension, PINNED.pbs, _BIG)


def _destination(cursor: Cursor, key: int) -> None:
    place = cursor.at
    if cursor.u8():
        raise KeyMaterialError(f"the keyswitch at byte {place} shifts what it switches")
    cursor.marks(0, key, 0, 0)  # the big (0) or the small (1) key of the standard pattern


def moduli(cursor: Cursor) -> None:
    """Moduli of a message and of a carry."""
    cursor.wrapped(_MODULUS)
    cursor.wrapped(_MODULUS)


def tag(cursor: Cursor) -> None:
    """Bytes that whoever made an object may have put there."""
    cursor.marks(0)
    cursor.raw()
