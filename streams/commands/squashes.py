"""`bench squashes`: how many numbers a device squashes in a second, and if its bits are the CPU's."""

import dataclasses
import os
import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from streams.commands import output
from streams.commands.bootstraps import WrongBits
from streams.commands.devnet import JsonOption
from streams.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from streams.bench.random_keys import RandomKeys
    from streams.fhe.devices.port import Squashing

NUMBERS: Final = (1, 8, 64)  # of 16 ciphertexts each: one, a full batch of a GPU, eight
_LINE: Final = "{:>8} {:>10} {:>10} {:>12} {:>12} {:>16}"


def squashes(
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    gpu: Annotated[int | None, typer.Option(min=0, help="The only GPU; by default all take turns.")] = None,
    numbers: Annotated[list[int] | None, typer.Option(min=1, help="In one batch; repeatable.")] = None,
    threads: Annotated[int, typer.Option(min=0, help="Of the CPU; 0 = all cores.")] = 0,
    dimension: Annotated[int, typer.Option(min=0, hidden=True)] = 0,
    as_json: JsonOption = False,
) -> None:
    """Numbers of 64 bits squashed and packed per second, every word compared with the CPU's.

    Keys are random words; the one that packs is smaller than a real one. The exit code tells whether all
    words are equal.
    """
    from streams.bench.random_keys import RandomKeys
    from streams.fhe.devices.squash_speed import SEED, speeds
    from streams.fhe.parameters import PINNED

    keys = RandomKeys.made(SEED, dimension or PINNED.lwe_dimension)
    cpu = keys.squashing(threads or os.cpu_count() or 1)
    found = list(speeds(_device(device, keys, cpu, gpu), cpu, numbers or NUMBERS, time.perf_counter))
    if as_json:
        output.result([{**dataclasses.asdict(each), "per_second": each.per_second} for each in found])
    else:
        typer.echo(_LINE.format("numbers", "squash ms", "pack ms", "ms each", "numbers/s", "differing words"))
        for each in found:
            times = (1000 * each.squash_s, 1000 * each.pack_s, 1000 / each.per_second)
            cells = (*(f"{ms:.2f}" for ms in times), f"{each.per_second:.1f}", each.differing_words)
            typer.echo(_LINE.format(each.numbers, *cells))
    if any(each.differing_words for each in found):
        raise WrongBits


def _device(name: str, keys: "RandomKeys", cpu: "Squashing", gpu: int | None) -> "Squashing":
    if name == "cpu":
        return cpu
    if name != "cuda":
        raise ConfigurationError(f"cpu and cuda squash, {name} does not")
    from streams.fhe.devices.cuda import cupy_gpu

    return keys.squashing_on_gpus(cupy_gpu.fleet() if gpu is None else cupy_gpu.fleet().only(gpu))
