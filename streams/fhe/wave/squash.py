"""The engine `wave` as an sns-worker opens it: stored ciphertexts to squashed ones."""

from collections.abc import Sequence
from typing import Protocol, Self

from streams.domain.operations import FheType
from streams.fhe.device_choice import DeviceName
from streams.fhe.devices.packing import Rounded
from streams.fhe.devices.port import Device
from streams.fhe.devices.words import Words
from streams.fhe.formats.ciphertext_list import read_number
from streams.fhe.formats.squashed import Squashed, write_bare, write_list
from streams.fhe.keyset import KeyFiles
from streams.fhe.radix.device_executor import DeviceExecutor
from streams.fhe.suite import Tally
from streams.fhe.wave import key_files, squash_files
from streams.fhe.wave.calibration import lookup_s
from streams.fhe.wave.squash_unit import SquashUnit


class Squashes(Protocol):
    """A device that squashes, or several that are watched."""

    @property
    def reading(self) -> tuple[int, int]:
        """Questions with known answers so far, and devices that were taken out of service."""
        ...

    def squashed(self, glwes: Sequence[Rounded], *, packed: bool) -> tuple[Words, ...]:
        """A stored number's packed ciphertexts (words, 2), or else its squashed ones (4097, 2)."""
        ...


class WaveSquash:
    """Squashes stored ciphertexts of one key set; the same bytes for the same ct64, on whatever device."""

    def __init__(self, cpu: Device, squashes: Squashes) -> None:
        """The speed of the machine is measured on `cpu`."""
        self._executor = DeviceExecutor(cpu)
        self._squashes = squashes

    @classmethod
    def open(cls, files: KeyFiles, threads: int = 1, device: DeviceName = "cpu") -> Self:
        """Attaches the keys, whose memory processes share; derives them where they are missing.

        Args:
            files: of the key set.
            threads: of a call on the processor.
            device: `cuda` squashes, and decompresses what is squashed, on GPUs; any other on the processor.

        Raises:
            KeyMissing: the activated key set does not lie beside the files.
            KeyMaterialError: it is not of the release and the parameters that can be read.
            ConfigurationError: the device is not there, or gives other words than the processor.
            DeviceExhausted: the keys do not fit on a GPU now.
        """
        keyset = files.folder.with_name("keyset")
        compute = key_files.derived(keyset)
        mapped = squash_files.mapped(squash_files.derived(keyset), compute)
        keys = key_files.opened(compute, threads)
        cpu = SquashUnit("cpu", keys.storage, squash_files.attached(mapped, threads))
        if device != "cuda":
            return cls(keys.device, cpu)
        from streams.fhe.devices.cuda.cupy_gpu import fleet
        from streams.fhe.wave.squash_on_gpus import opened_on_gpus

        return cls(keys.device, opened_on_gpus(cpu, compute, mapped, fleet()))

    def lookup_s(self) -> float:
        """Seconds of one look-up of the processor, the least of a few."""
        return lookup_s(self._executor)

    def tally(self) -> Tally:
        """What devices were asked, and how many of them lied."""
        questions, lost = self._squashes.reading
        return Tally(known_answers=questions, devices_lost=lost)

    def squash(self, ct64: bytes, fhe_type: int, *, compressed: bool = True) -> bytes:
        """The ct128 of a ct64, which is not re-randomised.

        Raises:
            OperationError: the ct64 does not decode or has another type.
            DeviceExhausted: a GPU has too little memory, or others hold it for long.
            DevicesLost: no device is left that answers rightly.
        """
        number = read_number(ct64)
        number.require(FheType(fhe_type))
        rows = self._squashes.squashed(number.glwes, packed=compressed)
        write = write_list if compressed else write_bare
        return write(Squashed(number.is_bool, number.blocks, rows))
