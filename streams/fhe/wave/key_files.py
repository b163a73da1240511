"""The keys of an activated set in the kernel's order: derived once per machine, mapped by every worker.

<root>/<digest>/wave/switch, rotate    keyswitch and bootstrap of look-ups
<root>/<digest>/wave/random            bootstrap of random numbers
<root>/<digest>/wave/pack, unpack      compression and decompression
<root>/<digest>/wave/public            compact public key and the keyswitch to the big key: re-randomisation
<root>/<digest>/wave/manifest.json

Keys that squash noise have a folder of their own (`squash_files`).
"""

from functools import partial
from pathlib import Path
from typing import Final

import cipherstream_kernel as kernel

from streams.domain.errors import KeyMaterialError
from streams.fhe.devices.cpu import CpuDevice
from streams.fhe.devices.cpu_re_randomisation import KernelSwitch
from streams.fhe.devices.cpu_storage import CpuStorage
from streams.fhe.devices.re_randomisation import ReRandomiser
from streams.fhe.devices.words import flat
from streams.fhe.formats import activated
from streams.fhe.formats.activated import ActivatedKeys
from streams.fhe.keyset import PUBLIC_KEY
from streams.fhe.mapped_bytes import mapped_bytes
from streams.fhe.parameters import COMPRESSION, PINNED
from streams.fhe.wave.derived_folder import derived_folder
from streams.fhe.wave.exam import Unit
from streams.fhe.wave.keys import WaveKeys, public_words, require_safe, write_public

# Raise it whenever the kernel's order of words changes: files of before would map and compute nonsense.
RELEASE: Final = "wave 1"  # of these files' layout
_PORTABLE: Final = "scalar"  # as the kernel calls its path without vectors


def derived(keyset: Path) -> Path:
    """The folder beside a key set with the files made from it, now where it is missing.

    Raises:
        KeyMissing: the key set is not on this machine.
        KeyPartMissing: it lacks what computing takes, as a `CompressedServerKey` may.
        KeyMaterialError: it is not of the release and the parameters that can be read.
    """
    return derived_folder(keyset, "wave", RELEASE, partial(_derive, keyset))


def opened(folder: Path, threads: int = 1, path: str | None = None, drivers: int = 1) -> WaveKeys:
    """Attach the files; memory is shared with every process that does the same.

    Args:
        folder: of `derived`.
        threads: of one call of the kernel.
        path: an instruction set; by default the fastest of this machine.
        drivers: calls at a time, for a window.

    Raises:
        KeyMaterialError: a file is missing or damaged.
        ConfigurationError: with these parameters a key would be less secure than 2^132, or a look-up or what
            the engine stores would fail with more than 2^-128.
    """
    require_safe()
    try:
        switch = kernel.KeyswitchKey.attach(mapped_bytes(folder / "switch"))
        rotate, random, unpack = (
            kernel.BootstrapKey.attach(mapped_bytes(folder / name)) for name in ("rotate", "random", "unpack")
        )
        pack = kernel.PackingKey.attach(mapped_bytes(folder / "pack"))
    except (OSError, ValueError) as error:
        raise KeyMaterialError(f"the files in {folder} do not open: {error}") from error

    def unit(path: str | None) -> Unit:
        device = CpuDevice(PINNED, switch, rotate, threads, path, random=random)
        return Unit(path or "cpu", device, CpuStorage(PINNED, pack, unpack, threads, path))

    public, rows = public_words(folder / "public")
    re_randomise = ReRandomiser(public, KernelSwitch(rows, threads, path))
    return WaveKeys((unit(path),), unit(_other_path(path)), re_randomise, drivers)


def _other_path(path: str | None) -> str | None:
    """Another vector instruction set, if this machine has one: its words are to be the same."""
    # The portable one would take seconds for what a device is asked.
    paths = [each for each in kernel.instruction_sets() if each != _PORTABLE]
    others = [each for each in paths if each != (path or paths[0])]
    return others[0] if others else path


def _derive(keyset: Path, folder: Path) -> None:
    _write(activated.read(keyset, keyset.with_name(PUBLIC_KEY)), folder)


def _write(keys: ActivatedKeys, folder: Path) -> None:
    # `keys.cast` is not written: it is for clients' lists, which only the crate expands.
    small, packed = PINNED.lwe_dimension, COMPRESSION
    switch = kernel.KeyswitchKey.prepare(flat(keys.switch.expanded()), small, PINNED.ks.level)
    (folder / "switch").write_bytes(switch.to_bytes())
    # One key after the other: expanded, brought into order, written, let go.
    for name, rows, dimension in (
        ("rotate", keys.rotate, small),
        ("random", keys.random, small),
        ("unpack", keys.unpack, packed.dimension),
    ):
        key = kernel.BootstrapKey.prepare(flat(rows.expanded()), dimension)
        (folder / name).write_bytes(key.to_bytes())
    pack = kernel.PackingKey.prepare(
        flat(keys.pack.expanded()), packed.glwe_dimension, packed.polynomial_size, packed.packing.level
    )
    (folder / "pack").write_bytes(pack.to_bytes())
    write_public(keys, folder / "public")
