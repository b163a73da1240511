"""The engine `wave` as an sns-worker opens it: stored ciphertexts to squashed ones."""

from typing import Self

import numpy as np

from streams.domain.operations import FheType
from streams.fhe.devices.cpu_squashing import paired
from streams.fhe.devices.port import Squashing
from streams.fhe.devices.words import Words
from streams.fhe.formats.ciphertext_list import read_number
from streams.fhe.formats.squashed import Squashed, write_bare, write_list
from streams.fhe.keyset import KeyFiles
from streams.fhe.radix.device_executor import DeviceExecutor
from streams.fhe.wave import key_files, squash_files
from streams.fhe.wave.calibration import lookup_s
from streams.fhe.wave.keys import WaveKeys


class WaveSquash:
    """Squashes stored ciphertexts of one key set; the same bytes for the same ct64."""

    def __init__(self, keys: WaveKeys, squashing: Squashing) -> None:
        self._executor = DeviceExecutor(keys.device)
        self._storage = keys.storage
        self._squashing = squashing

    @classmethod
    def open(cls, files: KeyFiles, threads: int = 1) -> Self:
        """Attaches the keys, whose memory processes share; derives them where they are missing.

        Raises:
            KeyMissing: the activated key set does not lie beside the files.
            KeyMaterialError: it is not of the release and the parameters that can be read.
        """
        keyset = files.folder.with_name("keyset")
        folder = key_files.derived(keyset)
        squashing = squash_files.opened(squash_files.derived(keyset), folder, threads)
        return cls(key_files.opened(folder, threads), squashing)

    def lookup_s(self) -> float:
        """Seconds of one look-up, the least of a few."""
        return lookup_s(self._executor)

    def squash(self, ct64: bytes, fhe_type: int, *, compressed: bool = True) -> bytes:
        """The ct128 of a ct64, which is not re-randomised; raises OperationError."""
        number = read_number(ct64)
        number.require(FheType(fhe_type))
        squashed = self._squashing.squash(paired(np.concatenate(self._storage.decompress(number.glwes))))
        if compressed:
            return write_list(Squashed(number.is_bool, number.blocks, self._squashing.pack(squashed)))
        rows: tuple[Words, ...] = tuple(squashed)
        return write_bare(Squashed(number.is_bool, number.blocks, rows))
