"""The keys of an activated set on GPUs, which have to show that they compute the bits of the CPU."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import structlog

from streams.domain.errors import CipherstreamError, ConfigurationError
from streams.fhe.devices.cuda.device import CudaDevice
from streams.fhe.devices.cuda.fleet import Fleet
from streams.fhe.devices.cuda.keys import RotationKey, SwitchKey, packing_key, switch_key
from streams.fhe.devices.cuda.storage import CudaStorage
from streams.fhe.devices.lookup_table import test_polynomial
from streams.fhe.devices.port import Bootstraps, Device
from streams.fhe.devices.randomness import SeededSource
from streams.fhe.mapped_bytes import mapped_bytes
from streams.fhe.parameters import PINNED, Parameters
from streams.fhe.wave.exam import Unit, any_ciphertexts, repeated
from streams.fhe.wave.key_files import opened
from streams.fhe.wave.keys import WaveKeys

_log = structlog.get_logger(__name__)

# Of a GPU: one waits for its look-ups, one loads or stores, one makes the next batch ready.
DRIVERS: Final = 3
KNOWN: Final = 5  # ciphertexts of the comparison; larger batches repeat them
_OTHER_BITS: Final = ", computes other bits than the CPU"

T = TypeVar("T")


def opened_on_gpus(folder: Path, fleet: Fleet) -> WaveKeys:
    """Attach the files of `key_files.derived`; each GPU takes a key when it needs it first.

    Raises:
        KeyMaterialError: a file is missing or damaged.
        ConfigurationError: every GPU computes other bits than the CPU; where only some do, they are left out.
        DeviceExhausted: the keys do not fit on a GPU now.
    """
    on_cpu = opened(folder)
    rotate, random, unpack = (
        RotationKey(mapped_bytes(folder / name)) for name in ("rotate", "random", "unpack")
    )
    switch = switch_key(mapped_bytes(folder / "switch"))
    pack = packing_key(mapped_bytes(folder / "pack"))
    devices = compared(on_cpu.device, PINNED, fleet, switch, rotate, random)
    # A unit for each GPU, so that it is known whose answer was wrong.
    units = tuple(
        Unit(
            name_of(fleet, index),
            device,
            CudaStorage(PINNED, fleet.only(index), pack, unpack),
            spare=1,
            least_batches=device.least_batches,
        )
        for index, device in devices.items()
    )
    return replace(on_cpu, units=units, drivers=DRIVERS * len(units), batches=len(units))


def compared(
    cpu: Device,
    parameters: Parameters,
    fleet: Fleet,
    switch: SwitchKey,
    rotate: RotationKey,
    random: RotationKey | None = None,
) -> dict[int, CudaDevice]:
    """A device on each of these GPUs that gives the CPU's answer, by its place; raises as `trusted`."""
    known = known_batch(parameters)
    expected = cpu.bootstrap(known)

    def device(index: int) -> CudaDevice:
        return CudaDevice(parameters, fleet.only(index), switch, rotate, random)

    def is_right(device: CudaDevice) -> bool:
        # Each kernel that turns, or one that only large batches take would be asked by users first.
        return all(
            np.array_equal(rows, expected[index % KNOWN])
            for count in (*device.least_batches, KNOWN)
            for index, rows in enumerate(device.bootstrap(repeated(known, count)))
        )

    return trusted(fleet, device, is_right)


def trusted(fleet: Fleet, make: Callable[[int], T], is_right: Callable[[T], bool]) -> dict[int, T]:
    """What is made of each GPU by its place, where it is right; the log warns of the others.

    A GPU that fails is left out like one that answers wrongly. Where none is left, what one of them raised is
    raised again: it may pass.

    Raises:
        ConfigurationError: every GPU computes other bits than the CPU.
        DeviceExhausted, MemoryError: memory is short now, on a GPU or here.
    """
    right, failures = dict[int, T](), list[Exception]()
    for index in range(len(fleet.seats)):
        try:
            made = make(index)
            if is_right(made):
                right[index] = made
            else:
                _warn(f"{name_of(fleet, index)}{_OTHER_BITS}")
        except (CipherstreamError, MemoryError):
            raise  # says nothing about a GPU
        except Exception as error:
            failures.append(error)
            _warn(f"{name_of(fleet, index)}: {type(error).__name__}: {error}")
    if right:
        return right
    if failures:
        raise failures[-1]
    raise ConfigurationError(
        f"{', '.join(name_of(fleet, index) for index in range(len(fleet.seats)))}{_OTHER_BITS}"
    )


def _warn(reason: str) -> None:
    _log.warning("begins without a device", action="device_refused", reason=reason)


def name_of(fleet: Fleet, index: int) -> str:
    """A GPU's name for people."""
    return f"GPU {index}, {fleet.seats[index].gpu.properties.name}"


def known_batch(parameters: Parameters) -> Bootstraps:
    """Look-ups of ciphertexts that nobody encrypted, several results of one rotation among them."""
    ciphertexts = any_ciphertexts(SeededSource(b"known answer"), parameters, KNOWN)
    entries = np.array(
        [[2 * (table + value) % 32 for value in range(parameters.space)] for table in range(2)]
    )
    boxes = [(0, 5) if index % 2 else (0,) for index in range(KNOWN)]
    tables = [index % 2 for index in range(KNOWN)]
    return Bootstraps(ciphertexts, test_polynomial(parameters, entries), tables, boxes)
