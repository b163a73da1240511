"""Squashing on GPUs, which have to show that they give the words of the CPU."""

from pathlib import Path

from streams.fhe.devices.cuda.fleet import Fleet, Seat
from streams.fhe.devices.cuda.keys import RotationKey, SquashKey, WideKey, packing_key, switch_key
from streams.fhe.devices.cuda.program import variants
from streams.fhe.devices.cuda.squashing import CudaSquashing
from streams.fhe.devices.cuda.storage import CudaStorage
from streams.fhe.mapped_bytes import mapped_bytes
from streams.fhe.parameters import PINNED
from streams.fhe.wave.on_gpus import name_of, trusted
from streams.fhe.wave.squash_files import Mapped
from streams.fhe.wave.squash_service import SquashService
from streams.fhe.wave.squash_unit import SquashExam, SquashUnit


def opened_on_gpus(cpu: SquashUnit, compute: Path, files: Mapped, fleet: Fleet) -> SquashService:
    """Every GPU that gives the CPU's words, from decompression to packing; each takes a key once.

    Args:
        cpu: with the same keys.
        compute: folder of `key_files.derived`.
        files: of `squash_files`.
        fleet: which of them are right is found out here.

    Raises:
        KeyMaterialError: a file is missing or damaged.
        ConfigurationError: every GPU gives other words; where only some do, they are left out.
        DeviceExhausted: the keys do not fit on a GPU now.
    """
    exam = SquashExam.set_by(cpu)
    pack, unpack = packing_key(mapped_bytes(compute / "pack")), RotationKey(mapped_bytes(compute / "unpack"))
    keys = switch_key(files.switch), SquashKey(files.squash), WideKey(files.pack)

    # A unit for each GPU, so that it is known whose answer was wrong.
    def unit(index: int) -> SquashUnit:
        seat = fleet.only(index)
        storage = CudaStorage(PINNED, seat, pack, unpack, _wave(fleet.seats[index]))
        return SquashUnit(name_of(fleet, index), storage, CudaSquashing(seat, *keys))

    return SquashService(tuple(trusted(fleet, unit, exam.is_passed).values()), exam)


def _wave(seat: Seat) -> int:
    """Ciphertexts that the kernel for the smallest batches decompresses at a time."""
    # Larger batches would take another kernel, which the question, with its few blocks, does not go through.
    properties = seat.gpu.properties
    return variants(properties.architecture)[0].ciphertexts * properties.multiprocessors
