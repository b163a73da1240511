"""One window for all items that a worker has in hand: whichever of its threads has nothing else to do drives.

A look-up alone costs twice what it costs in a batch, and most operations have only a few at a time: carries
ripple. So the look-ups of all items are batched, and with them their decompressions and the refreshing of
what is stored. Each item keeps the thread that it came with; the thread of an unfinished item drives the
window for everybody, one turn at a time, while the others wait (flat combining: Hendler, Incze, Shavit,
Tzafrir, SPAA 2010). There is no thread that could be idle while work waits, or survive its items.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from streams.domain.errors import OperationError
from streams.domain.results import Ciphertext
from streams.domain.work import Step
from streams.fhe.wave.component import Component, Computed, Failed, Result, Value
from streams.fhe.wave.executor import WaveExecutor
from streams.fhe.wave.storage import Given


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A component between stored ciphertexts."""

    tenant: str
    steps: tuple[Step, ...]
    handles: tuple[bytes, ...]  # of the inputs
    given: Given  # the inputs, in that order
    outputs: tuple[bytes, ...]


class Stores(Protocol):
    """Between stored ciphertexts and blocks on a device."""

    def load(self, given: Sequence[Given]) -> list[list[Value]]: ...

    def store(self, values: Sequence[Value]) -> list[bytes]: ...


@dataclass(eq=False)
class _Ticket:
    """An item in the window, as its thread sees it; only the driver changes it."""

    name: str
    item: Item
    left: int  # outputs that are not there yet
    found: deque[Ciphertext] = field(default_factory=deque[Ciphertext])
    error: BaseException | None = None

    @property
    def has_news(self) -> bool:
        return bool(self.found) or not self.left or self.error is not None


class Window:
    """For any number of threads."""

    def __init__(self, make_executor: Callable[[], WaveExecutor], storage: Stores) -> None:
        self._make_executor = make_executor
        self._storage = storage
        self._executor = make_executor()
        self._names = count()
        self._changed = threading.Condition()
        self._is_driven = False
        self._arrived = list[_Ticket]()
        self._left = list[_Ticket]()
        self._inside = dict[str, _Ticket]()
        self._past = (0, 0)  # of windows that broke

    @property
    def fill(self) -> tuple[int, int]:
        """Look-ups that ran so far, and the places that their batches had."""
        reading = self._executor.utilisation
        return self._past[0] + reading.look_ups, self._past[1] + reading.places

    @property
    def size(self) -> int:
        """Items that are inside or about to enter."""
        with self._changed:
            return len(self._inside) + len(self._arrived)

    def outputs(self, item: Item) -> Iterator[Ciphertext]:
        """The item's outputs, each once it is stored.

        Raises:
            OperationError: it can never be computed; nothing else in the window notices.
            BaseException: what the device raised. All that is in the window ends with it.
        """
        ticket = _Ticket(str(next(self._names)), item, len(set(item.outputs)))
        with self._changed:
            self._arrived.append(ticket)
        try:
            while (ciphertext := self._next(ticket)) is not None:
                yield ciphertext
        finally:
            with self._changed:
                self._left.append(ticket)

    def _next(self, ticket: _Ticket) -> Ciphertext | None:
        while self._is_to_drive(ticket):
            self._drive()
        with self._changed:
            if ticket.found:
                return ticket.found.popleft()
        if ticket.error is not None:
            raise ticket.error
        return None

    def _is_to_drive(self, ticket: _Ticket) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: ticket.has_news or not self._is_driven)
            self._is_driven = self._is_driven or not ticket.has_news
            return not ticket.has_news

    def _drive(self) -> None:
        try:
            self._turn()
        except BaseException as error:  # a panic of the native kernel is no Exception
            self._break(error)
        finally:
            with self._changed:
                self._is_driven = False
                self._changed.notify_all()

    def _turn(self) -> None:
        # Items that come while a batch runs are in the next one.
        arrived, gone = self._moves()
        for ticket in gone:
            self._executor.withdraw(ticket.name)
        self._admit(arrived)
        self._hand_out(self._executor.advance())

    def _moves(self) -> tuple[list[_Ticket], list[_Ticket]]:
        with self._changed:
            arrived, gone = self._arrived, self._left
            self._arrived, self._left = [], []
            self._inside.update((ticket.name, ticket) for ticket in arrived)
            for ticket in gone:
                self._inside.pop(ticket.name, None)
        return arrived, gone

    def _admit(self, tickets: Sequence[_Ticket]) -> None:
        loaded = self._storage.load([ticket.item.given for ticket in tickets])
        for ticket, values in zip(tickets, loaded, strict=True):
            try:
                self._executor.submit(_component(ticket, values))
            except OperationError as error:
                ticket.error = error

    def _hand_out(self, results: Sequence[Result]) -> None:
        computed = [each for each in results if isinstance(each, Computed)]
        ct64s = self._storage.store([each.value for each in computed]) if computed else []
        with self._changed:
            for each, ct64 in zip(computed, ct64s, strict=True):
                ticket = self._inside[each.component]
                ticket.found.append(Ciphertext(handle=each.handle, fhe_type=each.value.fhe_type, ct64=ct64))
                ticket.left -= 1
            for each in results:
                if isinstance(each, Failed):
                    ticket = self._inside[each.component]
                    ticket.error = ticket.error or _told(each)

    def _break(self, error: BaseException) -> None:
        # Nobody knows what the device has done: whoever waits is told, and a new window begins.
        with self._changed:
            for ticket in self._inside.values():
                ticket.error = ticket.error or error
        self._inside = {}
        self._past = self.fill
        self._executor = self._make_executor()


def _component(ticket: _Ticket, values: Sequence[Value]) -> Component:
    item = ticket.item
    return Component(
        name=ticket.name,
        tenant=item.tenant,
        key_id=b"",
        steps=item.steps,
        inputs=dict(zip(item.handles, values, strict=True)),
        outputs=item.outputs,
    )


def _told(result: Failed) -> OperationError:
    error = OperationError(str(result.error))
    error.__cause__ = result.error
    return error
