"""In which form the operations that become ready together are run."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from streams.domain.operations import BY_CODE, FheType, Kind
from streams.domain.work import Step
from streams.fhe.radix.counts import form_for
from streams.fhe.radix.forms import Form
from streams.fhe.wave.requests import operand_type


@dataclass(frozen=True, slots=True)
class Shape:
    """What the cost of an operation depends on."""

    operation: str
    fhe_type: FheType
    is_clear: bool  # the last operand is a clear number

    @classmethod
    def of(cls, step: Step) -> "Shape":
        """The shape of a step."""
        operation = BY_CODE[step.operation]
        # the only kinds whose algorithm is another one for a plaintext operand
        is_clear = operation.kind in (Kind.BINARY, Kind.MUL_DIV) and step.is_scalar
        return cls(operation.name, operand_type(step), is_clear)


# Shapes that became ready, look-ups that wait already, the batch size: to the form of each shape.
FormChoice: TypeAlias = Callable[[Sequence[Shape], int, int], Mapping[Shape, Form]]


def always(form: Form) -> FormChoice:
    """The same form for all: bits depend on the component alone."""
    return lambda shapes, waiting, batch_size: dict.fromkeys(shapes, form)


# The default: fixed, so that bits depend on the component alone; and a busy device is bound by look-ups,
# not by depth.
FEWEST_LOOK_UPS: Final = always(Form.THROUGHPUT)
FEWEST_BATCHES: Final = always(Form.LATENCY)


def by_load(shapes: Sequence[Shape], waiting: int, batch_size: int) -> Mapping[Shape, Form]:
    """The latency form while batches have room for its look-ups, the throughput form when others fill them.

    The two forms of a sum give different ciphertexts of the same number. So bits depend on what else is in
    the window: not for values whose digests several operators have to agree on.
    """
    counted = Counter(shapes)
    return {shape: _form(shape, counted, waiting, batch_size) for shape in counted}


def _form(shape: Shape, counted: Counter[Shape], waiting: int, batch_size: int) -> Form:
    # Another operation that starts now takes at least one place in every batch.
    others = waiting + counted.total() - counted[shape]
    room = max(1, batch_size - others)
    return form_for(
        shape.operation, shape.fhe_type, clear=shape.is_clear, ready=counted[shape], batch_size=room
    )
