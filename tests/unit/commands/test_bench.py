"""`bench fhe` as an operator runs it."""

import json

import pytest
from typer.testing import CliRunner

from streams.cli import app
from streams.domain.errors import DeviceMissing
from streams.fhe.devices import keys
from streams.fhe.devices.concrete import ConcreteDevice
from streams.fhe.wave.measure import Bench, Measurement


def test_fhe_measures_transfers() -> None:
    command = ["bench", "fhe", "--transfers", "1", "--threads", "2", "--json"]
    report = json.loads(CliRunner().invoke(app, command).stdout)
    (found,) = report["windows"]
    assert report["sum_s"] > 0
    assert found["per_second"] == pytest.approx(1 / found["seconds"])
    assert (found["transfers"], found["look_ups"], found["batches"], found["batch_size"]) == (1, 112, 49, 64)


def test_fhe_measures_the_device_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise DeviceMissing("no runtime")

    def nothing(*_: object) -> None:
        """Makes no keys, which would take seconds."""

    monkeypatch.setattr(keys, "generate_server", nothing)
    monkeypatch.setattr(ConcreteDevice, "prepare", missing)
    with pytest.raises(DeviceMissing, match="no runtime"):
        CliRunner().invoke(app, ["bench", "fhe", "--device", "concrete"], catch_exceptions=False)


def test_fhe_prints_a_line_per_window(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(bench: Bench, transfers: int, clock: object, forms: object) -> Measurement:
        return Measurement(transfers, 2.0, 0.56 * transfers, 112 * transfers, 49, 32, 0.5)

    monkeypatch.setattr(Bench, "measure", measured)
    monkeypatch.setattr(Bench, "sum_s", lambda *_: 0.0771)
    result = CliRunner().invoke(app, ["bench", "fhe"])
    assert result.exit_code == 0, result.output
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["transfers", "seconds", "transfers/s", "ratio", "look-ups", "batches", "fill", "CPU", "ms/look-up"],
        ["1", "2.00", "0.50", "1.00", "112", "49", "50%", "5.00"],
        ["8", "2.00", "4.00", "8.00", "896", "49", "50%", "5.00"],
        ["32", "2.00", "16.00", "32.00", "3584", "49", "50%", "5.00"],
        ["one", "sum", "of", "64", "bits", "alone:", "77.1", "ms"],
    ]
