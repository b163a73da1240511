"""`bench bootstraps`: what one device does in batches of several sizes, and if its bits are the CPU's."""

import dataclasses
import os
import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from streams.commands import output
from streams.commands.devnet import JsonOption
from streams.domain.errors import ConfigurationError, Fatal

if TYPE_CHECKING:
    from streams.fhe.devices.cpu import CpuDevice
    from streams.fhe.devices.port import Device
    from streams.fhe.devices.raw import RawKeys
    from streams.fhe.parameters import Parameters

# Of a GPU of 132 multiprocessors: a block of threads each, with one, two and three ciphertexts; three waves.
BATCHES: Final = (1, 132, 264, 396, 1188)
_LINE: Final = "{:>7} {:>10} {:>12} {:>12} {:>16}"


class WrongBits(Fatal):
    """The device computes other words than the CPU."""


def bootstraps(
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    gpu: Annotated[int | None, typer.Option(min=0, help="The only GPU; by default all take turns.")] = None,
    batch: Annotated[list[int] | None, typer.Option(min=1, help="Ciphertexts; repeatable.")] = None,
    threads: Annotated[int, typer.Option(min=0, help="Of the CPU; 0 = all cores.")] = 0,
    dimension: Annotated[int, typer.Option(min=0, hidden=True)] = 0,
    as_json: JsonOption = False,
) -> None:
    """Keyswitches and bootstraps per second over batch sizes, every word compared with the CPU's.

    Keys are random words. The exit code tells whether all words are equal.
    """
    from streams.fhe.devices.randomness import SeededSource
    from streams.fhe.devices.raw import raw_keys
    from streams.fhe.devices.speed import SEED, speeds

    keys = raw_keys(SeededSource(SEED), _parameters(dimension))
    cpu = _cpu(keys, threads or os.cpu_count() or 1)
    measured = _device(device, keys, cpu, gpu)
    found = list(speeds(measured, cpu, batch or BATCHES, time.perf_counter))
    if as_json:
        output.result([{**dataclasses.asdict(each), "per_second": each.per_second} for each in found])
    else:
        typer.echo(_LINE.format("batch", "ms", "ms each", "KS+PBS/s", "differing words"))
        for each in found:
            ms = 1000 * each.seconds
            cells = (f"{ms:.2f}", f"{ms / each.batch:.3f}", f"{each.per_second:.0f}", each.differing_words)
            typer.echo(_LINE.format(each.batch, *cells))
    if any(each.differing_words for each in found):
        raise WrongBits


def _parameters(dimension: int) -> "Parameters":
    from streams.fhe.parameters import PINNED

    return dataclasses.replace(PINNED, lwe_dimension=dimension or PINNED.lwe_dimension)


def _cpu(keys: "RawKeys", threads: int) -> "CpuDevice":
    import cipherstream_kernel as kernel

    from streams.fhe.devices.cpu import CpuDevice

    switch, rotate = kernel.KeyswitchKey.attach(keys.switch), kernel.BootstrapKey.attach(keys.rotate)
    return CpuDevice(keys.parameters, switch, rotate, threads)


def _device(name: str, keys: "RawKeys", cpu: "CpuDevice", gpu: int | None) -> "Device":
    from streams.fhe.device_choice import OWN_WORDS
    from streams.fhe.wave.on_device import known_device

    if known_device(name) in OWN_WORDS:
        raise ConfigurationError(f"words are compared here, and {name} has its own: use bench fhe")
    if name == "cpu":
        return cpu
    from streams.fhe.devices.cuda import cupy_gpu
    from streams.fhe.devices.cuda.device import CudaDevice
    from streams.fhe.devices.cuda.keys import RotationKey, switch_key

    fleet = cupy_gpu.fleet() if gpu is None else cupy_gpu.fleet().only(gpu)
    return CudaDevice(keys.parameters, fleet, switch_key(keys.switch), RotationKey(keys.rotate))
