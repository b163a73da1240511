"""What computes with one key set, and the part of it that is the same for all devices of the processor."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streams.domain.errors import KeyMaterialError
from streams.fhe.devices.port import BlockStorage, Device
from streams.fhe.devices.re_randomisation import PublicKey, ReRandomiser
from streams.fhe.devices.words import Words
from streams.fhe.formats.activated import ActivatedKeys
from streams.fhe.mapped_bytes import mapped_bytes
from streams.fhe.parameters import COMPRESSION, PINNED
from streams.fhe.security import ALL_KEYS, assess, require
from streams.fhe.storage_noise import check_storage
from streams.fhe.wave.exam import Unit


@dataclass(frozen=True)
class WaveKeys:
    """What computes with one key set."""

    units: tuple[Unit, ...]  # devices of equal words, at least one
    oracle: Unit  # says which words are right
    re_randomise: ReRandomiser
    drivers: int = 1  # calls at a time
    batches: int = 0  # of look-ups that the devices compute side by side; 0 = as many as there are drivers

    @property
    def device(self) -> Device:
        """The first one."""
        return self.units[0].device

    @property
    def storage(self) -> BlockStorage:
        """That of the first one."""
        return self.units[0].storage


def require_safe() -> None:
    """Refuse keys and failures that are worse than promised; raises ConfigurationError."""
    require(*ALL_KEYS)
    assess(PINNED)
    check_storage(PINNED, COMPRESSION)


def mapped_words(path: Path, count: int) -> Words:
    """The words of a file, mapped; raises KeyMaterialError where it has another number of them."""
    try:
        content = mapped_bytes(path)
    except (OSError, ValueError) as error:
        raise KeyMaterialError(f"{path} does not open: {error}") from error
    if len(content) != 8 * count:
        raise KeyMaterialError(f"{path} has {len(content) / 8:g} words, {count} are due")
    return np.frombuffer(content, np.uint64)


def write_public(keys: ActivatedKeys, path: Path) -> None:
    """Compact public key and the keyswitch to the big key in a file."""
    path.write_bytes(keys.public.tobytes() + keys.re_randomise.expanded().tobytes())


def public_words(path: Path) -> tuple[PublicKey, Words]:
    """Key and rows (N, N + 1) of the keyswitch in a file of `write_public`; raises KeyMaterialError."""
    size = PINNED.big_dimension
    words = mapped_words(path, size * (size + 3))
    mask, body, rows = np.split(words, [size, 2 * size])
    return PublicKey(mask, body), rows.reshape(size, size + 1)
