"""What an operation is said to hold is what it holds at most, and not much more."""

import pytest

from streams.domain.operations import BY_NAME, FheType, Kind, Scalar, values_max
from streams.fhe.radix.counts import operands_of, stored
from streams.fhe.radix.forms import Form
from streams.fhe.radix.held import most_held
from streams.fhe.radix.operations import Operand, blocks_of, plan, requested
from tests.unit.fhe.radix.live import peak_of

WIDE = ("Mul", "Div")  # at 128 bits too, where they are large
CASES = [
    (name, fhe_type, clear)
    for name, operation in BY_NAME.items()
    if operation.kind is not Kind.INPUT
    for fhe_type in sorted(operation.library)
    if fhe_type.bits <= (128 if name in WIDE else 64)
    for clear in {operation.scalar is Scalar.MUST, operation.scalar is not Scalar.NEVER}
]


def peak_and_bound(name: str, fhe_type: FheType, *operands: Operand) -> tuple[int, int]:
    numbers = 0 if BY_NAME[name].kind in (Kind.RAND, Kind.RAND_BOUNDED) else len(operands)
    numbers -= sum(isinstance(each, int) for each in operands) if numbers else 0
    blocks = blocks_of(fhe_type)
    peak = peak_of(plan(requested(name, operands, fhe_type, Form.THROUGHPUT)))
    return peak + numbers * blocks, most_held(BY_NAME[name], blocks, numbers)


@pytest.mark.parametrize(("name", "fhe_type", "clear"), CASES)
def test_nothing_holds_more_than_it_is_said_to(name: str, fhe_type: FheType, clear: bool) -> None:
    peak, bound = peak_and_bound(name, fhe_type, *operands_of(name, fhe_type, clear))
    assert peak <= bound <= 2 * peak + blocks_of(fhe_type) + 8


@pytest.mark.parametrize("name", ["Sum", "IsIn"])
@pytest.mark.parametrize("fhe_type", [FheType.UINT8, FheType.UINT64, FheType.UINT128])
@pytest.mark.parametrize("is_long", [False, True])
def test_lists_of_every_length(name: str, fhe_type: FheType, is_long: bool) -> None:
    numbers = [stored(fhe_type.bits) for _ in range(values_max(fhe_type) if is_long else 2)]
    peak, bound = peak_and_bound(name, fhe_type, *numbers)
    assert peak <= bound


@pytest.mark.parametrize("name", ["Mul", "Div", "Rem"])
@pytest.mark.parametrize("factor", [3, 7, 10, 1000, 2**63 - 1, 0xAAAA_AAAA_AAAA_AAAA, 12_345_678_901_234_567])
def test_known_factors_of_any_digits(name: str, factor: int) -> None:
    peak, bound = peak_and_bound(name, FheType.UINT64, stored(64), factor)
    assert peak <= bound


def test_a_product_holds_much_and_a_sum_little() -> None:
    product, total = (most_held(BY_NAME[name], 64, 2) for name in ("Mul", "Add"))
    assert (product, total) == (2720, 194)
