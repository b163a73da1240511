"""Operations whose operands are there, in line until there is room for their values.

As long as all of them fit they begin at once. Where they do not, tenants and their contracts' lanes take
turns as they do over look-ups (`turns`), here over bytes, and within a lane the older component goes first,
then the earlier step. Whose turn it is stays first until it fits, and nobody passes it: a large one would
wait for as long as small ones come. So it waits for what is in flight now, at most until nothing is; then it
begins, whatever it takes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from streams.domain.operations import BY_CODE
from streams.domain.schedule import Lane
from streams.domain.work import Step
from streams.fhe.parameters import PINNED
from streams.fhe.radix.held import most_held
from streams.fhe.radix.operations import blocks_of
from streams.fhe.wave.admission import handles
from streams.fhe.wave.progress import Progress
from streams.fhe.wave.requests import operand_type
from streams.fhe.wave.reserve import Reserve
from streams.fhe.wave.turns import Queues, Turns, drop_empty, in_lanes

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
        self._promised = 0  # to what has begun

    def __len__(self) -> int:
        return len(self._waiting) + (self._next is not None)

    def enter(self, progress: Progress, steps: Sequence[Step]) -> None:
        """They may begin."""
        self._waiting += [Ready(progress, step, bytes_of(step)) for step in steps]

    def withdraw(self, name: str) -> None:
        """Nothing of that component begins any more."""
        self._waiting = [each for each in self._waiting if each.progress.name != name]
        if self._next is not None and self._next.progress.name == name:
            self._next = None

    def admitted(self, *, is_alone: bool) -> list[Ready]:
        """Those that begin now, for which memory is promised; `is_alone`: nothing is in flight."""
        if self._next is None and self._takes(sum(each.nbytes for each in self._waiting)):
            admitted, self._waiting = self._waiting, []
            return admitted
        if self._next is None:
            return self._in_turn([], is_alone)
        # Told without a look at who is behind: so it goes while it does not fit.
        first = self._next
        if not self._takes(first.nbytes, is_alone):
            return []
        self._next = None
        return self._in_turn([first], is_alone)

    def ended(self, nbytes: int) -> None:
        """One that had begun needs its memory no more."""
        self._promised -= nbytes
        self._reserve.give_back(nbytes)

    def close(self) -> None:
        """All that is promised to it is others'."""
        self._reserve.give_back(self._promised)
        self._promised = 0

    def _in_turn(self, admitted: list[Ready], is_alone: bool) -> list[Ready]:
        queues = in_lanes(sorted(self._waiting, key=_rank), _flow)
        while queues and self._next is None:
            each = self._turn(queues)
            if self._takes(each.nbytes, is_alone and not admitted):
                admitted.append(each)
            else:
                self._next = each
        self._waiting = [each for lanes in queues.values() for lane in lanes.values() for each in lane]
        return admitted

    def _takes(self, nbytes: int, is_alone: bool = False) -> bool:
        if not self._reserve.take(nbytes, is_alone=is_alone):
            return False
        self._promised += nbytes
        return True

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


def _flow(ready: Ready) -> tuple[str, Lane]:
    return ready.progress.tenant, ready.progress.lane
