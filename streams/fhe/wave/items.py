"""What a worker's threads bring to a window, and what they wait for."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from streams.domain.errors import OperationError
from streams.domain.results import Ciphertext
from streams.domain.work import Step
from streams.fhe.wave.component import Component, Value
from streams.fhe.wave.storage import Given


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A component between stored ciphertexts."""

    tenant: str
    contract: bytes = b""
    priority: int = 0
    steps: tuple[Step, ...]
    handles: tuple[bytes, ...]  # of the inputs
    given: Given  # the inputs, in that order
    outputs: tuple[bytes, ...]


class Stores(Protocol):
    """Between stored ciphertexts and blocks on a device, for several threads at once.

    What either gives for a number does not depend on what else it is asked for.
    """

    def load(self, given: Sequence[Given]) -> list[list[Value]]: ...

    def store(self, values: Sequence[Value]) -> list[bytes]: ...


@dataclass(eq=False)
class Ticket:
    """An item in the window, as its thread sees it."""

    name: str
    item: Item
    left: set[bytes]  # outputs that are neither found nor lost
    found: deque[Ciphertext] = field(default_factory=deque[Ciphertext])
    lost: dict[bytes, OperationError] = field(default_factory=dict[bytes, OperationError])
    ended: BaseException | None = None  # by this, before all its outputs were settled

    @property
    def has_news(self) -> bool:
        """Whether its thread has something to do: to hand out an output, or to end."""
        return bool(self.found) or not self.left or self.ended is not None

    @property
    def error(self) -> BaseException | None:
        """Why it ends without all of its outputs: what the first of them was lost by."""
        # By the order of the outputs and not of the events, which neighbours in the window have a part in.
        lost = (self.lost[handle] for handle in self.item.outputs if handle in self.lost)
        return self.ended or next(lost, None)

    def component(self, values: Sequence[Value]) -> Component:
        """What the executor computes, of loaded inputs."""
        return Component(
            name=self.name,
            tenant=self.item.tenant,
            contract=self.item.contract,
            priority=self.item.priority,
            key_id=b"",
            steps=self.item.steps,
            inputs=dict(zip(self.item.handles, values, strict=True)),
            outputs=self.item.outputs,
        )

    def settle(self, handle: bytes, outcome: Ciphertext | OperationError) -> None:
        """An output is there, or never will be."""
        self.left.discard(handle)
        if isinstance(outcome, OperationError):
            self.lost[handle] = outcome
        else:
            self.found.append(outcome)
