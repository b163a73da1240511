"""The files by purpose where the crate's wheel is missing: what Python makes of a `CompressedServerKey`.

Everything that the crate would refuse is refused here. `public` has the crate's bytes. `compute` and `squash`
are not written: they hold keys as the crate transforms and serialises them, and nobody else opens them. They
are told as lacking, and written once the wheel is there (`keyset.KeyStore.derive`). The engine `wave` does
not read them: it makes its own files of the same key set, on the device `concrete` in Python too.
"""

import shutil
from pathlib import Path

from streams.domain.errors import KeyUnderived
from streams.fhe.crate import WHEEL
from streams.fhe.formats import public_key, server_key
from streams.fhe.key_objects import KeyObject, recognised
from streams.fhe.key_parts import Part
from streams.fhe.keyset import PUBLIC


def derive_public_key(source: Path, folder: Path) -> None:
    """Writes `public` of a `CompactPublicKey`; raises KeyMissing, KeyMaterialError, OSError."""
    public_key.read(source)
    # Read through, so there is one way to write it: the crate gives the same bytes back.
    shutil.copyfile(source, folder / PUBLIC)


def derive_keyset(source: Path) -> tuple[Part, ...]:
    """What the files of a key set will lack, once it was read from the first byte to the last.

    Raises:
        KeyMissing: there is no such file.
        KeyUnderived: it is no `CompressedServerKey`.
        KeyMaterialError: it is not of the release and the parameters that can be read.
    """
    if recognised(source) is not KeyObject.SERVER_KEY:
        # A key set's public key is seeded as well: `public` would have to be written and not copied.
        raise KeyUnderived(f"the wheel {WHEEL} is missing: only a CompressedServerKey is taken in without it")
    return (Part.PUBLIC, Part.EXPANDED, *server_key.read(source).lacks)
