"""How many bootstraps operations take: each algorithm is run on blocks without data."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from streams.domain.operations import BY_NAME, FheType, Kind, Scalar
from streams.fhe.radix.addition import add, subtract
from streams.fhe.radix.block import DIGIT_MAX, MESSAGE_BITS, Block, Wire
from streams.fhe.radix.comparison import greater_or_equal
from streams.fhe.radix.executors import CountingExecutor
from streams.fhe.radix.forms import Cost, Form
from streams.fhe.radix.operations import Operand, plan, requested
from streams.fhe.radix.random import blocks_needed, seeded
from streams.fhe.radix.selection import SELECT_WEIGHT, select
from streams.fhe.radix.steps import LOADED, Steps, run, together

TRANSFER_TYPE: Final = FheType.UINT64
TRANSFER_BITS: Final = TRANSFER_TYPE.bits
LIST_LENGTH: Final = 10  # of the lists whose operations are counted
# A clear operand with many bits set: none of its digits makes an algorithm shorter than usual.
CLEAR: Final = 0x6D3A_95C7_B1E4_2F8B_6D3A_95C7_B1E4_2F8B_6D3A_95C7_B1E4_2F8B_6D3A_95C7_B1E4_2F8B
# Further ones for operations whose algorithm follows a known operand's digits: a period of one digit, of two,
# and one that is even.
CLEARS: Final = (3, 10, 1000)
FOLLOWING_DIGITS: Final = ("Mul", "Div", "Rem")


def stored(bits: int) -> list[Block]:
    """A number as it comes from the store."""
    # A stored Bool is one block of 0 and 1, not a digit.
    if bits == 1:
        return [Block.of(Wire(0, 2, LOADED))]
    return [Block.of(Wire(0, 2 * DIGIT_MAX, LOADED)) for _ in range(bits // MESSAGE_BITS)]


def condition(weight: int = SELECT_WEIGHT) -> Block:
    """A Bool at the weight at which a comparison makes it."""
    wire = Wire(0, 2 * weight)
    return Block(((wire, 1),), 0, 0, weight)


def measured(algorithm: Steps[object]) -> Cost:
    """Look-ups, depth and largest noise of an algorithm; raises what a device would raise."""
    # Counting runs the algorithm itself on ranges and noises: a count cannot disagree with what a device
    # will do.
    executor = CountingExecutor()
    run(algorithm, executor)
    return Cost(executor.look_ups, executor.depth, executor.noise)


def clear_number(bits: int) -> int:
    """The clear operand of operations on numbers of this width."""
    # odd, so that it is no divisor of zero and no shift by whole blocks
    return CLEAR & ((1 << bits) - 1) | 1


def cost(name: str, fhe_type: FheType, form: Form = Form.THROUGHPUT, *, clear: bool = False) -> Cost:
    """What an operation of the table costs on stored operands of a type.

    Args:
        name: of the operation.
        fhe_type: of its operands.
        form: of the algorithm.
        clear: whether the last operand is a clear number.
    """
    return measured(plan(requested(name, operands_of(name, fhe_type, clear), fhe_type, form)))


def cost_by(name: str, fhe_type: FheType, clear: int, form: Form = Form.THROUGHPUT) -> Cost:
    """What a binary operation costs whose second operand is this clear number."""
    return measured(plan(requested(name, (stored(fhe_type.bits), clear), fhe_type, form)))


def operands_of(name: str, fhe_type: FheType, clear: bool) -> Sequence[Operand]:
    """Stored operands of an operation on a type; `clear`: the last one of two is a clear number."""
    kind, bits = BY_NAME[name].kind, fhe_type.bits
    number = clear_number(bits)
    shapes: dict[Kind, Callable[[], Sequence[Operand]]] = {
        Kind.BINARY: lambda: (stored(bits), number if clear else stored(bits)),
        Kind.UNARY: lambda: (stored(bits),),
        Kind.CAST: lambda: (stored(bits),),
        Kind.TRIVIAL: lambda: (number,),
        Kind.SELECT: lambda: ([condition()], stored(bits), stored(bits)),
        Kind.RAND: lambda: (_seeds(bits),),
        Kind.RAND_BOUNDED: lambda: (_seeds(bits), 1 << (bits - 1)),
        Kind.SUM: lambda: [stored(bits) for _ in range(LIST_LENGTH)],
        Kind.IS_IN: lambda: [stored(bits) for _ in range(LIST_LENGTH + 1)],
        Kind.MUL_DIV: lambda: (stored(bits), number if clear else stored(bits), number >> 1 | 1),
    }
    return shapes[kind]()


def _seeds(bits: int) -> list[Block]:
    return [seeded() for _ in range(blocks_needed(bits))]


def transfer(balance: list[Block], receiver: list[Block], amount: list[Block]) -> Steps[list[list[Block]]]:
    """The token of the examples: moved = amount <= balance ? amount : 0, then both balances."""
    enough = yield from greater_or_equal(balance, amount, weight=SELECT_WEIGHT)
    moved = yield from select(enough, amount, [Block.constant(0)] * len(amount))
    return (yield from together([subtract(balance, moved), add(receiver, moved)]))


def whitepaper_transfer(
    balance: list[Block], receiver: list[Block], amount: list[Block]
) -> Steps[list[list[Block]]]:
    """The whitepaper's: both new balances are computed, then chosen or not."""
    enough_of = _alone(greater_or_equal(balance, amount, weight=SELECT_WEIGHT))
    # The comparison rides on the first batches of the ripples.
    parts = yield from together([enough_of, add(receiver, amount), subtract(balance, amount)])
    enough, received, kept = parts
    # Both selections take the same condition: made once at their weight, it costs nothing more.
    chosen = [select(enough[0], kept, balance), select(enough[0], received, receiver)]
    return (yield from together(chosen))


def _alone(algorithm: Steps[Block]) -> Steps[list[Block]]:
    return [(yield from algorithm)]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report."""

    operation: str
    bits: int
    operands: str  # "encrypted" or "clear" (the last one), which may be a known number
    form: Form
    cost: Cost


def widths() -> list[int]:
    """Bits of the types that operations are counted for."""
    counted = (operation for operation in BY_NAME.values() if operation.kind is not Kind.INPUT)
    return sorted({fhe_type.bits for operation in counted for fhe_type in operation.types})


def rows(bits: int | None = None) -> Iterator[Row]:
    """Every operation for every type of its table, or for those of one width, in the forms that differ."""
    for name, operation in BY_NAME.items():
        # an input is verified and not computed
        if operation.kind is Kind.INPUT:
            continue
        for fhe_type in sorted(operation.types):
            if bits in (None, fhe_type.bits):
                yield from _rows_of(name, fhe_type)
    if bits in (None, TRANSFER_BITS):
        yield from _by_known_numbers()
        yield from _transfers()


# The order of steps of the examples' token; the whitepaper's as it is written, and as an executor rewrites it
# (`wave/rewriting`): what moves is chosen once, which is the other order.
TRANSFERS: Final = (
    ("transfer", transfer),
    ("transfer (whitepaper)", whitepaper_transfer),
    ("  rewritten", transfer),
)


def _transfers() -> Iterator[Row]:
    for name, algorithm in TRANSFERS:
        paid = measured(algorithm(*(stored(TRANSFER_BITS) for _ in range(3))))
        # One form only: what is compared is how contracts are written, and a busy device runs this form.
        yield Row(name, TRANSFER_BITS, "encrypted", Form.THROUGHPUT, paid)


def _by_known_numbers() -> Iterator[Row]:
    for name in FOLLOWING_DIGITS:
        for clear in CLEARS:
            yield from _forms(
                name,
                TRANSFER_BITS,
                f"clear {clear}",
                {form: cost_by(name, TRANSFER_TYPE, clear, form) for form in Form},
            )


def _rows_of(name: str, fhe_type: FheType) -> Iterator[Row]:
    operation = BY_NAME[name]
    # a plaintext operand where there is no other way, or where there is the choice, both
    ways = [operation.scalar is Scalar.MUST]
    if operation.kind in (Kind.BINARY, Kind.MUL_DIV) and operation.scalar is not Scalar.MUST:
        ways = [False, True]
    for clear in ways:
        costs = {form: cost(name, fhe_type, form, clear=clear) for form in Form}
        yield from _forms(name, fhe_type.bits, "clear" if clear else "encrypted", costs)


def _forms(name: str, bits: int, operands: str, costs: Mapping[Form, Cost]) -> Iterator[Row]:
    yield Row(name, bits, operands, Form.THROUGHPUT, costs[Form.THROUGHPUT])
    # where there are no carries the two forms are one algorithm
    if costs[Form.LATENCY] != costs[Form.THROUGHPUT]:
        yield Row(name, bits, operands, Form.LATENCY, costs[Form.LATENCY])
