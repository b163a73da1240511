"""On which device an engine computes, by its settings: what is not there is refused before any key is opened.

Operations, and squashing where it is a GPU; proofs are always computed by the processor.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from streams.domain.errors import ConfigurationError, DeviceMissing
from streams.fhe.keyset import EngineName

DeviceName: TypeAlias = Literal["cpu", "cuda", "concrete"]

# The first of an engine is what `auto` means on a machine without anything faster.
DEVICES: Final[Mapping[EngineName, tuple[DeviceName, ...]]] = {
    "tfhe-rs": ("cpu",),
    "wave": ("cpu", "cuda", "concrete"),
    "clear": ("cpu",),
}
GPU: Final = "cuda"
# Devices that compute other words than `cpu`, of the same values, and others again in the next process.
OWN_WORDS: Final = frozenset({"concrete"})


def device_of(engine: EngineName, wanted: str, *, gpu_enabled: bool = False) -> str:
    """The device that the settings mean.

    Args:
        wanted: `auto` or the name of a device.
        gpu_enabled: `auto` means a GPU.

    Raises:
        DeviceMissing: this engine does not compute on it.
        ConfigurationError: the two settings contradict each other.
    """
    if gpu_enabled and wanted not in ("auto", GPU):
        raise ConfigurationError(f"engine.gpu_enabled asks for {GPU}, engine.device for {wanted}")
    devices = DEVICES[engine]
    device = GPU if gpu_enabled else wanted
    if device == "auto":
        return devices[0]
    if device not in devices:
        setting = "engine.gpu_enabled" if gpu_enabled else "engine.device"
        raise DeviceMissing(
            f"{setting}: the engine {engine} does not compute on {device}, only on {', '.join(devices)}"
        )
    return device
