"""The process that derives the files by purpose: `python -m streams.fhe.derive ENGINE KEYSET FOLDER`.

A process of its own, because expanding a key set takes more memory than any worker is allowed.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from streams.domain.errors import KeyMaterialError
from streams.fhe.keyset import CLEAR_MAGIC, PURPOSES


def derive(engine: str, keyset: Path, folder: Path) -> None:
    """Writes `public`, `compute` and `squash`; raises KeyMaterialError."""
    if engine == "clear":
        _derive_clear(keyset, folder)
        return
    import cipherstream_tfhe as native

    try:
        native.derive(keyset, folder)
    except native.FheError as error:
        raise KeyMaterialError(str(error)) from error


def _derive_clear(keyset: Path, folder: Path) -> None:
    content = keyset.read_bytes()
    if not content.startswith(CLEAR_MAGIC):
        raise KeyMaterialError(f"{keyset} is not a clear key set")
    for purpose in PURPOSES:
        (folder / purpose).write_bytes(content)


def main(arguments: Sequence[str]) -> int:
    """The command line."""
    engine, keyset, folder = arguments
    try:
        derive(engine, Path(keyset), Path(folder))
    except (KeyMaterialError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
