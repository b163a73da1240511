"""The engine `wave` as an sns-worker opens it: stored ciphertexts to squashed ones.

Numbers that are asked for beside each other are squashed together (`gathering`): a pass over the key, 1.6 GB,
serves as many ciphertexts as the kernels like at a time, and a number of 64 bits is 16 of them.
"""

from collections.abc import Sequence
from typing import Final, Protocol, Self

from streams.domain.operations import FheType
from streams.fhe.device_choice import DeviceName
from streams.fhe.devices.port import Device
from streams.fhe.devices.words import Words
from streams.fhe.formats.ciphertext_list import read_number
from streams.fhe.formats.squashed import Squashed, write_bare, write_list
from streams.fhe.keyset import KeyFiles
from streams.fhe.radix.device_executor import DeviceExecutor
from streams.fhe.suite import Tally
from streams.fhe.wave import key_files, squash_files
from streams.fhe.wave.calibration import lookup_s
from streams.fhe.wave.gathering import Gathering
from streams.fhe.wave.squash_unit import SquashUnit, Unsquashed

# Ciphertexts of a batch for each thread of the processor: the kernel's chunk (`squash/rotation.rs`). It has
# one batch at a time: on two cores, small numbers among large ones took a tenth more processor time in two
# batches side by side, and nearly a fourth more each by itself.
PER_THREAD: Final = 32
# Calls of each GPU: the question, the packing and Python's part of one are beside the kernels of the other.
_AT_ONCE: Final = 2


class Squashes(Protocol):
    """A device that squashes, or several that are watched."""

    @property
    def reading(self) -> tuple[int, int]:
        """Questions with known answers so far, and devices that were taken out of service."""
        ...

    def squashed(self, numbers: Sequence[Unsquashed]) -> list[tuple[Words, ...]]:
        """Of each number its packed ciphertexts (words, 2), or else its squashed ones (4097, 2)."""
        ...


class WaveSquash:
    """Squashes stored ciphertexts of one key set, for several threads at once.

    The bytes for a ct64 are the same on whatever device, and in whatever company.
    """

    def __init__(self, cpu: Device, squashes: Squashes, size_max: int = PER_THREAD, at_once: int = 1) -> None:
        """What squashes is not asked otherwise than in these batches.

        Args:
            cpu: on which the speed of the machine is measured.
            squashes: in batches.
            size_max: ciphertexts to squash of a batch of several numbers.
            at_once: batches that are away at a time.
        """
        self._executor = DeviceExecutor(cpu)
        self._squashes = squashes
        self._gathering = Gathering(squashes.squashed, size_max, at_once)

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
            return cls(keys.device, cpu, PER_THREAD * threads)
        from streams.fhe.devices.cuda.cupy_gpu import fleet
        from streams.fhe.devices.cuda.squashing import SQUASHED_MAX
        from streams.fhe.wave.squash_on_gpus import opened_on_gpus

        service = opened_on_gpus(cpu, compute, mapped, fleet())
        return cls(keys.device, service, SQUASHED_MAX, _AT_ONCE * service.units)

    def lookup_s(self) -> float:
        """Seconds of one look-up of the processor, the least of a few."""
        return lookup_s(self._executor)

    def tally(self) -> Tally:
        """What devices were asked, and how many of them lied."""
        questions, lost = self._squashes.reading
        return Tally(known_answers=questions, devices_lost=lost)

    def squash(self, ct64: bytes, fhe_type: int, *, compressed: bool = True) -> bytes:
        """The ct128 of a ct64, which is not re-randomised; waits for batches in front of it.

        Raises:
            OperationError: the ct64 does not decode or has another type.
            DeviceExhausted: a GPU has too little memory, or others hold it for long.
            DevicesLost: no device is left that answers rightly.
        """
        number = read_number(ct64)
        number.require(FheType(fhe_type))
        ciphertexts = -(-number.blocks // 2)  # two blocks in each
        rows = self._gathering.answer(Unsquashed(number.glwes, compressed), ciphertexts)
        write = write_list if compressed else write_bare
        return write(Squashed(number.is_bool, number.blocks, rows))
