"""An operation in flight: its algorithm and those of its look-ups that have no answer yet.

What another operation of its component has under way it does not ask itself (`asked`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from streams.domain.errors import OperationError
from streams.domain.work import Step
from streams.fhe.radix.block import Block
from streams.fhe.radix.steps import LookUp, Outputs, Steps
from streams.fhe.wave.progress import Progress


class Running:
    """One step of one component. Its look-ups may be answered over several batches, side by side too."""

    def __init__(self, progress: Progress, step: Step, algorithm: Steps[list[Block]]) -> None:
        self.progress = progress
        self.step = step
        # age of the component, place in it: a total order, so that batches are cut the same way each time
        self.rank = (progress.order, progress.place(step))
        self._algorithm = algorithm
        self._look_ups: Sequence[LookUp] = ()
        self._open: Sequence[int] = ()  # places of the look-ups that nobody has taken, ascending
        self._beside = set[int]()  # places of those that another operation asks for
        self._answers = dict[int, Outputs]()
        self._errors = dict[int, OperationError]()  # by the first place of the share
        self._away = 0  # shares that were taken and have not come back
        self._has_begun = False

    @property
    def waiting(self) -> int:
        """Look-ups that may run now."""
        return len(self._open)

    @property
    def is_due(self) -> bool:
        """Whether it can go on, or fail: nothing of it waits or is away."""
        return not self._open and not self._away and not self._beside

    @property
    def error(self) -> OperationError | None:
        """What was said to the first of the look-ups that were refused, whichever was told first."""
        return self._errors[min(self._errors)] if self._errors else None

    def take(self, count: int) -> "Share":
        """The first of the waiting look-ups, for a batch."""
        places, self._open = self._open[:count], self._open[count:]
        self._away += 1
        return Share(self, places, [self._look_ups[place] for place in places])

    def put_back(self, share: "Share") -> None:
        """The share was not computed: its look-ups wait again."""
        self._away -= 1
        self._ask(share.places)

    def answer(self, share: "Share", outputs: Sequence[Outputs]) -> None:
        """Results of a share."""
        self._away -= 1
        for place, found in zip(share.places, outputs, strict=True):
            self._answers[place] = found
            self.progress.asked.computed(self._look_ups[place], found)

    def hear(self, place: int, outputs: Outputs) -> None:
        """Takes what another operation's equal look-up gave."""
        self._beside.remove(place)
        wires = [wire for block in outputs for wire, _ in block.terms]
        self._answers[place] = self._look_ups[place].around(wires)

    def take_over(self, place: int) -> bool:
        """Asks itself what another operation does not any more; false if it is not going to either."""
        self._beside.remove(place)
        if self._is_in_vain(place):
            return False
        self._open = sorted((*self._open, place))
        return True

    def refuse(self, share: "Share", error: OperationError) -> None:
        """A share can never be computed: nothing more is asked, what is away is waited for."""
        # What is before it is asked for all the same: which error is the first one is settled once all of
        # that is back.
        self._away -= 1
        self._errors[share.places[0]] = error
        for place in share.places:
            self.progress.asked.given_up(self._look_ups[place])
        places, self._open = self._open, ()
        self._ask(places)

    def resume(self) -> list[Block] | None:
        """Goes on as far as the answers reach: the result, or none while look-ups wait.

        Raises:
            Exception: whatever the algorithm raises.
        """
        # A batch of known values asks for nothing: the algorithm goes on at once.
        while self.is_due:
            try:
                self._look_ups = self._next()
            except StopIteration as stop:
                return stop.value
            self._answers = {}
            # Named before any is asked for: one that fits no table ends the operation, and others would wait
            # for what it has begun to ask.
            _ = [look_up.names for look_up in self._look_ups]
            self._open = [place for place in range(len(self._look_ups)) if self._is_new(place)]
        return None

    def _is_new(self, place: int) -> bool:
        """Whether it has to ask for this itself."""
        asked, look_up = self.progress.asked, self._look_ups[place]
        found = asked.answer(look_up)
        if found is not None:
            self._answers[place] = found
            return False
        if asked.is_new(look_up, self, place):
            return True
        self._beside.add(place)
        return False

    def _ask(self, places: Sequence[int]) -> None:
        """They wait, but for those that are behind what was refused."""
        for place in places:
            if self._is_in_vain(place):
                self.progress.asked.given_up(self._look_ups[place])
        self._open = sorted({*self._open, *(each for each in places if not self._is_in_vain(each))})

    def _is_in_vain(self, place: int) -> bool:
        return bool(self._errors) and place > min(self._errors)

    def _next(self) -> Sequence[LookUp]:
        # A generator that has not begun takes no value.
        if self._has_begun:
            return self._algorithm.send([self._answers[place] for place in range(len(self._look_ups))])
        self._has_begun = True
        return next(self._algorithm)


@dataclass(frozen=True, slots=True)
class Share:
    """What an operation has in one batch."""

    running: Running
    places: Sequence[int]  # among the look-ups that the operation waits for, ascending
    look_ups: Sequence[LookUp]
