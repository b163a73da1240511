"""Operations whose operands are there, in line until there is room for their values.

As long as all of them fit they begin at once. Where they do not, tenants and their contracts' lanes take
turns as they do over look-ups (`turns`), here over bytes, and within a lane the older component goes first,
then the earlier step. Whose turn it is stays first until it fits, and nobody passes it: a large one would
wait for as long as small ones come. So it waits for what is in flight now, at most until nothing is; then it
begins, whatever it takes. Only who has nothing in flight passes the line with one operation, in an account of
its own (`Reserve.take_beside`), if it fits there: whoever fills the memory keeps no other from computing.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from streams.domain.operations import BY_CODE
from streams.domain.work import Step
from streams.fhe.parameters import PINNED
from streams.fhe.radix.held import most_held
from streams.fhe.radix.operations import blocks_of
from streams.fhe.wave.admission import handles
from streams.fhe.wave.progress import Progress
from streams.fhe.wave.requests import operand_type
from streams.fhe.wave.reserve import Reserve
from streams.fhe.wave.turns import Flow, Queues, Turns, drop_empty, in_lanes

# Of a ciphertext: its words, and what Python keeps around them.
BLOCK_BYTES: Final = 8 * (PINNED.big_dimension + 1) + 640


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """A step that may begin."""

    progress: Progress
    step: Step
    nbytes: int  # that it may come to hold


def bytes_of(step: Step) -> int:
    """What an operation may come to hold, its operands among it."""
    blocks = blocks_of(operand_type(step))
    return BLOCK_BYTES * most_held(BY_CODE[step.operation], blocks, len(handles(step)))


class Line:
    """Of one window; for one thread at a time."""

    def __init__(self, reserve: Reserve) -> None:
        self._reserve = reserve
        self._turns = Turns()
        self._waiting: list[Ready] = []
        self._next: Ready | None = None  # had its turn, and does not fit yet
        # What has begun, and whether it is out of the account beside.
        self._begun = dict[Ready, bool]()
        # How many operations of a tenant's lane wait or are in flight, and how many of them are in flight.
        self._inside, self._flying = Counter[Flow](), Counter[Flow]()

    def __len__(self) -> int:
        return len(self._waiting) + (self._next is not None)

    @property
    def flows(self) -> Collection[Flow]:
        """Tenants' lanes of which something waits or is in flight."""
        return self._inside.keys()

    def enter(self, progress: Progress, steps: Sequence[Step]) -> None:
        """They may begin."""
        self._waiting += [Ready(progress, step, bytes_of(step)) for step in steps]
        if steps:
            self._inside[progress.flow] += len(steps)

    def withdraw(self, name: str) -> None:
        """Nothing of that component begins any more."""
        gone = [each for each in self._in_line() if each.progress.name == name]
        self._leave_line(gone)
        for each in gone:
            _less(self._inside, each.progress.flow)

    def admitted(self, *, is_alone: bool) -> list[Ready]:
        """Those that begin now, for which memory is promised; `is_alone`: nothing is in flight."""
        return [*self._first_in_line(is_alone), *self._beside()]

    def ended(self, ready: Ready) -> None:
        """One that had begun needs its memory no more."""
        self._reserve.give_back(ready.nbytes, is_beside=self._begun.pop(ready))
        _less(self._flying, ready.progress.flow)
        _less(self._inside, ready.progress.flow)

    def close(self) -> None:
        """All that is promised to it is others'."""
        for ready in [*self._begun]:
            self.ended(ready)

    def _first_in_line(self, is_alone: bool) -> list[Ready]:
        if self._next is None:
            if self._fit_together():
                admitted, self._waiting = self._waiting, []
                return admitted
            return self._in_turn([], is_alone)
        # Told without a look at who is behind: so it goes while it does not fit.
        first = self._next
        if not self._takes(first, is_alone):
            return []
        self._next = None
        return self._in_turn([first], is_alone)

    def _fit_together(self) -> bool:
        if not self._reserve.take(sum(each.nbytes for each in self._waiting)):
            return False
        for each in self._waiting:
            self._begin(each, is_beside=False)
        return True

    def _in_turn(self, admitted: list[Ready], is_alone: bool) -> list[Ready]:
        queues = in_lanes(sorted(self._waiting, key=_rank), _flow)
        while queues and self._next is None:
            each = self._turn(queues)
            if self._takes(each, is_alone and not admitted):
                admitted.append(each)
            else:
                self._next = each
        self._waiting = [each for lanes in queues.values() for lane in lanes.values() for each in lane]
        return admitted

    def _beside(self) -> list[Ready]:
        """The oldest operation of each that has nothing in flight, if it fits beside."""
        if len(self._flying) == len(self._inside):
            return []
        found, asked = list[Ready](), set[Flow]()
        for each in sorted(self._in_line(), key=_rank):
            flow = _flow(each)
            if flow in asked or flow in self._flying:
                continue
            asked.add(flow)
            if self._reserve.take_beside(each.nbytes):
                self._begin(each, is_beside=True)
                found.append(each)
        self._leave_line(found)
        return found

    def _in_line(self) -> list[Ready]:
        return self._waiting if self._next is None else [self._next, *self._waiting]

    def _leave_line(self, gone: Iterable[Ready]) -> None:
        left = set(gone)
        if not left:
            return
        self._waiting = [each for each in self._waiting if each not in left]
        if self._next in left:
            self._next = None

    def _takes(self, each: Ready, is_alone: bool) -> bool:
        if not self._reserve.take(each.nbytes, is_alone=is_alone):
            return False
        self._begin(each, is_beside=False)
        return True

    def _begin(self, each: Ready, *, is_beside: bool) -> None:
        self._begun[each] = is_beside
        self._flying[_flow(each)] += 1

    def _turn(self, queues: Queues[Ready]) -> Ready:
        # Such that the largest one is paid in a round or two.
        largest = max(lane[0].nbytes for lanes in queues.values() for lane in lanes.values())
        tenant, lane, _ = self._turns.next(queues, len(queues) * largest)
        first = queues[tenant][lane].popleft()
        self._turns.charge(tenant, lane, first.nbytes)
        drop_empty(queues, tenant, lane)
        return first


def _rank(ready: Ready) -> tuple[int, int]:
    return ready.progress.order, ready.progress.place(ready.step)


def _flow(ready: Ready) -> Flow:
    return ready.progress.flow


def _less(counted: Counter[Flow], flow: Flow) -> None:
    counted[flow] -= 1
    if not counted[flow]:
        del counted[flow]
