"""The layout of a compact public key: seeded in a `CompressedXofKeySet`, whole in a file of its own."""

from pathlib import Path

from streams.fhe.devices.re_randomisation import NOISE_LOG2
from streams.fhe.devices.words import Words
from streams.fhe.formats import seeded
from streams.fhe.formats.cursor import Cursor
from streams.fhe.formats.seeded import SeededRows
from streams.fhe.formats.server_key import PUBLIC_DIMENSION, header, mapped, moduli, tag
from streams.fhe.key_objects import PUBLIC_KEY


def read(path: Path) -> Words:
    """Mask and body of a `CompactPublicKey`, one after the other.

    Raises:
        KeyMissing: there is no such file.
        KeyMaterialError: it is not one of this release and these parameters.
    """
    return parse(mapped(path))


def parse(data: memoryview) -> Words:
    """Mask and body in these bytes; raises KeyMaterialError."""
    cursor = Cursor(data)
    header(cursor, PUBLIC_KEY)
    cursor.marks(1, 0, 0, 1, 0, 0)
    words = cursor.words(2 * PUBLIC_DIMENSION)
    cursor.wrapped(PUBLIC_DIMENSION)
    seeded.native_modulus(cursor)
    _parameters(cursor)
    cursor.end()
    return words


def read_seeded(cursor: Cursor) -> SeededRows:
    """The seeded public key that begins here."""
    cursor.marks(1, 0, 0, 1, 0, 0)
    key = seeded.read_public(cursor, PUBLIC_DIMENSION)
    _parameters(cursor)
    return key


def _parameters(cursor: Cursor) -> None:
    cursor.marks(1)  # parameters of the encryption
    cursor.wrapped(PUBLIC_DIMENSION)
    cursor.marks(0, 1, 0, NOISE_LOG2)  # TUniform
    moduli(cursor)
    seeded.native_modulus(cursor)
    cursor.marks(1, 0, 0, 2)  # a cast follows the expansion; the second version of the proofs
    tag(cursor)
