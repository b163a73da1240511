"""The wave executor: the look-ups of all ready operations of all components, merged into batches.

Components of one key set enter a window at any time. `take` cuts a batch out of everything that waits, `run`
computes it, `give` hands the answers to their operations and starts what has become ready. There is no
barrier: a batch runs with what there is; an operation goes on as soon as its own look-ups are answered,
however far its neighbours are; a result comes out with the batch that completed it. Several batches may be
away at a time: `run` touches nothing of the window, everything else is for one thread at a time.

Same bits whatever else is in the window. A look-up's results are a function of its ciphertext, its table and
the keys: devices compute each ciphertext of a batch by itself, in a fixed order of operations, and promise
that size and order of the batch do not show (`devices/port`). Its ciphertext is an integer combination,
modulo 2^64, of results that its own operation has asked for, or another one of its component that asked
alike. Which look-ups an operation asks for follows from its operands' ranges and noise, its form and its
place in its component; the executor decides only when they run, and whether equal ones run once. The form is
that of the window from its beginning on: nothing of what is inside has a part in it.

A failing operation is taken out of its batch, and the others run as if it had not been there. What fails in a
component is told when nothing of it runs any more, in the order of its steps: which errors are told, and in
which words, does not depend on who was quicker.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from streams.domain.errors import Irrecoverable, KeyMissing, OperationError
from streams.domain.operations import BY_CODE, FheType
from streams.domain.work import Step
from streams.fhe.devices.port import Device
from streams.fhe.radix.block import Block
from streams.fhe.radix.device_executor import DeviceExecutor
from streams.fhe.radix.forms import Form
from streams.fhe.radix.steps import Executor, Outputs
from streams.fhe.wave.admission import check
from streams.fhe.wave.component import Component, Result, Value
from streams.fhe.wave.fairness import Fairness
from streams.fhe.wave.independence import planned
from streams.fhe.wave.line import Line, Ready
from streams.fhe.wave.progress import Progress
from streams.fhe.wave.requests import Seeds, request_of
from streams.fhe.wave.reserve import Reserve
from streams.fhe.wave.running import Running, Share
from streams.fhe.wave.turns import Flow
from streams.fhe.wave.utilisation import Tally, Utilisation

# What a defect of an algorithm or of its operands looks like: it costs its own operation, not the window.
DEFECTS: Final = (Irrecoverable, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


# A device's executor in a worker; counting and clear executors in tests, which run the same window.
class Runner(Executor, Seeds, Protocol):
    """Runs batches of look-ups and makes seeded blocks."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of shares that ran in one batch."""

    shares: Sequence[Share]
    outputs: Sequence[Outputs]  # in the order of the shares; none if it was refused
    refused: OperationError | None = None  # of one share alone


class WaveExecutor:
    """The window of one key set. Not for several threads at once, but for `run`."""

    def __init__(
        self,
        key_id: bytes,
        runner: Runner,
        batch_size: int,
        form: Form = Form.THROUGHPUT,
        reserve: Reserve | None = None,
    ) -> None:
        """Empty.

        Args:
            form: that of all operations: two windows of one network must have the same one.
            reserve: memory for the values of what is in flight; without it there is no bound.
        """
        self._key_id = key_id
        self._runner = runner
        self._batch_size = batch_size
        self._form = form
        self._fairness = Fairness()
        self._tally = Tally(batch_size)
        # numbers components by arrival: the older one goes first
        self._submitted = 0
        # Operations whose operands are there but which have not begun.
        self._line = Line(reserve or Reserve())
        # In the order in which they began, each with its place in line, to which memory is promised.
        self._running: dict[Running, Ready] = {}
        self._away = 0  # look-ups that were taken and have not come back
        # Operations of a component that are ready or running, and those that failed.
        self._live: Counter[Progress] = Counter()
        self._lost: defaultdict[Progress, list[tuple[Step, OperationError]]] = defaultdict(list)
        # Collected here and not returned by each step: a component of known values is settled with no batch
        # at all.
        self._results: list[Result] = []

    @classmethod
    def on(
        cls, key_id: bytes, device: Device, form: Form = Form.THROUGHPUT, reserve: Reserve | None = None
    ) -> "WaveExecutor":
        """A window on a device that has the key set's keys."""
        return cls(key_id, DeviceExecutor(device), device.batch_size, form, reserve)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to do or to hand out."""
        return not (self._line or self._running or self._results)

    @property
    def lacks_room(self) -> bool:
        """Whether operations that could begin wait for memory."""
        return bool(self._line)

    @property
    def flows(self) -> Collection[Flow]:
        """Tenants' lanes of which an operation could begin, or is in flight."""
        return self._line.flows

    @property
    def utilisation(self) -> Utilisation:
        """Batch fill and counts."""
        return self._tally.reading(len(self._running), self.waiting)

    @property
    def batch_size(self) -> int:
        """Look-ups of a batch, at most."""
        return self._batch_size

    @property
    def waiting(self) -> int:
        """Look-ups that may run now."""
        return sum(each.waiting for each in self._running)

    def submit(self, component: Component) -> None:
        """Puts a component into the window.

        Raises:
            KeyMissing: it is of another key set.
            OperationError: it can never be computed; nothing of it runs.
        """
        if component.key_id != self._key_id:
            raise KeyMissing(f"this window is of key {self._key_id.hex()}, not {component.key_id.hex()}")
        # Before anything enters: a component that can never be computed takes no place and spoils no batch.
        check(component)
        progress = Progress(component, self._submitted)
        self._submitted += 1
        # Steps on inputs alone; the others follow as their operands are computed.
        self._enlist(progress, progress.ready)

    def withdraw(self, name: str) -> None:
        """Takes a component out: nobody wants its results any more, nor what is away for it."""
        self._line.withdraw(name)
        for each in [each for each in self._running if each.progress.name == name]:
            self._let_go(each)
        self._results = [each for each in self._results if each.component != name]
        for progress in [each for each in self._live if each.name == name]:
            del self._live[progress]
            self._lost.pop(progress, None)

    def close(self) -> None:
        """Nothing goes on here any more."""
        self._line.close()

    def start(self) -> None:
        """Begins the operations that are ready, as far as memory goes; those on known values end at once."""
        # These may make others ready, and make room for them.
        while admitted := self._line.admitted(is_alone=not self._running):
            for each in admitted:
                self._begin(each)

    def take(self, parts: int = 1) -> list[Share]:
        """The look-ups of the next batch, which are away from now on; nothing where nothing waits.

        Args:
            parts: batches that may be away at a time; what there is to do is divided among them.
        """
        # What is away counts: it comes back with as much to do, and batches of unequal size would stay so.
        room = min(self._batch_size, -(-(self.waiting + self._away) // parts))
        shares = self._fairness.shares(self._running, room)
        self._away += _count(shares)
        return shares

    def run(self, shares: Sequence[Share]) -> list[Outcome]:
        """Computes a batch, from any thread; what a device raises but an OperationError comes through."""
        try:
            outputs = self._runner.run([each for share in shares for each in share.look_ups])
        except OperationError as error:
            if len(shares) == 1:
                return [Outcome(shares, (), error)]
            # A refused batch has not been computed: halves of it are tried until the guilty one is alone.
            # An operation needs the answers of its whole share: refused alone, it fails.
            half = len(shares) // 2
            return [*self.run(shares[:half]), *self.run(shares[half:])]
        return [Outcome(shares, outputs)]

    def give(self, outcomes: Sequence[Outcome]) -> None:
        """Takes the answers of a batch, and goes on as far as they reach."""
        # All answers are handed out before any operation goes on: one that fails then cannot cost the
        # others theirs.
        for outcome in outcomes:
            self._hand_out(outcome)
        self._go_on()
        self.start()

    def put_back(self, shares: Sequence[Share]) -> None:
        """A batch was not computed, by no fault of its operations: its look-ups wait again."""
        self._away -= _count(shares)
        for share in shares:
            share.running.put_back(share)
        self._go_on()

    def results(self) -> list[Result]:
        """The wanted handles that were settled since the last call."""
        results, self._results = self._results, []
        return results

    def advance(self) -> list[Result]:
        """Runs one batch, if anything waits; gives the wanted handles that were settled since the last call.

        What a device raises, but for an OperationError, comes through: it is no operation's failure. The
        look-ups of that batch go on waiting, so that a later call takes them again.
        """
        self.start()
        # Nothing waits once all operations have ended: then only results are handed out.
        shares = self.take()
        if shares:
            try:
                outcomes = self.run(shares)
            except BaseException:
                self.put_back(shares)
                raise
            self.give(outcomes)
        return self.results()

    def drain(self) -> Iterator[Result]:
        """Results, each as soon as it is there, until the window is empty."""
        while not self.is_idle:
            yield from self.advance()

    def _enlist(self, progress: Progress, steps: Sequence[Step]) -> None:
        self._live[progress] += len(steps)
        self._line.enter(progress, steps)

    def _begin(self, ready: Ready) -> None:
        try:
            algorithm = planned(request_of(ready.progress, ready.step, self._form, self._runner))
        except DEFECTS as error:
            self._line.ended(ready)
            self._fail(ready.progress, ready.step, error)
            return
        running = Running(ready.progress, ready.step, algorithm)
        # Entered before it runs: an algorithm on known values may end, or fail, in its first step.
        self._running[running] = ready
        self._resume(running)

    def _resume(self, running: Running) -> None:
        try:
            blocks = running.resume()
        except DEFECTS as error:
            self._drop(running, error)
            return
        if blocks is not None:
            self._let_go(running)
            self._finish(running.progress, running.step, blocks)

    def _hand_out(self, outcome: Outcome) -> None:
        self._away -= _count(outcome.shares)
        if outcome.refused is not None:
            (share,) = outcome.shares
            share.running.refuse(share, outcome.refused)
            return
        self._tally.batch(_count(outcome.shares))
        outputs = iter(outcome.outputs)
        for share in outcome.shares:
            share.running.answer(share, [next(outputs) for _ in share.look_ups])

    def _go_on(self) -> None:
        # Not only those that had a share in the batch: others have heard what came of it.
        for running in [each for each in self._running if each.is_due]:
            if running.error is not None:
                self._drop(running, running.error)
            else:
                self._resume(running)

    def _finish(self, progress: Progress, step: Step, blocks: Sequence[Block]) -> None:
        self._tally.computed += 1
        # What has become ready starts with the next round: a long chain of free operations must not grow
        # the stack.
        ready, wanted = progress.computed(step, Value(FheType(step.fhe_type), tuple(blocks)))
        self._enlist(progress, ready)
        self._results += wanted
        self._ended(progress)

    def _drop(self, running: Running, error: Exception) -> None:
        self._let_go(running)
        self._fail(running.progress, running.step, error)

    def _let_go(self, running: Running) -> None:
        self._line.ended(self._running.pop(running))

    def _fail(self, progress: Progress, step: Step, error: Exception) -> None:
        # Only the operation that failed is counted: those that depend on it would show one defect as many.
        self._tally.failed += 1
        self._lost[progress].append((step, _typed(step, error)))
        self._ended(progress)

    def _ended(self, progress: Progress) -> None:
        """An operation of the component ended; with the last one, what failed is told."""
        self._live[progress] -= 1
        if self._live[progress]:
            return
        del self._live[progress]
        lost = self._lost.pop(progress, [])
        for step, error in sorted(lost, key=lambda each: progress.place(each[0])):
            self._results += progress.failed(step, error)


def _count(shares: Sequence[Share]) -> int:
    return sum(len(share.look_ups) for share in shares)


def _typed(step: Step, error: Exception) -> OperationError:
    if isinstance(error, OperationError):
        return error
    # The defect's own type in the text: of a failed operation, only the text leaves the worker's child.
    typed = OperationError(f"{BY_CODE[step.operation].name}: {type(error).__name__}: {error}")
    typed.__cause__ = error
    return typed
