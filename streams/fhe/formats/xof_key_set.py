"""The layout of a `CompressedXofKeySet`, as TFHE-rs 1.6.3 writes it: public key, then server key."""

from pathlib import Path

from streams.domain.errors import KeyMaterialError
from streams.fhe.formats import public_key, server_key
from streams.fhe.formats.cursor import Cursor
from streams.fhe.formats.seeded import SeededRows
from streams.fhe.formats.server_key import ServerKey
from streams.fhe.key_objects import KeyObject


def read(path: Path) -> tuple[SeededRows, ServerKey]:
    """Public key and server key of a file, which stays mapped for as long as they are used.

    Raises:
        KeyMissing: there is no such file.
        KeyMaterialError: it is not a `CompressedXofKeySet` of this release and these parameters.
    """
    return parse(server_key.mapped(path))


def parse(data: memoryview) -> tuple[SeededRows, ServerKey]:
    """Public key and server key in these bytes; raises KeyMaterialError."""
    cursor = Cursor(data)
    server_key.header(cursor, KeyObject.XOF_KEY_SET)
    cursor.marks(1, 0, 0, 0)  # key set, start of its stream: first byte, seed
    cursor.raw()  # every key names it again
    public = public_key.read_seeded(cursor)
    server = server_key.read_from(cursor)
    cursor.end()
    if server.lacks:
        raise KeyMaterialError(f"the key set has no {server.lacks[0].label}")
    return public, server
