"""Engines side by side, in one run on one machine: from stored ciphertexts to stored ciphertexts.

The same components go to each engine as to a worker, which has as many in hand as its slots. `tfhe-rs`
stores the result of every step, as the protocol asks, and in a second round only what is wanted, as `wave`
does. Every result is decrypted and compared after the clock has stopped.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from streams.bench import whole_cost
from streams.bench.components import CRATE, OPERATIONS, OURS, Components, Task
from streams.bench.report import Figure, Report
from streams.bench.timing import Timing, timed
from streams.domain.errors import ConfigurationError
from streams.domain.results import Ciphertext
from streams.fhe import engines
from streams.fhe.component import component_outputs
from streams.fhe.keyset import EngineName
from streams.fhe.suite import ComputeSuite, Tally
from streams.services.tfhe_worker import KIND
from streams.services.worker.service import slots_of
from streams.settings import EngineSettings

ENGINES: Final[Mapping[str, EngineName]] = {CRATE: CRATE, OURS: OURS}
UNCOMPRESSED: Final = "tfhe-rs uncompressed"  # nothing is stored between the steps of a component
TRANSFERS: Final = "transfers"
DEAR_MS: Final = 10_000  # on one core with `tfhe-rs`
AIMS: Final = {CRATE: 10.0, UNCOMPRESSED: 5.0}  # of our transfers, by whose they are divided by


def measure(
    names: Sequence[str], transfers: int, threads: int, operations: Sequence[str], *, is_whole: bool = False
) -> Report:
    """Transfers in the whitepaper's form (ge, add, select, sub, select), then operations, all on 64 bits.

    Args:
        names: of engines; each is compared with those before it.
        transfers: at once.
        threads: of each engine.
        operations: by name; each is computed alone, then as often as the worker has slots (dear ones twice).
        is_whole: squashing and memory too.

    Raises:
        ConfigurationError: an engine or an operation that is not measured here.
        WrongResult: a result does not decrypt to what it should be.
    """
    chosen = _known(names, operations)
    components = Components.prepared()
    timings, figures = Timings(), list[Figure]()
    for name in chosen:
        figures += _measured(name, components, timings, transfers, threads, operations)
    if is_whole:
        costs: dict[EngineName, float] = {name: timings.of(name, TRANSFERS).core_s for name in chosen}
        figures += whole_cost.figures(components, costs, threads)
    setting: dict[str, int | float | str] = {
        "transfers": transfers,
        "threads": threads,
        "engines": ", ".join(chosen),
    }
    return Report(bench="fhe", setting=setting, figures=tuple(figures))


@dataclass(frozen=True)
class Timings:
    """Of what was computed, by whom: in the order in which it was."""

    _found: dict[str, dict[str, Timing]] = field(default_factory=dict[str, dict[str, Timing]])

    def add(self, engine: str, what: str, timing: Timing) -> Iterator[Figure]:
        """How much faster than each engine before."""
        before = self._found.setdefault(what, {})
        for other, its in before.items():
            is_aimed_at = engine == OURS and what == TRANSFERS
            yield Figure(
                name=f"{engine}: {what}, times {other}",
                value=round(timing.per_second / its.per_second, 2),
                unit="",
                at_least=AIMS.get(other) if is_aimed_at else None,
            )
        before[engine] = timing

    def of(self, engine: str, what: str) -> Timing:
        """What was added."""
        return self._found[what][engine]


def _known(names: Sequence[str], operations: Sequence[str]) -> list[EngineName]:
    unknown = [name for name in names if name not in ENGINES] or [
        name for name in operations if name not in OPERATIONS
    ]
    if unknown:
        known = f"engines are {', '.join(ENGINES)}; operations, {', '.join(OPERATIONS)}"
        raise ConfigurationError(f"{unknown[0]!r} is not measured here: {known}")
    return [ENGINES[name] for name in names]


def _measured(
    name: EngineName,
    components: Components,
    timings: Timings,
    transfers: int,
    threads: int,
    operations: Sequence[str],
) -> Iterator[Figure]:
    """Figures of one engine, whose keys are let go afterwards."""
    suite = engines.open_compute(name, components.files, threads)
    bench = _Bench(components, timings, slots_of(KIND, EngineSettings(name=name), threads))
    yield from bench.figures(name, suite, TRANSFERS, components.transfers(transfers))
    if name == CRATE:
        # Encrypted anew: what was decompressed lately is kept by its bytes.
        tasks = components.transfers(transfers)
        yield from bench.figures(UNCOMPRESSED, _uncompressed(suite), TRANSFERS, tasks)
    for operation in operations:
        yield from bench.latency(name, suite, f"{operation}, alone", components.operations(operation, 1))
        at_once = components.operations(operation, bench.at_once(operation))
        yield from bench.figures(name, suite, f"{operation}, at once", at_once)


def _uncompressed(suite: ComputeSuite) -> ComputeSuite:
    from streams.fhe.tfhe_rs import TfheCompute

    assert isinstance(suite, TfheCompute)
    return suite.uncompressed()


@dataclass(frozen=True)
class _Bench:
    components: Components
    timings: Timings
    slots: int

    def at_once(self, operation: str) -> int:
        """As many as the worker has slots, or two of what takes more than ten seconds."""
        is_dear = OPERATIONS[operation].operation.tfhe_ms > DEAR_MS
        return min(self.slots, 2) if is_dear else self.slots

    def figures(self, engine: str, suite: ComputeSuite, what: str, tasks: Sequence[Task]) -> Iterator[Figure]:
        """Throughput."""
        before = suite.tally()
        timing = self._run(suite, tasks)
        name = f"{engine}: {what}"
        yield Figure(name=name, value=round(timing.per_second, 3), unit="/s")
        yield Figure(name=name, value=round(timing.core_s, 3), unit="core-seconds")
        yield Figure(name=name, value=round(timing.busy_cores, 2), unit="busy cores")
        yield from self.timings.add(engine, what, timing)
        yield from _batches(name, suite.tally() - before, len(tasks))

    def latency(self, engine: str, suite: ComputeSuite, what: str, tasks: Sequence[Task]) -> Iterator[Figure]:
        """Of one task."""
        timing = self._run(suite, tasks)
        yield Figure(name=f"{engine}: {what}", value=round(timing.seconds, 3), unit="s")
        yield from self.timings.add(engine, what, timing)

    def _run(self, suite: ComputeSuite, tasks: Sequence[Task]) -> Timing:
        timing, found = timed(partial(_computed, suite), tasks, self.slots)
        for task, outputs in zip(tasks, found, strict=True):
            self.components.check(task, outputs)
        return timing


def _computed(suite: ComputeSuite, task: Task) -> list[Ciphertext]:
    return list(component_outputs(suite, task.work))


def _batches(what: str, tally: Tally, count: int) -> Iterator[Figure]:
    # Every bootstrap: of look-ups, of decompression, and of what is made fresh before it is stored.
    if tally.places:
        yield Figure(name=what, value=round(tally.look_ups / count, 1), unit="bootstraps")
        yield Figure(name=what, value=round(tally.look_ups / tally.places, 3), unit="batch fill")
