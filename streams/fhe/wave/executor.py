"""The wave executor: the look-ups of all ready operations of all components, merged into batches.

Components of one key set enter a window at any time. Each call of `advance` starts what has become ready,
takes one batch out of everything that waits, runs it, and hands the answers to their operations. There is no
barrier: a batch runs with what there is; an operation goes on as soon as its own look-ups are answered,
however far its neighbours are; a result comes out with the batch that completed it.

Same bits whatever else is in the window. A look-up's results are a function of its ciphertext, its table and
the keys: devices compute each ciphertext of a batch by itself, in a fixed order of operations, and promise
that size and order of the batch do not show (`devices/port`). Its ciphertext is an integer combination,
modulo 2^64, of results that its own operation has asked for. Which look-ups an operation asks for follows
from its operands' ranges and noise, its form and its place in its component; the executor decides only when
they run. The form is fixed by default: `by_load` gives this up.

A failing operation is taken out of its batch, and the others run as if it had not been there.
"""

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from streams.domain.errors import Irrecoverable, KeyMissing, OperationError
from streams.domain.operations import BY_CODE, FheType
from streams.domain.work import Step
from streams.fhe.devices.port import Device
from streams.fhe.radix.block import Block
from streams.fhe.radix.device_executor import DeviceExecutor
from streams.fhe.radix.forms import Form
from streams.fhe.radix.steps import Executor
from streams.fhe.wave.admission import check
from streams.fhe.wave.component import Component, Result, Value
from streams.fhe.wave.fairness import Fairness
from streams.fhe.wave.forms import FEWEST_LOOK_UPS, FormChoice, Shape
from streams.fhe.wave.independence import planned
from streams.fhe.wave.progress import Progress
from streams.fhe.wave.requests import Seeds, request_of
from streams.fhe.wave.running import Running, Share
from streams.fhe.wave.utilisation import Tally, Utilisation

# What a defect of an algorithm or of its operands looks like: it costs its own operation, not the window.
DEFECTS: Final = (Irrecoverable, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


# A device's executor in a worker; counting and clear executors in tests, which run the same window.
class Runner(Executor, Seeds, Protocol):
    """Runs batches of look-ups and makes seeded blocks."""


class WaveExecutor:
    """The window of one key set. Not for several threads at once: the worker's loop drives it."""

    def __init__(
        self,
        key_id: bytes,
        runner: Runner,
        batch_size: int,
        forms: FormChoice = FEWEST_LOOK_UPS,
    ) -> None:
        self._key_id = key_id
        self._runner = runner
        self._batch_size = batch_size
        self._forms = forms
        self._fairness = Fairness()
        self._tally = Tally(batch_size)
        # numbers components by arrival: the older one goes first
        self._submitted = 0
        # Operations whose operands are there but which have not begun: their form is chosen together, by
        # how many they are.
        self._ready: list[tuple[Progress, Step]] = []
        # A dictionary for its order and for removal in constant time; values say nothing.
        self._running: dict[Running, None] = {}  # in the order in which they began
        # Collected here and not returned by each step: a component of known values is settled with no batch
        # at all.
        self._results: list[Result] = []

    @classmethod
    def on(cls, key_id: bytes, device: Device, forms: FormChoice = FEWEST_LOOK_UPS) -> "WaveExecutor":
        """A window on a device that has the key set's keys."""
        return cls(key_id, DeviceExecutor(device), device.batch_size, forms)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to do or to hand out."""
        return not (self._ready or self._running or self._results)

    @property
    def utilisation(self) -> Utilisation:
        """Batch fill and counts."""
        return self._tally.reading(len(self._running), self._waiting())

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
        self._ready += [(progress, step) for step in progress.ready]

    def withdraw(self, name: str) -> None:
        """Takes a component out: nobody wants its results any more."""
        self._ready = [each for each in self._ready if each[0].name != name]
        self._running = {each: None for each in self._running if each.progress.name != name}
        self._results = [each for each in self._results if each.component != name]

    def advance(self) -> list[Result]:
        """Runs one batch, if anything waits; gives the wanted handles that were settled since the last call.

        What a device raises, but for an OperationError, comes through: it is no operation's failure. The
        look-ups of that batch go on waiting, so that a later call takes them again.
        """
        self._start_ready()
        # Nothing waits once all operations have ended: then only results are handed out.
        shares = self._fairness.shares(self._running, self._batch_size)
        if shares:
            self._run(shares)
            self._start_ready()
        # Started once more before the reading: operations on known values that this batch made ready are
        # settled with this call, not with the next one.
        results, self._results = self._results, []
        return results

    def drain(self) -> Iterator[Result]:
        """Results, each as soon as it is there, until the window is empty."""
        while not self.is_idle:
            yield from self.advance()

    def _waiting(self) -> int:
        return sum(each.waiting for each in self._running)

    def _start_ready(self) -> None:
        # Operations on known values finish at once and may make others ready.
        while self._ready:
            ready, self._ready = self._ready, []
            shapes = [Shape.of(step) for _, step in ready]
            # By shape: equal operations that start together take the same form.
            forms = self._forms(shapes, self._waiting(), self._batch_size)
            for (progress, step), shape in zip(ready, shapes, strict=True):
                self._begin(progress, step, forms[shape])

    def _begin(self, progress: Progress, step: Step, form: Form) -> None:
        self._tally.begun(form)
        try:
            algorithm = planned(request_of(progress, step, form, self._runner))
        except DEFECTS as error:
            self._fail(progress, step, error)
            return
        running = Running(progress, step, algorithm)
        # Entered before it runs: an algorithm on known values may end, or fail, in its first step.
        self._running[running] = None
        self._resume(running)

    def _resume(self, running: Running) -> None:
        try:
            blocks = running.resume()
        except DEFECTS as error:
            self._drop(running, error)
            return
        if blocks is not None:
            del self._running[running]
            self._finish(running.progress, running.step, blocks)

    def _finish(self, progress: Progress, step: Step, blocks: Sequence[Block]) -> None:
        self._tally.computed += 1
        # What has become ready starts with the next round: a long chain of free operations must not grow
        # the stack.
        ready, wanted = progress.computed(step, Value(FheType(step.fhe_type), tuple(blocks)))
        self._ready += [(progress, each) for each in ready]
        self._results += wanted

    def _drop(self, running: Running, error: Exception) -> None:
        del self._running[running]
        self._fail(running.progress, running.step, error)

    def _fail(self, progress: Progress, step: Step, error: Exception) -> None:
        # Only the operation that failed is counted: those that depend on it would show one defect as many.
        self._tally.failed += 1
        self._results += progress.failed(step, _typed(step, error))

    def _run(self, shares: Sequence[Share]) -> None:
        try:
            outputs = iter(self._runner.run([each for share in shares for each in share.look_ups]))
        except OperationError as error:
            self._isolate(shares, error)
            return
        self._tally.batch(sum(len(share.look_ups) for share in shares))
        # All answers are handed out before any operation goes on: one that fails then cannot cost the
        # others theirs.
        for share in shares:
            share.running.answer([next(outputs) for _ in share.look_ups])
        for share in shares:
            self._resume(share.running)

    def _isolate(self, shares: Sequence[Share], error: OperationError) -> None:
        # A refused batch has not been computed: halves of it are tried until the guilty one is alone.
        # An operation needs the answers of its whole share: refused alone, it fails.
        if len(shares) == 1:
            self._drop(shares[0].running, error)
            return
        half = len(shares) // 2
        self._run(shares[:half])
        self._run(shares[half:])


def _typed(step: Step, error: Exception) -> OperationError:
    if isinstance(error, OperationError):
        return error
    # The defect's own type in the text: of a failed operation, only the text leaves the worker's child.
    typed = OperationError(f"{BY_CODE[step.operation].name}: {type(error).__name__}: {error}")
    typed.__cause__ = error
    return typed
