"""What the operations of a component ask alike: computed once, while a wire of it is there or under way.

Equal look-ups give equal words, and their wires are equal whoever asked for them (`radix/block`). So this
saves bootstraps and nothing else: whether a second one finds the words of the first one, or has them computed
again, does not show in what comes out.
"""

from collections import deque
from typing import Final, Protocol, TypeAlias
from weakref import ref

from streams.fhe.radix.block import Wire
from streams.fhe.radix.steps import LookUp, Outputs

Names: TypeAlias = tuple[bytes, ...]
_ROOM: Final = 1024


class Asker(Protocol):
    """An operation in flight."""

    def hear(self, place: int, outputs: Outputs) -> None:
        """Takes what another operation's equal look-up gave."""
        ...

    def take_over(self, place: int) -> bool:
        """Asks itself, since the other one does not any more; false if it is not going to either."""
        ...


class Asked:
    """Of one component: those of two never meet, whatever they are made of."""

    def __init__(self) -> None:
        # Weak: a value is let go with its last use, and who repeats it after that computes it again.
        self._wires = dict[bytes, ref[Wire]]()
        self._room = _ROOM  # names, until those whose wires are gone are let go
        # By what one asker has under way: who else waits for it, and for which of his look-ups.
        self._beside = dict[Names, deque[tuple[Asker, int]]]()

    @property
    def size(self) -> int:
        """Names that are kept, of wires that are there and of some that are gone."""
        return len(self._wires)

    def answer(self, look_up: LookUp) -> Outputs | None:
        """The results of an equal look-up, if all of them are there."""
        wires = [wire for name in look_up.names if (wire := self._wire(name)) is not None]
        return look_up.around(wires) if len(wires) == len(look_up.functions) else None

    def is_new(self, look_up: LookUp, asker: Asker, place: int) -> bool:
        """Whether this one is to ask; otherwise an equal look-up is under way, and he will hear of it."""
        beside = self._beside.get(look_up.names)
        if beside is None:
            self._beside[look_up.names] = deque()
            return True
        beside.append((asker, place))
        return False

    def computed(self, look_up: LookUp, outputs: Outputs) -> None:
        """Tells the others what came of it."""
        for block in outputs:
            for wire, _ in block.terms:
                self._wires[wire.name] = ref(wire)
        if len(self._wires) > self._room:
            self._wires = {name: kept for name, kept in self._wires.items() if kept() is not None}
            self._room = max(_ROOM, 2 * len(self._wires))
        for asker, place in self._beside.pop(look_up.names):
            asker.hear(place, outputs)

    def given_up(self, look_up: LookUp) -> None:
        """It will not be computed for who asked: the next one that waits asks in its place."""
        beside = self._beside[look_up.names]
        while beside:
            asker, place = beside.popleft()
            if asker.take_over(place):
                return
        del self._beside[look_up.names]

    def _wire(self, name: bytes) -> Wire | None:
        kept = self._wires.get(name)
        return None if kept is None else kept()
