"""The keys of an activated set in the kernel's order: derived once per machine, mapped by every worker.

<root>/<digest>/wave/switch, rotate    keyswitch and bootstrap of look-ups
<root>/<digest>/wave/random            bootstrap of random numbers
<root>/<digest>/wave/pack, unpack      compression and decompression
<root>/<digest>/wave/public            compact public key and the keyswitch to the big key: re-randomisation
<root>/<digest>/wave/manifest.json

Keys that squash noise have a folder of their own (`squash_files`).
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import cipherstream_kernel as kernel
import numpy as np

from streams.domain.errors import KeyMaterialError
from streams.fhe.devices.cpu import CpuDevice
from streams.fhe.devices.cpu_storage import CpuStorage
from streams.fhe.devices.port import BlockStorage, Device
from streams.fhe.devices.re_randomisation import PublicKey, ReRandomiser
from streams.fhe.devices.words import flat
from streams.fhe.formats import activated
from streams.fhe.formats.activated import ActivatedKeys
from streams.fhe.keyset import PUBLIC_KEY
from streams.fhe.mapped_bytes import mapped_bytes
from streams.fhe.parameters import COMPRESSION, PINNED
from streams.fhe.storage_noise import check_storage
from streams.fhe.wave.derived_folder import derived_folder

# Raise it whenever the kernel's order of words changes: files of before would map and compute nonsense.
RELEASE: Final = "wave 1"  # of these files' layout


@dataclass(frozen=True)
class WaveKeys:
    """What computes with one key set."""

    device: Device
    storage: BlockStorage
    re_randomise: ReRandomiser
    drivers: int = 1  # calls that the device computes side by side


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
        ConfigurationError: what the engine stores with these parameters would not be read with 2^-128.
    """
    check_storage(PINNED, COMPRESSION)
    try:
        switch = kernel.KeyswitchKey.attach(mapped_bytes(folder / "switch"))
        rotate, random, unpack = (
            kernel.BootstrapKey.attach(mapped_bytes(folder / name)) for name in ("rotate", "random", "unpack")
        )
        pack = kernel.PackingKey.attach(mapped_bytes(folder / "pack"))
    except (OSError, ValueError) as error:
        raise KeyMaterialError(f"the files in {folder} do not open: {error}") from error
    device = CpuDevice(PINNED, switch, rotate, threads, path, random=random)
    storage = CpuStorage(PINNED, pack, unpack, threads, path)
    return WaveKeys(device, storage, _re_randomiser(folder / "public"), drivers)


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
    (folder / "public").write_bytes(keys.public.tobytes() + keys.re_randomise.expanded().tobytes())


def _re_randomiser(path: Path) -> ReRandomiser:
    size = PINNED.big_dimension
    words = np.frombuffer(mapped_bytes(path), np.uint64)
    if len(words) != size * (size + 3):
        raise KeyMaterialError(f"{path} has {len(words)} words, {size * (size + 3)} are due")
    mask, body, rows = np.split(words, [size, 2 * size])
    return ReRandomiser(PublicKey(mask, body), rows.reshape(size, size + 1))
