"""The keys of an activated set on the chosen device; native code is imported only when it is asked for."""

from pathlib import Path
from typing import TYPE_CHECKING

from streams.domain.errors import ConfigurationError
from streams.fhe.device_choice import DEVICES, DeviceName

if TYPE_CHECKING:
    from streams.fhe.wave.keys import WaveKeys


def known_device(name: str) -> DeviceName:
    """The device of that name; raises ConfigurationError where the engine does not run on it."""
    devices = DEVICES["wave"]
    for device in devices:
        if device == name:
            return device
    raise ConfigurationError(f"the engine wave runs on the devices {', '.join(devices)}, not {name}")


def derived_for(device: DeviceName, keyset: Path) -> Path:
    """The folder beside a key set with the files that `opened_on` takes, made now where it is missing.

    Raises:
        KeyMissing: the key set is not on this machine.
        KeyPartMissing: it lacks what computing takes, as a `CompressedServerKey` may.
        KeyMaterialError: it is not of the release and the parameters that can be read.
    """
    if device == "concrete":
        from streams.fhe.wave import word_files

        return word_files.derived(keyset)
    from streams.fhe.wave import key_files

    return key_files.derived(keyset)


def opened_on(device: DeviceName, folder: Path, threads: int = 1) -> "WaveKeys":
    """Attach the files of `derived_for`.

    Raises:
        KeyMaterialError: a file is missing or damaged.
        ConfigurationError: the device is not there, or computes something else than it should.
    """
    # As many calls at a time, each with a thread of its own: none waits for the slower half of another.
    match device:
        case "cpu":
            from streams.fhe.wave.key_files import opened

            return opened(folder, drivers=threads)
        case "concrete":
            from streams.fhe.wave.on_concrete import opened_on_concrete

            return opened_on_concrete(folder, threads)
        case "cuda":
            from streams.fhe.devices.cuda.cupy_gpu import fleet
            from streams.fhe.wave.on_gpus import opened_on_gpus

            return opened_on_gpus(folder, fleet())
