"""The keys that squash noise in the kernel's order; only sns-worker opens them.

<root>/<digest>/wave-squash/squash    bootstrap to 128-bit words, 1.6 GB
<root>/<digest>/wave-squash/pack      packing keyswitch of what was squashed, 0.5 GB
<root>/<digest>/wave-squash/manifest.json
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import cipherstream_kernel as kernel

from streams.domain.errors import KeyMaterialError
from streams.fhe.devices.cpu_squashing import CpuSquashing
from streams.fhe.devices.words import flat
from streams.fhe.formats import activated
from streams.fhe.formats.activated import SquashingKeys
from streams.fhe.formats.seeded import WideRows
from streams.fhe.mapped_bytes import mapped_bytes
from streams.fhe.parameters import PINNED, SQUASHING
from streams.fhe.security import require, squashing_keys
from streams.fhe.wave.derived_folder import derived_folder

RELEASE: Final = "wave squash 1"  # of these files' layout
_STEPS: Final = 9  # bootstrap steps that are expanded together, 16 MB
_INPUTS: Final = 1024  # inputs of a chunk of the packing key (`native/kernel/src/squash/packing.rs`)


# Mapped once for all devices: a page counts in a process as often as it is mapped there.
@dataclass(frozen=True, slots=True)
class Mapped:
    """The keys in the kernel's order, as they lie in their files."""

    folder: Path
    switch: memoryview
    squash: memoryview
    pack: memoryview


def derived(keyset: Path) -> Path:
    """The folder beside a key set, made now where it is missing.

    Raises:
        KeyMissing: the key set is not on this machine.
        KeyPartMissing: it has no keys that squash noise.
        KeyMaterialError: it is not of the release and the parameters that can be read.
    """
    return derived_folder(keyset, "wave-squash", RELEASE, partial(_derive, keyset))


def opened(folder: Path, compute: Path, threads: int = 1, path: str | None = None) -> CpuSquashing:
    """Attach the files, whose memory processes share.

    Args:
        folder: of `derived`.
        compute: of `key_files.derived`: the keyswitch of the same set.
        threads: of one call of the kernel.
        path: an instruction set; by default the fastest of this machine.

    Raises:
        KeyMaterialError: a file is missing or damaged.
        ConfigurationError: with these parameters a key would have less than 132 bits of security.
    """
    return attached(mapped(folder, compute), threads, path)


def mapped(folder: Path, compute: Path) -> Mapped:
    """The files of both folders, not yet read; arguments and errors as those of `opened`."""
    require(*squashing_keys(SQUASHING))
    try:
        files = (compute / "switch", folder / "squash", folder / "pack")
        return Mapped(folder, *map(mapped_bytes, files))
    except (OSError, ValueError) as error:
        raise KeyMaterialError(f"the files in {folder} do not open: {error}") from error


def attached(files: Mapped, threads: int = 1, path: str | None = None) -> CpuSquashing:
    """The CPU with these keys, which are not copied; arguments and errors as those of `opened`."""
    try:
        switch = kernel.KeyswitchKey.attach(files.switch)
        squash = kernel.SquashingKey.attach(files.squash)
        pack = kernel.WidePackingKey.attach(files.pack)
    except ValueError as error:
        raise KeyMaterialError(f"the files in {files.folder} do not open: {error}") from error
    return CpuSquashing(switch, squash, pack, threads, path)


def _derive(keyset: Path, folder: Path) -> None:
    _write(activated.read_squashing(keyset), folder)


def _write(keys: SquashingKeys, folder: Path) -> None:
    for name, parts in (("squash", squash_parts(keys)), ("pack", pack_parts(keys))):
        with (folder / name).open("wb") as file:
            file.writelines(parts)


def squash_parts(keys: SquashingKeys) -> Iterator[bytes]:
    """The file of the bootstrap, header first, in pieces that are made as they are asked for."""
    yield kernel.SquashingKey.header(PINNED.lwe_dimension)
    rows = SQUASHING.pbs.level * (SQUASHING.glwe_dimension + 1)
    yield from _pieces(keys.squash, _STEPS * rows, kernel.SquashingKey.transform)


def pack_parts(keys: SquashingKeys) -> Iterator[bytes]:
    """The file of the packing keyswitch, likewise."""
    shape = (SQUASHING.packed_dimension, SQUASHING.packed_size)
    yield kernel.WidePackingKey.header(*shape)
    yield from _pieces(keys.pack, _INPUTS, lambda rows: kernel.WidePackingKey.transform(rows, *shape))


def _pieces(rows: WideRows, count: int, transform: Callable[[memoryview], bytes]) -> Iterator[bytes]:
    """The rows brought into the kernel's order, so many at a time: all of them are a gigabyte."""
    for first in range(0, len(rows.bodies), count):
        expanded = rows.expanded(first, min(count, len(rows.bodies) - first))
        yield transform(flat(expanded))
