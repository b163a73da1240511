"""Every operation at every width against Python's integers; a run also proves ranges and noise."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.errors import OperationError
from streams.domain.operations import BY_NAME, FheType, Kind, Scalar
from streams.fhe.radix.block import Block, constants
from streams.fhe.radix.counts import clear_number, cost, measured, stored
from streams.fhe.radix.executors import ClearExecutor, CountingExecutor
from streams.fhe.radix.forms import Form
from streams.fhe.radix.lists import widened
from streams.fhe.radix.multiplication import multiply
from streams.fhe.radix.operations import ALGORITHMS, Operand, Request, plan, requested
from streams.fhe.radix.random import seeded
from streams.fhe.radix.steps import LOADED, run
from tests.unit.fhe.radix.semantics import BINARY, UNARY, edges, expected

HEAVY = {"Mul", "Div", "Rem", "MulDiv"}
HEAVY_BITS_MAX = 64  # the widest products run once, in the counts
BINARY_CASES = [
    (name, fhe_type)
    for name in BINARY
    for fhe_type in sorted(BY_NAME[name].types)
    if name not in HEAVY or fhe_type.bits <= HEAVY_BITS_MAX
]
SHAPED = {"Add", "Sub", "Neg", "Mul", "Ge", "Lt", "Max", "Sum", "Rem"}  # operations of two forms


def pairs_of(bits: int, seed: int = 1) -> list[tuple[int, int]]:
    source = random.Random(seed)
    drawn = [(source.getrandbits(bits), source.getrandbits(source.randint(1, bits))) for _ in range(20)]
    return [*edges(bits), *drawn] if bits > 2 else [(0, 0), (0, 1), (1, 0), (1, 1)]


def computed(request: Request, executor: ClearExecutor, samples: int) -> list[int]:
    return executor.decrypt(run(plan(request), executor), samples)


def test_every_computation_of_the_table_has_an_algorithm() -> None:
    computations = {name for name, row in BY_NAME.items() if row.kind is not Kind.INPUT}
    assert set(ALGORITHMS) == computations


@pytest.mark.parametrize(("name", "fhe_type"), BINARY_CASES)
def test_two_encrypted_operands(name: str, fhe_type: FheType) -> None:
    if BY_NAME[name].scalar is Scalar.MUST:
        return
    executor, pairs = ClearExecutor(), pairs_of(fhe_type.bits)
    left, right = (executor.encrypt(column, fhe_type.bits) for column in zip(*pairs, strict=True))
    request = requested(name, (left, right), fhe_type, Form.THROUGHPUT)
    assert computed(request, executor, len(pairs)) == expected(name, pairs, fhe_type)


@pytest.mark.parametrize(("name", "fhe_type"), BINARY_CASES)
def test_a_clear_operand(name: str, fhe_type: FheType) -> None:
    source = random.Random(7)
    top = (1 << fhe_type.bits) - 1
    for scalar in {1, top, source.randint(1, top), min(top, 10)}:
        executor = ClearExecutor()
        pairs = [(x, scalar) for x, _ in pairs_of(fhe_type.bits)]
        left = executor.encrypt([x for x, _ in pairs], fhe_type.bits)
        request = requested(name, (left, scalar), fhe_type, Form.THROUGHPUT)
        assert computed(request, executor, len(pairs)) == expected(name, pairs, fhe_type)


@pytest.mark.parametrize("name", sorted(SHAPED & set(BINARY)))
@pytest.mark.parametrize("fhe_type", [FheType.UINT8, FheType.UINT32])
def test_the_shallow_form_gives_the_same(name: str, fhe_type: FheType) -> None:
    executor, pairs = ClearExecutor(), pairs_of(fhe_type.bits)
    left, right = (executor.encrypt(column, fhe_type.bits) for column in zip(*pairs, strict=True))
    operands: tuple[Operand, Operand] = (left, right)
    if BY_NAME[name].scalar is Scalar.MUST:
        pairs = [(x, 77) for x, _ in pairs]
        operands = (left, 77)
    request = requested(name, operands, fhe_type, Form.LATENCY)
    assert computed(request, executor, len(pairs)) == expected(name, pairs, fhe_type)


@given(
    name=st.sampled_from([name for name in BINARY if BY_NAME[name].scalar is not Scalar.MUST]),
    pairs=st.lists(st.tuples(st.integers(0, 2**16 - 1), st.integers(0, 2**16 - 1)), min_size=1, max_size=8),
    noise=st.sampled_from([1, LOADED, 9, 18 + LOADED, 20]),
    form=st.sampled_from(list(Form)),
)
@settings(max_examples=40, deadline=None)
def test_operands_of_any_noise_stay_within_the_budget(
    name: str, pairs: list[tuple[int, int]], noise: float, form: Form
) -> None:
    executor, fhe_type = ClearExecutor(), FheType.UINT16
    left, right = (executor.encrypt(column, 16, noise) for column in zip(*pairs, strict=True))
    request = requested(name, (left, right), fhe_type, form)
    assert computed(request, executor, len(pairs)) == expected(name, pairs, fhe_type)
    assert executor.noise <= 39


@pytest.mark.parametrize("name", ["Ge", "Gt", "Le", "Lt", "Min", "Max"])
@pytest.mark.parametrize("noises", [(20, 20), (20, 18 + LOADED), (LOADED, 38)])
def test_numbers_that_many_selections_made_are_compared(name: str, noises: tuple[float, float]) -> None:
    executor, pairs = ClearExecutor(), pairs_of(64)
    columns = zip(*pairs, strict=True)
    left, right = (executor.encrypt(x, 64, noise) for x, noise in zip(columns, noises, strict=True))
    request = requested(name, (left, right), FheType.UINT64, Form.THROUGHPUT)
    assert computed(request, executor, len(pairs)) == expected(name, pairs, FheType.UINT64)


@given(value=st.integers(0, 2**32 - 1), divisor=st.integers(1, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_division_by_any_known_number(value: int, divisor: int) -> None:
    for name, wanted in (("Div", value // divisor), ("Rem", value % divisor)):
        executor = ClearExecutor()
        blocks = executor.encrypt([value], 32)
        request = requested(name, (blocks, divisor), FheType.UINT32, Form.THROUGHPUT)
        assert computed(request, executor, 1) == [wanted]


@pytest.mark.parametrize("name", ["Div", "Rem", "MulDiv"])
def test_division_by_zero_is_refused(name: str) -> None:
    blocks = ClearExecutor().encrypt([1], 8)
    operands = (blocks, blocks, 256) if name == "MulDiv" else (blocks, 256)  # zero after it is cut to 8 bits
    with pytest.raises(OperationError, match="division by zero"):
        run(plan(requested(name, operands, FheType.UINT8, Form.THROUGHPUT)), ClearExecutor())


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("form", list(Form))
def test_unary_operations(name: str, form: Form) -> None:
    for fhe_type in BY_NAME[name].types:
        executor = ClearExecutor()
        values = [x for x, _ in pairs_of(fhe_type.bits)]
        request = requested(name, (executor.encrypt(values, fhe_type.bits),), fhe_type, form)
        mask = (1 << fhe_type.bits) - 1
        assert computed(request, executor, len(values)) == [UNARY[name](x) & mask for x in values]


@pytest.mark.parametrize("fhe_type", sorted(BY_NAME["IfThenElse"].types))
def test_a_stored_condition_selects(fhe_type: FheType) -> None:
    pairs = pairs_of(fhe_type.bits)
    for condition in (0, 1):
        executor = ClearExecutor()
        flags = executor.encrypt([condition] * len(pairs), 1)
        yes, no = (executor.encrypt(column, fhe_type.bits) for column in zip(*pairs, strict=True))
        request = requested("IfThenElse", (flags, yes, no), fhe_type, Form.THROUGHPUT)
        assert computed(request, executor, len(pairs)) == [pair[1 - condition] for pair in pairs]


@pytest.mark.parametrize("source", [FheType.BOOL, FheType.UINT8, FheType.UINT64])
@pytest.mark.parametrize("target", [FheType.BOOL, FheType.UINT8, FheType.UINT32, FheType.UINT256])
def test_casts(source: FheType, target: FheType) -> None:
    executor, values = ClearExecutor(), [x for x, _ in pairs_of(source.bits)]
    blocks = executor.encrypt(values, source.bits)
    request = Request(BY_NAME["Cast"], (blocks,), source, target)
    wanted = [int(x > 0) if target is FheType.BOOL else x & ((1 << target.bits) - 1) for x in values]
    assert computed(request, executor, len(values)) == wanted


@pytest.mark.parametrize("fhe_type", sorted(BY_NAME["TrivialEncrypt"].types))
def test_trivial_encryption_is_a_constant(fhe_type: FheType) -> None:
    executor = ClearExecutor()
    value = (1 << fhe_type.bits) - 1
    assert computed(requested("TrivialEncrypt", (value,), fhe_type, Form.THROUGHPUT), executor, 1) == [value]
    assert executor.look_ups == 0


@pytest.mark.parametrize(("value", "bit"), [(0, 0), (1, 1), (2, 1), (256, 0)])
def test_a_trivial_bool_looks_at_the_last_byte(value: int, bit: int) -> None:
    request = requested("TrivialEncrypt", (value,), FheType.BOOL, Form.THROUGHPUT)
    assert computed(request, ClearExecutor(), 1) == [bit]


@pytest.mark.parametrize("name", ["Eq", "Ge", "Le", "Ne", "Lt", "Sub"])
def test_an_operand_with_itself(name: str) -> None:
    executor = ClearExecutor()
    blocks = executor.encrypt([0, 201, 255], 8)
    request = requested(name, (blocks, blocks), FheType.UINT8, Form.THROUGHPUT)
    assert computed(request, executor, 3) == [int(name in ("Eq", "Ge", "Le"))] * 3


def masked(blocks: Sequence[Block], number: int, known: int) -> list[Block]:
    """Its digits known where this mask is set, as a cast, a trivial number or a clear operand leaves them."""
    digits = zip(blocks, constants(number, len(blocks)), constants(known, len(blocks)), strict=True)
    return [digit if is_known.low else block for block, digit, is_known in digits]


@pytest.mark.parametrize("form", list(Form))
@pytest.mark.parametrize("known", [(0xFFFF, 0), (0xFF00, 0), (0, 0x0FF0), (0xF00F, 0x3C3C), (0xFFFF, 0xFFFF)])
def test_products_of_numbers_with_known_digits(known: tuple[int, int], form: Form) -> None:
    numbers = (0xB7E6, 0x6BFD)
    executor = ClearExecutor()
    given = [executor.encrypt([number], 16) for number in numbers]
    operands = [masked(*each) for each in zip(given, numbers, known, strict=True)]
    result = run(plan(requested("Mul", operands, FheType.UINT16, form)), executor)
    assert executor.decrypt(result, 1) == [0xB7E6 * 0x6BFD & 0xFFFF]


def test_a_known_factor_costs_the_same_on_either_side() -> None:
    number, known = stored(64), constants(clear_number(64), 32)
    costs = {measured(multiply(*sides)).look_ups for sides in ((number, known), (known, number))}
    assert costs == {cost("Mul", FheType.UINT64, clear=True).look_ups}


def test_digits_that_a_cast_added_cost_no_product() -> None:
    narrow, wide = stored(16), stored(64)
    cast = measured(multiply(widened(narrow, 32), wide)).look_ups
    assert cast < cost("Mul", FheType.UINT64).look_ups // 2


@pytest.mark.parametrize("count", [0, 1, 2, 17, 60])
@pytest.mark.parametrize("form", list(Form))
def test_sums_wrap(count: int, form: Form) -> None:
    executor, source = ClearExecutor(), random.Random(count)
    values = [source.getrandbits(16) for _ in range(count)]
    operands = [executor.encrypt([value], 16) for value in values]
    request = requested("Sum", operands, FheType.UINT16, form)
    assert computed(request, executor, 1) == [sum(values) & 0xFFFF]


@pytest.mark.parametrize("count", [0, 1, 5, 33])
def test_membership(count: int) -> None:
    source = random.Random(count)
    candidates = [source.getrandbits(64) for _ in range(count)]
    for value in {*candidates[:1], *candidates[-1:], 2**64 - 1}:
        executor = ClearExecutor()
        operands = [executor.encrypt([each], 64) for each in (value, *candidates)]
        request = requested("IsIn", operands, FheType.UINT64, Form.THROUGHPUT)
        assert computed(request, executor, 1) == [int(value in candidates)]


@pytest.mark.parametrize("fhe_type", [FheType.UINT8, FheType.UINT32])
def test_multiply_divide_keeps_the_whole_product(fhe_type: FheType) -> None:
    top = (1 << fhe_type.bits) - 1
    pairs = pairs_of(fhe_type.bits)
    for divisor in (1, 3, 64, top):
        executor = ClearExecutor()
        left, right = (executor.encrypt(column, fhe_type.bits) for column in zip(*pairs, strict=True))
        request = requested("MulDiv", (left, right, divisor), fhe_type, Form.THROUGHPUT)
        assert computed(request, executor, len(pairs)) == [x * y // divisor & top for x, y in pairs]


def test_multiply_divide_by_a_clear_factor() -> None:
    executor = ClearExecutor()
    left = executor.encrypt([0, 1, 200, 255], 8)
    request = requested("MulDiv", (left, 250, 7), FheType.UINT8, Form.THROUGHPUT)
    assert computed(request, executor, 4) == [x * 250 // 7 & 255 for x in (0, 1, 200, 255)]


@pytest.mark.parametrize(("factor", "divisor"), [(77, 3), (15, 6), (151, 64634), (227, 45738)])
@pytest.mark.parametrize("form", list(Form))
def test_a_product_whose_high_digits_are_the_same_carry_is_divided(
    factor: int, divisor: int, form: Form
) -> None:
    """Equal digits add up in the columns of the next product."""
    run(plan(requested("MulDiv", (stored(16), factor, divisor), FheType.UINT16, form)), CountingExecutor())


@pytest.mark.parametrize(("bound", "blocks"), [(1, 0), (8, 2), (16, 2), (1 << 200, 4)])
def test_bounded_random_numbers_have_zeros_above_the_bound(bound: int, blocks: int) -> None:
    seeds = [seeded() for _ in range(4)]
    request = requested("RandBounded", (seeds, bound), FheType.UINT8, Form.THROUGHPUT)
    result = run(plan(request), CountingExecutor())
    assert len(result) == 4
    assert [block.is_constant for block in result] == [False] * blocks + [True] * (4 - blocks)


def test_a_bound_that_is_no_power_of_two_is_refused() -> None:
    request = requested("RandBounded", ([seeded()], 3), FheType.UINT8, Form.THROUGHPUT)
    with pytest.raises(OperationError, match="power of two"):
        plan(request)


def test_an_input_is_no_computation() -> None:
    request = Request(BY_NAME["VerifyInput"], (), FheType.UINT8, FheType.UINT8)
    with pytest.raises(OperationError, match="not a computation"):
        plan(request)


def test_an_encrypted_divisor_is_refused() -> None:
    blocks = ClearExecutor().encrypt([1], 8)
    with pytest.raises(OperationError, match="takes a plaintext"):
        plan(requested("Div", (blocks, blocks), FheType.UINT8, Form.THROUGHPUT))
