"""`bench squashes`: speed by numbers in a batch, and the exit code when a device computes other bits."""

import json

import pytest
from typer.testing import CliRunner

from streams.cli import app
from streams.commands.bootstraps import WrongBits
from streams.domain.errors import ConfigurationError
from streams.fhe.devices.cuda import cupy_gpu
from streams.fhe.devices.cuda.fleet import Fleet
from streams.fhe.devices.cuda.program import SQUASHING_PROGRAM
from tests.unit.fhe.cuda.emulated import EmulatedGpu, Fault

COMMAND = ["bench", "squashes", "--dimension", "2", "--numbers", "1"]
WRONG = Fault(SQUASHING_PROGRAM, " - (column & 1)", "")


def test_the_cpu_is_measured_against_itself() -> None:
    result = CliRunner().invoke(app, [*COMMAND, "--numbers", "3", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [(each["numbers"], each["differing_words"]) for each in found] == [(1, 0), (3, 0)]
    seconds = [each["squash_s"] + each["pack_s"] for each in found]
    assert [each["per_second"] * s for each, s in zip(found, seconds, strict=True)] == pytest.approx([1, 3])


def test_gpus_are_measured_and_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = [EmulatedGpu(), EmulatedGpu((8, 0))]
    monkeypatch.setattr(cupy_gpu, "fleet", lambda: Fleet.of(gpus))
    result = CliRunner().invoke(app, [*COMMAND, "--device", "cuda"])
    assert result.exit_code == 0, result.output
    heads, line = result.stdout.splitlines()
    assert heads.endswith("differing words")
    assert (line.split()[0], line.split()[-1]) == ("1", "0")
    assert all(gpu.launches for gpu in gpus)


def test_one_gpu_may_be_named_and_other_bits_end_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = [EmulatedGpu(), EmulatedGpu(fault=WRONG)]
    monkeypatch.setattr(cupy_gpu, "fleet", lambda: Fleet.of(gpus))
    with pytest.raises(WrongBits):
        CliRunner().invoke(app, [*COMMAND, "--device", "cuda", "--gpu", "1"], catch_exceptions=False)
    assert gpus[0].launches == []


def test_a_device_that_does_not_squash_is_named() -> None:
    with pytest.raises(ConfigurationError, match="cpu and cuda squash, concrete does not"):
        CliRunner().invoke(app, [*COMMAND, "--device", "concrete"], catch_exceptions=False)
