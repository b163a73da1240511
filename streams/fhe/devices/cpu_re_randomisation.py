"""The keyswitch of re-randomisation by the SIMD kernel, which reads the key where it lies."""

import cipherstream_kernel as kernel
import numpy as np

from streams.fhe.devices.words import Words, flat


class KernelSwitch:
    """The words of `re_randomisation.LimbSwitch`, `threads` threads to a call."""

    def __init__(self, rows: Words, threads: int = 1, path: str | None = None) -> None:
        """`rows`: (N, N + 1) of the pinned set, read-only; they are kept and not copied."""
        self._key = kernel.ReRandomisingKey.attach(flat(rows))
        self._threads = threads
        self._path = path

    def __call__(self, ciphertexts: Words) -> Words:
        """Ciphertexts (count, N + 1) to as many words."""
        switched = self._key.switch(flat(ciphertexts), self._threads, self._path)
        return np.frombuffer(switched, np.uint64).reshape(ciphertexts.shape)
