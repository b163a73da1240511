"""The keys of an activated set on the chosen device; native code is imported only when it is asked for."""

from pathlib import Path
from typing import TYPE_CHECKING

from streams.domain.errors import ConfigurationError
from streams.fhe.device_choice import DEVICES, DeviceName

if TYPE_CHECKING:
    from streams.fhe.wave.key_files import WaveKeys


def known_device(name: str) -> DeviceName:
    """The device of that name; raises ConfigurationError where the engine does not run on it."""
    devices = DEVICES["wave"]
    for device in devices:
        if device == name:
            return device
    raise ConfigurationError(f"the engine wave runs on the devices {' and '.join(devices)}, not {name}")


def opened_on(device: DeviceName, folder: Path, threads: int = 1) -> "WaveKeys":
    """Attach the files of `key_files.derived`.

    Raises:
        KeyMaterialError: a file is missing or damaged.
        ConfigurationError: the device is not there, or computes other bits than the CPU.
    """
    from streams.fhe.wave.key_files import opened

    if device == "cpu":
        # As many calls at a time, each with a thread of its own: none waits for the slower half of another.
        return opened(folder, drivers=threads)
    from streams.fhe.devices.cuda.cupy_gpu import fleet
    from streams.fhe.wave.on_gpus import opened_on_gpus

    return opened_on_gpus(folder, fleet())
