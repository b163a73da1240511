"""The keys of an activated set as words, in the order of the literature: derived once per machine.

<root>/<digest>/wave-words/switch            keyswitch of look-ups
<root>/<digest>/wave-words/rotate, random    bootstrap of look-ups and of random numbers
<root>/<digest>/wave-words/pack, unpack      compression and decompression
<root>/<digest>/wave-words/public            as in `key_files`
<root>/<digest>/wave-words/manifest.json

For devices whose own order is that of a process; no native code is needed to make these files.
"""

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from streams.fhe.devices.re_randomisation import LimbSwitch, ReRandomiser
from streams.fhe.devices.words import Words
from streams.fhe.formats import activated
from streams.fhe.keyset import PUBLIC_KEY
from streams.fhe.parameters import COMPRESSION, PINNED
from streams.fhe.wave.derived_folder import derived_folder
from streams.fhe.wave.keys import mapped_words, public_words, write_public

RELEASE: Final = "words 1"  # of these files' layout

_BIG: Final = PINNED.big_dimension
# rows of a GGSW ciphertext, each with as many polynomials
_GGSW: Final = (PINNED.glwe_dimension + 1, PINNED.glwe_dimension + 1, PINNED.polynomial_size)
SHAPES: Final[dict[str, tuple[int, ...]]] = {
    "switch": (_BIG, PINNED.ks.level, PINNED.lwe_dimension + 1),
    "rotate": (PINNED.lwe_dimension, PINNED.pbs.level, *_GGSW),
    "random": (PINNED.lwe_dimension, PINNED.pbs.level, *_GGSW),
    "unpack": (COMPRESSION.dimension, COMPRESSION.unpacking.level, *_GGSW),
    "pack": (_BIG, COMPRESSION.packing.level, COMPRESSION.glwe_dimension + 1, COMPRESSION.polynomial_size),
}


@dataclass(frozen=True, eq=False)
class KeyWords:
    """Mapped arrays, the least significant level first: `SHAPES`."""

    switch: Words
    rotate: Words
    random: Words
    unpack: Words
    pack: Words
    re_randomise: ReRandomiser


def derived(keyset: Path) -> Path:
    """The folder beside a key set with the files made from it, now where it is missing.

    Raises:
        KeyMissing: the key set is not on this machine.
        KeyPartMissing: it lacks what computing takes, as a `CompressedServerKey` may.
        KeyMaterialError: it is not of the release and the parameters that can be read.
    """
    return derived_folder(keyset, "wave-words", RELEASE, partial(_derive, keyset))


def opened(folder: Path) -> KeyWords:
    """Map the files; raises KeyMaterialError where one is missing or of another length."""
    arrays = {name: _opened(folder / name, shape) for name, shape in SHAPES.items()}
    public, rows = public_words(folder / "public")
    return KeyWords(**arrays, re_randomise=ReRandomiser(public, LimbSwitch(rows)))


def _opened(path: Path, shape: tuple[int, ...]) -> Words:
    return mapped_words(path, math.prod(shape)).reshape(shape)


def _derive(keyset: Path, folder: Path) -> None:
    keys = activated.read(keyset, keyset.with_name(PUBLIC_KEY))
    # One key after the other: expanded, written, let go.
    for name in SHAPES:
        getattr(keys, name).expanded().tofile(folder / name)
    write_public(keys, folder / "public")
