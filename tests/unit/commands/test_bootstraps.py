"""`bench bootstraps`: speed by batch size, and the exit code when a device computes other bits."""

import json

import pytest
from typer.testing import CliRunner

from streams.cli import app
from streams.commands.bootstraps import WrongBits
from streams.domain.errors import ConfigurationError
from streams.fhe.devices.cuda import cupy_gpu
from streams.fhe.devices.cuda.fleet import Fleet
from tests.unit.fhe.cuda.emulated import BROKEN, EmulatedGpu

COMMAND = ["bench", "bootstraps", "--dimension", "5", "--batch", "1", "--batch", "4"]


def test_the_cpu_is_measured_against_itself() -> None:
    result = CliRunner().invoke(app, [*COMMAND, "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [(each["batch"], each["differing_words"]) for each in found] == [(1, 0), (4, 0)]
    assert all(each["per_second"] == pytest.approx(each["batch"] / each["seconds"]) for each in found)


def test_gpus_are_measured_and_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = [EmulatedGpu(), EmulatedGpu((8, 0))]
    monkeypatch.setattr(cupy_gpu, "fleet", lambda: Fleet.of(gpus))
    result = CliRunner().invoke(app, [*COMMAND, "--device", "cuda"])
    assert result.exit_code == 0, result.output
    heads, *lines = result.stdout.splitlines()
    assert heads.split() == ["batch", "ms", "ms", "each", "KS+PBS/s", "differing", "words"]
    assert [(line.split()[0], line.split()[-1]) for line in lines] == [("1", "0"), ("4", "0")]
    assert all(gpu.launches for gpu in gpus)


def test_one_gpu_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = [EmulatedGpu(fault=BROKEN), EmulatedGpu()]
    monkeypatch.setattr(cupy_gpu, "fleet", lambda: Fleet.of(gpus))
    assert CliRunner().invoke(app, [*COMMAND, "--device", "cuda", "--gpu", "1"]).exit_code == 0
    assert gpus[0].launches == []


def test_other_bits_end_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cupy_gpu, "fleet", lambda: Fleet.of([EmulatedGpu(fault=BROKEN)]))
    with pytest.raises(WrongBits):
        CliRunner().invoke(app, [*COMMAND, "--device", "cuda"], catch_exceptions=False)


def test_a_device_with_words_of_its_own_is_measured_elsewhere() -> None:
    with pytest.raises(ConfigurationError, match="concrete has its own: use bench fhe"):
        CliRunner().invoke(app, [*COMMAND, "--device", "concrete"], catch_exceptions=False)
