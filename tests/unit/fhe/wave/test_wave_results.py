"""Random windows give what the clear engine gives, on clear numbers and on ciphertexts."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from streams.domain.operations import BY_NAME, TYPE_BITS, FheType, Kind
from streams.fhe.clear import STORED, ClearCompute, decode, encode
from streams.fhe.component import component_outputs
from streams.fhe.devices.reference import ReferenceDevice
from streams.fhe.matrix import Cell
from streams.fhe.radix.forms import Form
from streams.fhe.suite import ClearValue
from streams.fhe.wave.component import Computed, Result
from streams.fhe.wave.executor import WaveExecutor
from tests import component_programs as programs
from tests.component_programs import Program
from tests.unit.fhe.devices.sets import SMALL, keys_of
from tests.unit.fhe.radix.semantics import BINARY
from tests.unit.fhe.wave.windows import (
    BOOL,
    U8,
    ClearSide,
    DeviceSide,
    Side,
    component,
    handle,
    settled,
    step,
    values,
    window,
    word,
)

CLIENT, SERVER = keys_of(SMALL)
FORMS = list(Form)
# Wide products take thousands of look-ups, most of them the same at any width.
HEAVY = frozenset({"Mul", "Div", "Rem", "MulDiv"})
HEAVY_BITS_MAX = 16
BITS_MAX = 256
NARROW = programs.cells({BOOL, U8}, is_seeded=False)
TOKEN = frozenset({"Add", "Sub", "BitAnd", "Eq", "Ge", "Le", "IfThenElse", "TrivialEncrypt"})
CELLS = [
    cell
    for cell in programs.cells(
        [each for each in FheType if each.bits <= BITS_MAX], is_seeded=False, library=True
    )
    if cell.name not in HEAVY or cell.fhe_type.bits <= HEAVY_BITS_MAX
]
NARROW_CELLS = [cell for cell in CELLS if max(cell.fhe_type.bits, cell.out_type.bits) <= HEAVY_BITS_MAX]
# Those of a longer run, in which hypothesis's own number of examples is raised.
EXAMPLES = 50 * settings().max_examples // settings.get_profile("default").max_examples


def drawn(source: random.Random, cells: Sequence[Cell], steps_max: int) -> list[Program]:
    """Three programs of these operations, half of them a token's: those the executor treats together."""
    token = [cell for cell in cells if cell.name in TOKEN]

    def chosen() -> list[Cell]:
        return [source.choice(source.choice((cells, token))) for _ in range(source.randint(1, steps_max))]

    names = ("one", "two", "three")
    return [programs.program(source, name, chosen(), source.choice("ab")) for name in names]


def expected(program: Program) -> dict[tuple[str, bytes], int]:
    """What the clear engine computes."""
    work = program.work(lambda fhe_type, number: encode(STORED, ClearValue(fhe_type, number)))
    outputs = component_outputs(ClearCompute(), work)
    return {(program.name, each.handle): decode(STORED, each.ct64, each.fhe_type) for each in outputs}


def found(side: Side, executor: WaveExecutor, given: Sequence[Program]) -> dict[tuple[str, bytes], int]:
    """What the window computes; a component enters with every batch."""
    results = list[Result]()
    for program in given:
        inputs = {each: side.value(FheType(each[30]), number) for each, number in program.inputs.items()}
        executor.submit(
            component(
                program.name, *program.steps, inputs=inputs, outputs=program.outputs, tenant=program.tenant
            )
        )
        results += executor.advance()
    results += executor.drain()
    return {place: side.number(value) for place, value in values(results).items()}


def wanted(given: Sequence[Program]) -> dict[tuple[str, bytes], int]:
    return {place: number for program in given for place, number in expected(program).items()}


def test_programs_are_drawn_from_the_whole_table() -> None:
    rows = BY_NAME.values()
    computed = {row.name for row in rows if row.kind is not Kind.INPUT and not row.is_random}
    assert {cell.name for cell in NARROW} == {cell.name for cell in CELLS} == computed


@given(
    source=st.randoms(use_true_random=False),
    batch_size=st.integers(1, 150),
    form=st.sampled_from(FORMS),
)
@settings(max_examples=EXAMPLES)
@pytest.mark.parametrize(("cells", "steps_max"), [(CELLS, 6), (NARROW_CELLS, 12)], ids=["wide", "narrow"])
def test_random_windows_on_clear_numbers(
    cells: list[Cell], steps_max: int, source: random.Random, batch_size: int, form: Form
) -> None:
    given, side = drawn(source, cells, steps_max), ClearSide()
    assert found(side, window(side, batch_size, form), given) == wanted(given)


@given(
    source=st.randoms(use_true_random=False),
    batch_size=st.integers(20, 100),
    form=st.sampled_from(FORMS),
)
@settings(max_examples=15, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_random_windows_on_ciphertexts(source: random.Random, batch_size: int, form: Form) -> None:
    given, side = drawn(source, NARROW, 4), DeviceSide(CLIENT, ReferenceDevice(SERVER))
    assert found(side, window(side, batch_size, form), given) == wanted(given)


@pytest.mark.parametrize(
    ("name", "other", "fhe_type", "number"),
    [
        ("Lt", handle("x"), BOOL, 1),
        ("Ge", handle("x"), BOOL, 0),
        ("BitAnd", word(0b0001_0111), U8, 0b1110_1111),
    ],
    ids=["known zero", "known one", "masked"],
)
def test_the_complement_is_of_the_whole_digit_whatever_of_it_is_known(
    name: str, other: bytes, fhe_type: FheType, number: int
) -> None:
    """Found at random: a digit that is known, or was masked, ends below three."""
    side, x, known, result = ClearSide(), handle("x"), handle("known", fhe_type), handle("result", fhe_type)
    steps = (step(name, x, other, result=known, is_scalar=other != x), step("Not", known, result=result))
    given = component("c", *steps, inputs={x: side.value(U8, 0b1001_1000)}, outputs=(result,))
    (value,) = values(settled(side, given)).values()
    assert side.number(value) == number


@pytest.mark.parametrize("name", sorted(BINARY))
@pytest.mark.parametrize("is_scalar", [False, True])
def test_binary_operations_of_the_table(name: str, is_scalar: bool) -> None:
    side, left, right = ClearSide(), 200, 77
    if BY_NAME[name].scalar == "must" and not is_scalar:
        return
    x, y = handle("x"), handle("y")
    result = handle("result", BOOL if BY_NAME[name].result == "bool" else U8)
    other = word(right) if is_scalar else y
    inputs = {x: side.value(U8, left), y: side.value(U8, right)}
    given = component("c", step(name, x, other, result=result, is_scalar=is_scalar), inputs=inputs)
    (value,) = values(settled(side, given)).values()
    assert side.number(value) == BINARY[name](left, right, 8) & 255


@pytest.mark.parametrize(
    ("name", "operands", "fhe_type", "is_scalar", "number"),
    [
        ("Neg", ("x",), U8, False, 56),
        ("Not", ("x",), U8, False, 55),
        ("Cast", ("x", bytes([FheType.UINT16])), FheType.UINT16, True, 200),
        ("Cast", ("x", bytes([BOOL])), BOOL, True, 1),
        ("Sum", ("x", "y", "x"), U8, False, 221),
        ("Sum", (), U8, False, 0),
        ("IsIn", ("x", "y", "x"), BOOL, False, 1),
        ("IsIn", ("x", "y"), BOOL, False, 0),
        ("MulDiv", ("x", "y", word(100)), U8, False, 154),
        ("MulDiv", ("x", word(3), word(4)), U8, True, 150),
        ("IfThenElse", ("flag", "x", "y"), U8, False, 200),
        ("TrivialEncrypt", (word(258), bytes([BOOL])), BOOL, True, 1),
        ("TrivialEncrypt", (word(256), bytes([BOOL])), BOOL, True, 0),
    ],
)
def test_operations_of_every_other_shape(
    name: str, operands: tuple[str | bytes, ...], fhe_type: FheType, is_scalar: bool, number: int
) -> None:
    side = ClearSide()
    names = {"x": (U8, 200), "y": (U8, 77), "flag": (BOOL, 1)}
    inputs = {handle(each, kind): side.value(kind, value) for each, (kind, value) in names.items()}
    given = [handle(each, names[each][0]) if isinstance(each, str) else each for each in operands]
    result = handle("result", fhe_type)
    (value,) = values(
        settled(side, component("c", step(name, *given, result=result, is_scalar=is_scalar), inputs=inputs))
    ).values()
    assert side.number(value) == number


@pytest.mark.parametrize("fhe_type", [BOOL, U8, FheType.UINT64])
def test_random_numbers_repeat_with_their_seed(fhe_type: FheType) -> None:
    side = DeviceSide(CLIENT, ReferenceDevice(SERVER))
    seeds = [bytes(16), bytes(16), b"another seed ..."]
    steps = [
        step("Rand", seed, bytes([fhe_type]), result=handle(f"r{i}", fhe_type), is_scalar=True)
        for i, seed in enumerate(seeds)
    ]
    results = settled(side, component("c", *steps, inputs={}, outputs=[each.result for each in steps]))
    one, same, other = (side.number(value) for value in values(results).values())
    assert one == same < 1 << TYPE_BITS[fhe_type]
    assert fhe_type is BOOL or one != other


@pytest.mark.parametrize("bound_log2", [0, 3, 7, 8])
def test_bounded_random_numbers_stay_below_their_bound(bound_log2: int) -> None:
    side = DeviceSide(CLIENT, ReferenceDevice(SERVER))
    steps = [
        step(
            "RandBounded",
            bytes([i]) * 16,
            word(1 << bound_log2),
            bytes([U8]),
            result=handle(f"r{i}"),
            is_scalar=True,
        )
        for i in range(6)
    ]
    results = settled(side, component("c", *steps, inputs={}, outputs=[each.result for each in steps]))
    numbers = [side.number(value) for value in values(results).values()]
    assert len(numbers) == 6
    assert max(numbers) < 1 << bound_log2


def test_a_value_may_be_used_twice_by_one_operation() -> None:
    side, x = ClearSide(), handle("x")
    given = component("c", step("Add", x, x, result=handle("sum")), inputs={x: side.value(U8, 150)})
    ((place, value),) = values(settled(side, given)).items()
    assert place == ("c", handle("sum"))
    assert side.number(value) == 44


def test_results_name_their_component_and_handle() -> None:
    side, x = ClearSide(), handle("x")
    given = component("c", step("Not", x, result=handle("n")), inputs={x: side.value(U8, 1)})
    (result,) = settled(side, given)
    assert isinstance(result, Computed)
    assert (result.component, result.handle, result.value.fhe_type) == ("c", handle("n"), U8)
