"""GPUs that kernels are tested on."""

import pytest

from streams.fhe.device_choice import DeviceName
from streams.fhe.devices.cuda import cupy_gpu
from streams.fhe.devices.cuda.gpu import Gpu
from tests.unit.fhe.cuda.emulated import EmulatedGpu


@pytest.fixture
def gpus(wave_device: DeviceName) -> list[Gpu]:
    """One that is emulated, or with `--wave-device cuda` those of this machine."""
    if wave_device == "cuda":
        return [seat.gpu for seat in cupy_gpu.fleet().seats]
    return [EmulatedGpu()]
