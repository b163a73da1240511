"""The process that derives the files by purpose: `python -m streams.fhe.derive KIND FILE FOLDER`.

A process of its own, because expanding a key set takes more memory than any worker is allowed. It prints, as
JSON, which parts the key set lacks. It ends with BAD_MATERIAL where the material is bad, and with NOT_NOW
where that is not known: the disk is full, memory is short, the crate failed. Whatever else ends it says
nothing of the material either.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from streams.domain.errors import KeyMaterialError, KeyMissing, KeyUnderived
from streams.fhe import crate, plain_derive
from streams.fhe.key_objects import CLEAR_MAGIC, KeyObject, recognised
from streams.fhe.key_parts import Part
from streams.fhe.keyset import BAD_MATERIAL, NOT_NOW, PUBLIC, PURPOSES


def derive(kind: str, source: Path, folder: Path) -> tuple[Part, ...]:
    """Writes `public`, `compute` and `squash`, as far as the key set has them; what it lacks.

    Args:
        kind: an engine, whose key set the source is; or `public` for a public key alone.

    Raises: KeyMaterialError, KeyMissing, KeyUnderived; OSError, MemoryError.
    """
    if kind == "clear":
        return _derive_clear(source, folder)
    if not crate.is_installed():
        return _derive_plainly(kind, source, folder)
    import cipherstream_tfhe as native

    try:
        if kind == PUBLIC:
            native.derive_public_key(source, folder)
            return ()
        if recognised(source) is KeyObject.SERVER_KEY:
            return (Part.PUBLIC, *(Part(name) for name in native.derive_server_key(source, folder)))
        native.derive(source, folder)
    except native.KeyMaterialInvalid as error:
        raise KeyMaterialError(str(error)) from error
    except native.FheError as error:  # a file that could not be written, a panic: not said of the material
        raise KeyUnderived(str(error)) from error
    return ()


def _derive_plainly(kind: str, source: Path, folder: Path) -> tuple[Part, ...]:
    if kind != PUBLIC:
        return plain_derive.derive_keyset(source)
    plain_derive.derive_public_key(source, folder)
    return ()


def _derive_clear(keyset: Path, folder: Path) -> tuple[Part, ...]:
    content = keyset.read_bytes()
    if not content.startswith(CLEAR_MAGIC):
        raise KeyMaterialError(f"{keyset} is not a clear key set")
    # The same bytes three times: every worker opens the file of its purpose, whatever the engine.
    for purpose in PURPOSES:
        (folder / purpose).write_bytes(content)
    return ()


def main(arguments: Sequence[str]) -> int:
    """The command line."""
    kind, source, folder = arguments
    try:
        lacks = derive(kind, Path(source), Path(folder))
    except (KeyMaterialError, KeyMissing, OSError, MemoryError) as error:
        sys.stderr.write(f"{str(error) or type(error).__name__}\n")
        return BAD_MATERIAL if isinstance(error, KeyMaterialError) else NOT_NOW
    sys.stdout.write(msgspec.json.encode(lacks).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
