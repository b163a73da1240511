"""Engines side by side, in one run on one machine: from stored ciphertexts to stored ciphertexts.

The same components go to each engine as to a worker, which has as many in hand as its slots: `tfhe-rs`
stores every step's result as the protocol asks, `wave` what is wanted.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final, cast

from streams.bench.report import Figure, Report
from streams.devnet import client
from streams.domain.errors import ConfigurationError
from streams.domain.operations import BY_NAME, FheType, Result
from streams.domain.results import Ciphertext
from streams.domain.work import ComputeWork, Step
from streams.fhe import engines
from streams.fhe.component import component_outputs
from streams.fhe.keyset import EngineName, KeyFiles, KeyStore
from streams.fhe.known_answers import SEED
from streams.fhe.suite import ClearValue, ComputeSuite, Tally
from streams.fhe.wave.measure import AMOUNT, BALANCE, FITS, RECEIVER, WrongResult, handle, step
from streams.services.tfhe_worker import KIND
from streams.services.worker.service import slots_of
from streams.settings import EngineSettings

ENGINES: Final = ("tfhe-rs", "wave")
OPERATIONS: Final = ("Add", "Sub", "Ge", "Eq", "BitAnd", "Max", "IfThenElse")
WAVE_PER_TFHE_RS: Final = 10.0  # transfers
_MODULUS: Final = 1 << 64
_TENANT: Final = "bench"


@dataclass(frozen=True)
class Task:
    """A component with what must come out of it."""

    work: ComputeWork
    expected: dict[bytes, int]


@dataclass(frozen=True)
class Timing:
    """So many components, computed as a worker computes them."""

    count: int
    seconds: float
    processor_s: float  # of all threads; a busy neighbour disturbs it less

    @property
    def per_second(self) -> float:
        return self.count / self.seconds

    @property
    def busy_cores(self) -> float:
        """How many were at work, on average."""
        return self.processor_s / self.seconds

    @property
    def core_s(self) -> float:
        """Processor time of one."""
        return self.processor_s / self.count


def measure(names: Sequence[str], transfers: int, threads: int, operations: Sequence[str]) -> Report:
    """Transfers in the whitepaper's form (ge, add, select, sub, select), then operations, all on 64 bits.

    Args:
        names: of engines; the first one is what the others are compared with.
        transfers: at once.
        threads: of each engine.
        operations: by name; each is computed alone, then as often as the worker has slots.

    Raises:
        ConfigurationError: an engine or an operation that is not measured here.
        WrongResult: a result does not decrypt to what it should be.
    """
    unknown = [name for name in names if name not in ENGINES] or [
        name for name in operations if name not in OPERATIONS
    ]
    if unknown:
        known = f"engines are {', '.join(ENGINES)}; operations, {', '.join(OPERATIONS)}"
        raise ConfigurationError(f"{unknown[0]!r} is not measured here: {known}")
    bench = _Bench.prepared()
    figures, seen = list[Figure](), dict[str, Timing]()
    for name in names:
        suite = engines.open_compute(cast(EngineName, name), bench.files, threads)
        slots = slots_of(KIND, EngineSettings(name=cast(EngineName, name)), threads)
        for what, tasks in bench.tasks(transfers, operations, slots):
            before = suite.tally()
            timing = bench.run(suite, tasks, slots)
            figures += _figures(name, what, timing, seen.setdefault(what, timing))
            figures += _batches(f"{name}: {what}", suite.tally() - before, len(tasks))
    setting: dict[str, int | float | str] = {
        "transfers": transfers,
        "threads": threads,
        "engines": ", ".join(names),
    }
    return Report(bench="fhe", setting=setting, figures=tuple(figures))


def _figures(engine: str, what: str, timing: Timing, first: Timing) -> Iterator[Figure]:
    yield Figure(name=f"{engine}: {what}", value=round(timing.per_second, 3), unit="/s")
    yield Figure(name=f"{engine}: {what}", value=round(timing.core_s, 3), unit="core-seconds")
    yield Figure(name=f"{engine}: {what}", value=round(timing.busy_cores, 2), unit="busy cores")
    if timing is not first:
        aim = WAVE_PER_TFHE_RS if what == "transfers" else None
        ratio = timing.per_second / first.per_second
        yield Figure(name=f"{engine}: {what}, ratio", value=round(ratio, 2), unit="", at_least=aim)


def _batches(what: str, tally: Tally, count: int) -> Iterator[Figure]:
    # Every bootstrap: of look-ups, of decompression, and of what is made fresh before it is stored.
    if tally.places:
        yield Figure(name=what, value=round(tally.look_ups / count, 1), unit="bootstraps")
        yield Figure(name=what, value=round(tally.look_ups / tally.places, 3), unit="batch fill")


@dataclass(frozen=True)
class _Bench:
    files: KeyFiles
    samples: client.TfheSamples

    @classmethod
    def prepared(cls) -> "_Bench":
        """On the key set of the known answers, which this machine may have already."""
        generated = client.generate_seeded("tfhe-rs", SEED)
        files = KeyStore().derive(generated.keyset_digest)
        return cls(files, client.TfheSamples(generated.client_key.read_bytes(), files))

    def tasks(
        self, transfers: int, operations: Sequence[str], slots: int
    ) -> Iterator[tuple[str, list[Task]]]:
        yield "transfers", [self._transfer(index) for index in range(transfers)]
        for name in operations:
            yield f"{name}, alone", [self._operation(name, 0)]
            yield f"{name}, {slots} at once", [self._operation(name, index) for index in range(slots)]

    def run(self, suite: ComputeSuite, tasks: Sequence[Task], slots: int) -> Timing:
        """Compute all of them; raises WrongResult."""
        started, processor = time.perf_counter(), time.process_time()
        with ThreadPoolExecutor(slots) as threads:
            found = list(threads.map(partial(_computed, suite), tasks))
        timing = Timing(len(tasks), time.perf_counter() - started, time.process_time() - processor)
        for task, outputs in zip(tasks, found, strict=True):
            self._check(task, outputs)
        return timing

    def _check(self, task: Task, outputs: Sequence[Ciphertext]) -> None:
        numbers = {each.handle: self.samples.decrypt(each.ct64).value for each in outputs}
        if numbers != task.expected:
            raise WrongResult(f"{task.work.item} gave {numbers}, expected is {task.expected}")

    def _transfer(self, index: int) -> Task:
        balance, receiver, amount = 1_000 * index + 500, 77 * index, 900 + 150 * index
        fits = balance >= amount
        numbers = {BALANCE: balance, RECEIVER: receiver, AMOUNT: amount}
        expected = {
            NEW_RECEIVER: receiver + amount if fits else receiver,
            NEW_BALANCE: balance - amount if fits else balance,
        }
        return Task(self._work(f"transfer {index}", numbers, TRANSFER, tuple(expected)), expected)

    def _operation(self, name: str, index: int) -> Task:
        left, right = 0x0123_4567_89AB_CDEF + index, 0x0FED_CBA9_8765_4321 - index
        operation = BY_NAME[name]
        result = handle("result", FheType.BOOL if operation.result is Result.BOOL else FheType.UINT64)
        chosen = name == "IfThenElse"
        operands = (CONDITION, BALANCE, AMOUNT) if chosen else (BALANCE, AMOUNT)
        numbers = ({CONDITION: index % 2} if chosen else {}) | {BALANCE: left, AMOUNT: right}
        work = self._work(f"{name} {index}", numbers, (step(name, *operands, result=result),), (result,))
        return Task(work, {result: expected(name, index % 2, left, right)})

    def _work(
        self, item: str, numbers: dict[bytes, int], steps: tuple[Step, ...], outputs: tuple[bytes, ...]
    ) -> ComputeWork:
        inputs = tuple(
            Ciphertext(
                handle=handle,
                fhe_type=handle[30],
                ct64=self.samples.encrypt(ClearValue(handle[30], number)),
            )
            for handle, number in numbers.items()
        )
        return ComputeWork(
            item=item,
            tenant=_TENANT,
            attempt=1,
            timeout_s=0,
            key_id=b"",
            steps=steps,
            inputs=inputs,
            outputs=outputs,
        )


def expected(name: str, condition: int, left: int, right: int) -> int:
    """What an operation on clear numbers gives."""
    return {
        "Add": (left + right) % _MODULUS,
        "Sub": (left - right) % _MODULUS,
        "Ge": int(left >= right),
        "Eq": int(left == right),
        "BitAnd": left & right,
        "Max": max(left, right),
        "IfThenElse": left if condition else right,
    }[name]


def _computed(suite: ComputeSuite, task: Task) -> list[Ciphertext]:
    return list(component_outputs(suite, task.work))


CONDITION = handle("condition", FheType.BOOL)
MORE, LESS = handle("more"), handle("less")
NEW_RECEIVER, NEW_BALANCE = handle("new receiver"), handle("new balance")
TRANSFER: Final = (
    step("Ge", BALANCE, AMOUNT, result=FITS),
    step("Add", RECEIVER, AMOUNT, result=MORE),
    step("IfThenElse", FITS, MORE, RECEIVER, result=NEW_RECEIVER),
    step("Sub", BALANCE, AMOUNT, result=LESS),
    step("IfThenElse", FITS, LESS, BALANCE, result=NEW_BALANCE),
)
