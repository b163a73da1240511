"""Every cell of the clear engine against plain integers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.fhe.clear_model import expected

from streams.domain.errors import OperationError
from streams.domain.operations import BY_NAME, FheType, Kind
from streams.fhe import clear, matrix
from streams.fhe.suite import ClearValue, Encrypted, Operand, Plain

U8, U64, BOOL = FheType.UINT8, FheType.UINT64, FheType.BOOL
CELLS = matrix.cells(library=True)
CERTAIN = [cell for cell in CELLS if not cell.operation.is_random]


def numbers(bits: int) -> st.SearchStrategy[int]:
    """Edges of the width, and small and large numbers around them."""
    top = 1 << bits
    edges = st.sampled_from([0, 1, 2, 3, bits - 1, bits, bits + 1, top >> 1, top - 1, top, top + 1])
    return edges | st.integers(0, top - 1) | st.integers(0, (1 << 256) - 1)


def stored(operand: matrix.ClearOperand) -> Operand:
    if isinstance(operand, Plain):
        return operand
    return Encrypted(operand.fhe_type, clear.encode(clear.STORED, operand))


def computed(cell: matrix.Cell, operands: tuple[matrix.ClearOperand, ...]) -> int:
    code = cell.operation.code
    ct64 = clear.ClearCompute().execute(code, [stored(operand) for operand in operands], cell.out_type)
    return clear.decode(clear.STORED, ct64, cell.out_type)


@pytest.mark.parametrize("cell", CERTAIN, ids=str)
@settings(max_examples=12)
@given(data=st.data())
def test_a_cell_computes_what_integers_do(cell: matrix.Cell, data: st.DataObject) -> None:
    drawn = (data.draw(numbers(cell.fhe_type.bits)) for _ in range(3))
    operands = matrix.operands(cell, *drawn)
    assert computed(cell, operands) == expected(cell, operands)


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.operation.is_random], ids=str)
def test_random_numbers_follow_from_the_seed_and_stay_below_their_bound(cell: matrix.Cell) -> None:
    for bits in (0, 1, 3, cell.fhe_type.bits):
        operands = matrix.operands(cell, 1 << 100, bits, 0)
        value = computed(cell, operands)
        assert value == computed(cell, operands)
        assert value < 1 << (bits if cell.operation.kind is Kind.RAND_BOUNDED else cell.fhe_type.bits)


def rand(seed: bytes, fhe_type: FheType = U64) -> int:
    cell = matrix.Cell("Rand", fhe_type, fhe_type)
    return computed(cell, (Plain(seed), Plain(bytes((fhe_type,)))))


def test_a_seed_has_16_bytes_and_each_counts() -> None:
    seeds = [bytes(place) + b"\x01" + bytes(15 - place) for place in range(16)]
    assert len({rand(seed) for seed in seeds}) == 16
    assert rand(b"\xff" + seeds[0]) == rand(seeds[0])


def test_random_bools_are_both() -> None:
    assert {rand(bytes((seed,)), BOOL) for seed in range(16)} == {0, 1}


def test_a_bound_beyond_the_type_is_the_type() -> None:
    cell = matrix.Cell("RandBounded", U8, U8)
    bound = Plain((1 << 40).to_bytes(32, "big"))
    assert computed(cell, (Plain(b"s"), bound, Plain(b"\x02"))) == rand(b"s", U8)


def execute(name: str, *operands: Operand, out: int) -> int:
    ct64 = clear.ClearCompute().execute(BY_NAME[name].code, operands, out)
    return clear.decode(clear.STORED, ct64, out)


@pytest.mark.parametrize("count", [0, 1, 2, 60])
def test_collections_of_any_size(count: int) -> None:
    values = [stored(ClearValue(U64, (1 << 60) + index)) for index in range(count)]
    total = count * (1 << 60) + count * (count - 1) // 2
    assert execute("Sum", *values, out=U64) == total % (1 << 64)
    last = stored(ClearValue(U64, (1 << 60) + count - 1))
    assert execute("IsIn", last, *values, out=BOOL) == (count > 0)
    assert execute("IsIn", stored(ClearValue(U64, 5)), *values, out=BOOL) == 0


def test_a_product_is_divided_before_it_is_cut() -> None:
    factors = stored(ClearValue(U8, 200)), stored(ClearValue(U8, 100))
    assert execute("MulDiv", *factors, Plain(b"\xff"), out=U8) == 200 * 100 // 255
    assert execute("MulDiv", *factors, Plain(b"\x02"), out=U8) == (200 * 100 // 2) % 256
    assert execute("MulDiv", factors[0], Plain(b"\x01\x64"), Plain(b"\x07\xff"), out=U8) == 78


@pytest.mark.parametrize(
    ("name", "operands"),
    [
        ("Div", (ClearValue(U8, 9), Plain(b"\x01\x00"))),
        ("Rem", (ClearValue(U8, 9), Plain(b""))),
        ("MulDiv", (ClearValue(U8, 9), ClearValue(U8, 9), Plain(b"\x03\x00"))),
    ],
)
def test_division_by_zero_after_truncation_is_an_error_of_the_operation(
    name: str, operands: tuple[matrix.ClearOperand, ...]
) -> None:
    with pytest.raises(OperationError, match=f"{name} by zero"):
        execute(name, *map(stored, operands), out=U8)


@pytest.mark.parametrize("fhe_type", sorted(FheType))
def test_every_type_is_stored_and_sent_in_its_width(fhe_type: FheType) -> None:
    value = ClearValue(fhe_type, (1 << fhe_type.bits) - 1)
    ct64 = clear.encode(clear.STORED, value)
    assert len(ct64) == 5 + max(32, fhe_type.bits // 8)
    assert clear.decode(clear.STORED, ct64, fhe_type) == value.value
    raw = clear.encode_list([value, ClearValue(BOOL, 1), value], b"aux", bytes(clear.SALT_BYTES))
    assert [item.ct64 for item in clear.ClearProof().verify(raw, b"aux", b"")][::2] == [ct64, ct64]
