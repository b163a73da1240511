"""The keys of an activated set on GPUs, which have to show that they compute the bits of the CPU."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from streams.domain.errors import ConfigurationError
from streams.fhe.devices.cuda.device import CudaDevice
from streams.fhe.devices.cuda.fleet import Fleet
from streams.fhe.devices.cuda.keys import RotationKey, SwitchKey, packing_key, switch_key
from streams.fhe.devices.cuda.storage import CudaStorage
from streams.fhe.devices.lookup_table import test_polynomial
from streams.fhe.devices.port import Bootstraps, Device
from streams.fhe.devices.randomness import SeededSource
from streams.fhe.devices.seeded import seeded_ciphertexts
from streams.fhe.mapped_bytes import mapped_bytes
from streams.fhe.parameters import PINNED, Parameters
from streams.fhe.wave.key_files import WaveKeys, opened

KNOWN: Final = 5  # ciphertexts of the comparison: more than one block of threads, the last one not full


def opened_on_gpus(folder: Path, fleet: Fleet) -> WaveKeys:
    """Attach the files of `key_files.derived`; each GPU takes a key when it needs it first, and has a driver.

    Raises:
        KeyMaterialError: a file is missing or damaged.
        ConfigurationError: a GPU computes other bits than the CPU.
    """
    on_cpu = opened(folder)
    rotate, random, unpack = (
        RotationKey(mapped_bytes(folder / name)) for name in ("rotate", "random", "unpack")
    )
    switch = switch_key(mapped_bytes(folder / "switch"))
    pack = packing_key(mapped_bytes(folder / "pack"))
    device = compared(on_cpu.device, PINNED, fleet, switch, rotate, random)
    storage = CudaStorage(PINNED, fleet, pack, unpack)
    return replace(on_cpu, device=device, storage=storage, drivers=len(fleet.seats))


def compared(
    cpu: Device,
    parameters: Parameters,
    fleet: Fleet,
    switch: SwitchKey,
    rotate: RotationKey,
    random: RotationKey | None = None,
) -> CudaDevice:
    """The device on these GPUs, after each of them gave the CPU's answer; raises ConfigurationError."""
    known = known_batch(parameters)
    expected = cpu.bootstrap(known)
    for index, seat in enumerate(fleet.seats):
        found = CudaDevice(parameters, fleet.only(index), switch, rotate, random).bootstrap(known)
        if not all(map(np.array_equal, found, expected)):
            name = seat.gpu.properties.name
            raise ConfigurationError(f"GPU {index}, {name}, computes other bits than the CPU")
    return CudaDevice(parameters, fleet, switch, rotate, random)


def known_batch(parameters: Parameters) -> Bootstraps:
    """Look-ups of ciphertexts that nobody encrypted, several results of one rotation among them."""
    # The big key is long enough for any phase: seeded words stand for ciphertexts as well as encrypted ones.
    wide = replace(parameters, lwe_dimension=parameters.big_dimension)
    ciphertexts = seeded_ciphertexts(SeededSource(b"known answer"), wide, KNOWN)
    entries = np.array(
        [[2 * (table + value) % 32 for value in range(parameters.space)] for table in range(2)]
    )
    boxes = [(0, 5) if index % 2 else (0,) for index in range(KNOWN)]
    tables = [index % 2 for index in range(KNOWN)]
    return Bootstraps(ciphertexts, test_polynomial(parameters, entries), tables, boxes)
