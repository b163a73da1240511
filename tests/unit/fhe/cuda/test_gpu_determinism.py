"""The determinism report on GPUs: what they compute is what the CPU computes, to the byte."""

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from streams.bench import determinism
from streams.bench.determinism import Comparison, Engine, Order, Way
from streams.bench.determinism_sample import Sample
from streams.bench.random_keys import RandomKeys
from streams.cli import app
from streams.domain.errors import ConfigurationError
from streams.domain.operations import FheType
from streams.fhe.devices.cuda import cupy_gpu
from streams.fhe.devices.cuda.fleet import Fleet
from tests.unit.fhe.cuda.emulated import EmulatedGpu

STEPS = 2
CPU = Way("cpu", "", 1, 64, Order.ALONE)
GPU = replace(CPU, device="cuda")


def test_a_gpu_gives_the_digests_of_the_cpu() -> None:
    """Of the smallest numbers: the emulation leaves no step of a decompression out. It has one thread."""
    keys, sample = RandomKeys.made(b"keys", STEPS), Sample.made(b"numbers", STEPS, FheType.UINT4)
    fleet = Fleet.of([EmulatedGpu(order="shuffled")])
    on_gpus = Engine(keys.on_gpus(fleet), keys.squashing_on_gpus(fleet))
    found = [
        determinism.digests(CPU, Engine(keys.on_cpu(1), keys.squashing(1)), sample),
        determinism.digests(replace(GPU, order=Order.BESIDE), on_gpus, sample),
    ]
    comparison = Comparison(found)
    assert (comparison.equal, comparison.total) == (12, 12)


def test_the_command_asks_for_the_gpus_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Fleet:
        raise ConfigurationError("no GPU here")

    monkeypatch.setattr(cupy_gpu, "fleet", none)
    with pytest.raises(ConfigurationError, match="no GPU here"):
        CliRunner().invoke(app, ["bench", "determinism", "--device", "cuda"], catch_exceptions=False)
