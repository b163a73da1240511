"""The same bytes in every way; and a way that gives others is named."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cipherstream_kernel as kernel
import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from streams.bench import determinism
from streams.bench.determinism import (
    OPERATIONS,
    Comparison,
    Engine,
    Found,
    Order,
    Process,
    Way,
    engine_of,
)
from streams.bench.determinism_sample import Sample
from streams.bench.random_keys import RandomKeys
from streams.bench.report import Run
from streams.cli import app
from streams.commands.determinism import OtherBytes
from streams.domain.errors import ConfigurationError
from streams.domain.results import Ciphertext
from streams.domain.work import ComputeWork
from streams.fhe.devices.packing import Rounded
from streams.fhe.devices.port import Bootstraps, Device
from streams.fhe.devices.words import Words
from streams.fhe.parameters import Parameters
from streams.fhe.wave.suite import WaveCompute

PATHS = kernel.instruction_sets()
COMMAND = ["bench", "determinism", "--steps", "8"]
WAY = Way("cpu", PATHS[0], 2, 5, Order.BESIDE)


class Flipping:
    """A device with a wrong bit in the first result of batches with more than one ciphertext."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self.parameters: Parameters = device.parameters
        self.batch_size = device.batch_size

    def bootstrap(self, batch: Bootstraps) -> list[Words]:
        results = [rows.copy() for rows in self._device.bootstrap(batch)]
        results[0][0, 0] ^= np.uint64((len(results) > 1) << 62)
        return results

    def rotate(self, batch: Bootstraps) -> list[Words]:
        return self._device.rotate(batch)


def here(call: Callable[[Way], Found], given: Iterable[Way]) -> list[Found]:
    """In place of another process, which would not see what is planted here."""
    return list(map(call, given))


@pytest.fixture(scope="module")
def keys() -> RandomKeys:
    return RandomKeys.made(b"keys", 2)


@pytest.fixture(scope="module")
def sample() -> Sample:
    return Sample.made(b"keys", 2)


def rows_of(*options: str) -> list[list[str]]:
    """Lines of the command without the heads and the sum, which must say that all is equal."""
    result = CliRunner().invoke(app, [*COMMAND, *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    heads, *lines, last = result.stdout.splitlines()
    assert heads.split() == ["device", "path", "threads", "batch", "order", "process", *OPERATIONS]
    assert last == f"equal: {len(lines) * len(OPERATIONS)}/{len(lines) * len(OPERATIONS)}"
    return [line.split() for line in lines]


def test_every_way_on_this_machine_gives_the_same_bytes(tmp_path: Path) -> None:
    """Every instruction set, also in another process; and all that can differ on one of them."""
    output = tmp_path / "report.json"
    rows = rows_of("--threads", "3", "--batch", "5", "--output", str(output))
    assert {row[1] for row in rows} == set(PATHS)
    assert [row[5] for row in rows].count("other") == len(PATHS)
    (report,) = msgspec.json.decode(output.read_bytes(), type=Run).reports
    assert [str(report.setting[each])[:12] for each in OPERATIONS] == rows[0][6:]
    assert all(figure.is_met for figure in report.figures)
    assert len(report.figures) == len(rows) + 1
    rows += rows_of("--path", PATHS[0], "--threads", "1", "--threads", "2", "--batch", "1", "--batch", "64")
    assert len({tuple(row[:6]) for row in rows}) == len(rows) == 3 * len(PATHS) + 9
    assert {tuple(row[6:]) for row in rows} == {tuple(rows[0][6:])}
    assert len(set(rows[0][6:])) == len(OPERATIONS)


def test_a_way_with_other_bytes_is_named_and_ends_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    honest, output = determinism.engine_of, tmp_path / "report.json"

    def planted(keys: RandomKeys, way: Way) -> Engine:
        engine = honest(keys, way)
        # believed: one that is asked known answers by another one would be out of service
        unit = replace(engine.keys.oracle, device=Flipping(engine.keys.device))
        flipping = replace(engine.keys, units=(unit,), oracle=unit)
        return replace(engine, keys=flipping) if way.batch == 5 else engine

    monkeypatch.setattr(determinism, "engine_of", planted)
    monkeypatch.setattr(determinism, "in_another_process", here)
    command = [*COMMAND, "--path", PATHS[0], "--threads", "1", "--batch", "64", "--batch", "5"]
    result = CliRunner().invoke(app, [*command, "--output", str(output)])
    assert isinstance(result.exception, OtherBytes)
    assert "digests differ" in str(result.exception)
    wrong = [line.split() for line in result.stdout.splitlines() if "!" in line]
    assert wrong
    assert {row[3] for row in wrong} == {"5"}
    assert {place for row in wrong for place, cell in enumerate(row) if cell.endswith("!")} == {8}
    (report,) = msgspec.json.decode(output.read_bytes(), type=Run).reports
    assert not all(figure.is_met for figure in report.figures)


def test_numbers_come_to_the_device_in_parts_and_in_the_order_of_the_way(
    keys: RandomKeys, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, seen = engine_of(keys, WAY), list[int]()
    decompress = engine.keys.storage.decompress

    def told(glwes: Sequence[Rounded]) -> list[Words]:
        seen.extend(int(glwe[0]) for glwe in glwes)
        return decompress(glwes)

    monkeypatch.setattr(engine.keys.storage, "decompress", told)
    first = determinism.digests(replace(WAY, order=Order.ALONE, batch=1), engine, sample)
    given = [int(packed[0]) for packed in sample.packed]
    assert seen[: len(given)] == given
    seen.clear()
    assert determinism.digests(replace(WAY, batch=3), engine, sample).digests == first.digests
    assert seen[: len(given)] == given[::-1]


def test_components_meet_in_the_window_only_where_the_way_says_so(
    keys: RandomKeys, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, meeting, seen = WaveCompute.outputs, threading.Barrier(3), list[str]()

    def met(suite: WaveCompute, work: ComputeWork) -> Iterator[Ciphertext]:
        meeting.wait(60)
        return noted(suite, work)

    def noted(suite: WaveCompute, work: ComputeWork) -> Iterator[Ciphertext]:
        seen.append(work.item)
        return honest(suite, work)

    monkeypatch.setattr(WaveCompute, "outputs", met)
    determinism.digests(WAY, engine_of(keys, WAY), sample)
    assert sorted(seen) == ["random", "stranger", "transfer"]
    seen.clear()
    monkeypatch.setattr(WaveCompute, "outputs", noted)
    determinism.digests(replace(WAY, order=Order.ALONE), engine_of(keys, WAY), sample)
    assert seen == ["transfer", "random"]


def test_a_device_that_does_not_squash_is_compared_by_the_rest(keys: RandomKeys, sample: Sample) -> None:
    whole = determinism.digests(WAY, engine_of(keys, WAY), sample)
    found = determinism.digests(WAY, Engine(engine_of(keys, WAY).keys), sample)
    assert list(found.digests) == list(OPERATIONS[:-1])
    comparison = Comparison([whole, found])
    assert comparison.equal == comparison.total == 2 * len(OPERATIONS) - 1


def test_other_keys_give_other_digests_for_every_operation(sample: Sample, keys: RandomKeys) -> None:
    first, other = (
        determinism.digests(WAY, engine_of(each, WAY), sample)
        for each in (keys, RandomKeys.made(b"others", 2))
    )
    assert Comparison([first, other]).equal_of(other) == 0


def test_a_digest_counts_as_equal_if_it_is_the_first_one_s() -> None:
    first, second = Found(WAY, {"random": "a", "squash": "b"}), Found(WAY, {"random": "a", "squash": "c"})
    comparison = Comparison([first, second])
    assert (comparison.equal, comparison.total) == (3, 4)
    assert [comparison.equal_of(each) for each in comparison.found] == [2, 1]


def test_ways_are_all_combinations_and_say_what_they_are() -> None:
    found = determinism.ways([("cpu", "avx2"), ("cuda", "")], [1, 3], [4], Process.OTHER)
    assert len(set(found)) == len(found) == 2 * 2 * 1 * 2
    assert str(found[0]) == "cpu avx2, 1 threads, batches of 4, alone, another process"
    assert str(replace(found[-1], process=Process.OWN)) == "cuda, 3 threads, batches of 4, beside"


def test_an_instruction_set_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no instruction set neon, only"):
        CliRunner().invoke(app, [*COMMAND, "--path", "neon"], catch_exceptions=False)


def test_a_device_that_the_engine_does_not_have_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="not abacus"):
        CliRunner().invoke(app, [*COMMAND, "--device", "abacus"], catch_exceptions=False)
