"""An operation in flight: its algorithm and those of its look-ups that have no answer yet."""

from collections.abc import Sequence
from dataclasses import dataclass

from streams.domain.work import Step
from streams.fhe.radix.block import Block
from streams.fhe.radix.steps import LookUp, Outputs, Steps
from streams.fhe.wave.progress import Progress


class Running:
    """One step of one component. Its look-ups may be answered over several batches, in order."""

    def __init__(self, progress: Progress, step: Step, algorithm: Steps[list[Block]]) -> None:
        self.progress = progress
        self.step = step
        # priority, age of the component, place in it: a total order, so that batches are cut the same way
        # each time
        self.rank = (*progress.rank, progress.place(step))
        self._algorithm = algorithm
        self._look_ups: Sequence[LookUp] = ()
        self._answers = list[Outputs]()
        self._has_begun = False

    @property
    def waiting(self) -> int:
        """Look-ups that may run now."""
        return len(self._look_ups) - len(self._answers)

    def share(self, count: int) -> "Share":
        """The first of the waiting look-ups, for a batch."""
        # answers come in order, so the first look-up without one is here
        start = len(self._answers)
        return Share(self, self._look_ups[start : start + count])

    def answer(self, outputs: Sequence[Outputs]) -> None:
        """Results of the first of the waiting look-ups."""
        self._answers += outputs

    def resume(self) -> list[Block] | None:
        """Goes on as far as the answers reach: the result, or none while look-ups wait.

        Raises:
            Exception: whatever the algorithm raises.
        """
        # A batch of known values asks for nothing: the algorithm goes on at once.
        while not self.waiting:
            try:
                self._look_ups = self._next()
            except StopIteration as stop:
                return stop.value
            # A new list: the algorithm may go on reading the one that it was sent.
            self._answers = []
        return None

    def _next(self) -> Sequence[LookUp]:
        # A generator that has not begun takes no value.
        if self._has_begun:
            return self._algorithm.send(self._answers)
        self._has_begun = True
        return next(self._algorithm)


@dataclass(frozen=True, slots=True)
class Share:
    """What an operation has in one batch."""

    running: Running
    look_ups: Sequence[LookUp]
