"""A key set of random words for the whole engine: nothing decrypts, but the bits are as good as real ones.

Only the small key may be shorter than that of the pinned set: a rotation then takes fewer steps of the same
kind, so that the portable instruction path takes milliseconds too. All polynomials are those of the set, but
for the packing of squashed blocks, whose key would be half a gigabyte.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

import cipherstream_kernel as kernel
import numpy as np

from streams.fhe.devices.cpu import CpuDevice
from streams.fhe.devices.cpu_re_randomisation import KernelSwitch
from streams.fhe.devices.cpu_squashing import CpuSquashing
from streams.fhe.devices.cpu_storage import CpuStorage
from streams.fhe.devices.port import Squashing
from streams.fhe.devices.randomness import SeededSource, Source
from streams.fhe.devices.re_randomisation import PublicKey, ReRandomiser
from streams.fhe.devices.words import Words, flat
from streams.fhe.parameters import COMPRESSION, PINNED, SQUASHING, Parameters
from streams.fhe.wave.exam import Unit
from streams.fhe.wave.keys import WaveKeys

if TYPE_CHECKING:
    from streams.fhe.devices.cuda.fleet import Fleet

_HALVES: Final = 2  # u64 of a word of 128 bits
_SQUASHING_ROWS: Final = SQUASHING.pbs.level * (SQUASHING.glwe_dimension + 1) ** 2  # polynomials of a step
_PACKED: Final = (1, 64)  # mask polynomials and their coefficients, where squashed blocks are packed
_PACKED_CHUNK: Final = 1024  # inputs that are brought into order together (`wave/squash_files`)


@dataclass(frozen=True, eq=False)
class RandomKeys:
    """Prepared keys, which any number of devices may share."""

    parameters: Parameters
    switch: kernel.KeyswitchKey
    rotate: kernel.BootstrapKey
    random: kernel.BootstrapKey
    unpack: kernel.BootstrapKey
    pack: kernel.PackingKey
    squash: memoryview  # the prepared bytes of a `SquashingKey`
    pack_squashed: memoryview  # of a `WidePackingKey`
    public: PublicKey
    switch_public: Words  # rows from the public key's secret to the big key, read-only

    @classmethod
    def made(cls, seed: bytes, steps: int) -> Self:
        """The same keys for the same seed.

        Args:
            seed: it protects nothing.
            steps: of a look-up's rotation: bits of the small key.
        """
        source, size = SeededSource(seed), PINNED.big_dimension
        switching = source.uniform((size * PINNED.ks.level * (steps + 1),))
        rows, packed = size * COMPRESSION.packing.level, COMPRESSION.dimension + COMPRESSION.polynomial_size
        packing = source.uniform((rows * packed,))
        mask, body, zeros = (source.uniform((each, size)) for each in (1, 1, size))
        switch_public = np.concatenate([zeros, source.uniform((size, 1))], axis=-1)
        switch_public.flags.writeable = False
        return cls(
            parameters=replace(PINNED, lwe_dimension=steps),
            switch=kernel.KeyswitchKey.prepare(flat(switching), steps, PINNED.ks.level),
            rotate=_rotation(source, steps),
            random=_rotation(source, steps),
            unpack=_rotation(source, COMPRESSION.dimension),
            pack=kernel.PackingKey.prepare(
                flat(packing),
                COMPRESSION.glwe_dimension,
                COMPRESSION.polynomial_size,
                COMPRESSION.packing.level,
            ),
            squash=_squashing(source, steps),
            pack_squashed=_wide_packing(source),
            public=PublicKey(mask[0], body[0]),
            switch_public=switch_public,
        )

    def on_cpu(self, threads: int, path: str | None = None) -> WaveKeys:
        """The device `cpu` with that many threads to a call, on an instruction path."""
        device = CpuDevice(self.parameters, self.switch, self.rotate, threads, path, random=self.random)
        unit = Unit("cpu", device, CpuStorage(PINNED, self.pack, self.unpack, threads, path))
        return WaveKeys((unit,), unit, self._re_randomiser(threads, path))

    def _re_randomiser(self, threads: int = 1, path: str | None = None) -> ReRandomiser:
        return ReRandomiser(self.public, KernelSwitch(self.switch_public, threads, path))

    def squashing(self, threads: int, path: str | None = None) -> CpuSquashing:
        """Squashing on the device `cpu`, likewise."""
        squash = kernel.SquashingKey.attach(self.squash)
        pack = kernel.WidePackingKey.attach(self.pack_squashed)
        return CpuSquashing(self.switch, squash, pack, threads, path)

    def on_gpus(self, fleet: "Fleet") -> WaveKeys:
        """The device `cuda`."""
        from streams.fhe.devices.cuda.device import CudaDevice
        from streams.fhe.devices.cuda.keys import RotationKey, packing_key, switch_key
        from streams.fhe.devices.cuda.storage import CudaStorage

        switch, pack = (memoryview(each.to_bytes()) for each in (self.switch, self.pack))
        rotate, random, unpack = (
            RotationKey(memoryview(each.to_bytes())) for each in (self.rotate, self.random, self.unpack)
        )
        device = CudaDevice(self.parameters, fleet, switch_key(switch), rotate, random)
        unit = Unit("cuda", device, CudaStorage(PINNED, fleet, packing_key(pack), unpack))
        return WaveKeys((unit,), unit, self._re_randomiser())

    def squashing_on_gpus(self, fleet: "Fleet") -> Squashing:
        """Squashing on the device `cuda`."""
        from streams.fhe.devices.cuda.keys import SquashKey, WideKey, switch_key
        from streams.fhe.devices.cuda.squashing import CudaSquashing

        switch = switch_key(memoryview(self.switch.to_bytes()))
        return CudaSquashing(fleet, switch, SquashKey(self.squash), WideKey(self.pack_squashed))


def _rotation(source: Source, steps: int) -> kernel.BootstrapKey:
    # per step a GGSW ciphertext: two rows of two polynomials
    words = source.uniform((steps * 4 * PINNED.polynomial_size,))
    return kernel.BootstrapKey.prepare(flat(words), steps)


def _squashing(source: Source, steps: int) -> memoryview:
    words = source.uniform((steps * _SQUASHING_ROWS * SQUASHING.polynomial_size, _HALVES))
    header = kernel.SquashingKey.header(steps)
    return memoryview(header + kernel.SquashingKey.transform(flat(words)))


def _wide_packing(source: Source) -> memoryview:
    dimension, size = _PACKED
    chunks = SQUASHING.dimension // _PACKED_CHUNK
    words = source.uniform((chunks, _PACKED_CHUNK * (dimension + 1) * size, _HALVES))
    ordered = (kernel.WidePackingKey.transform(flat(chunk), dimension, size) for chunk in words)
    return memoryview(kernel.WidePackingKey.header(dimension, size) + b"".join(ordered))
