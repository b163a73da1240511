from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.operations import OPERATIONS, FheType, Kind, Scalar
from streams.fhe import matrix
from streams.fhe.suite import ClearValue, Plain

CELLS = matrix.cells(library=True)
numbers = st.integers(0, (1 << 2048) - 1)


def test_every_operation_has_a_cell_for_each_of_its_types() -> None:
    found = {(cell.name, cell.fhe_type) for cell in matrix.cells()}
    assert found == {(row.name, t) for row in OPERATIONS if row.kind is not Kind.INPUT for t in row.types}


def test_an_operation_with_a_choice_has_both_forms() -> None:
    forms = Counter(cell.name for cell in matrix.cells() if cell.operation.kind is not Kind.CAST)
    for row in OPERATIONS:
        if row.kind not in (Kind.INPUT, Kind.CAST):
            assert forms[row.name] == len(row.types) * (2 if row.scalar is Scalar.MAY else 1)


def test_names_of_cells_are_different() -> None:
    assert len({str(cell) for cell in CELLS}) == len(CELLS)
    assert str(matrix.Cell("Cast", FheType.UINT8, FheType.UINT64)) == "Cast_8_to_64"
    assert str(matrix.Cell("Add", FheType.UINT8, FheType.UINT8, scalar=True)) == "Add_8_scalar"


def test_contracts_have_fewer_cells_than_engines() -> None:
    assert set(matrix.cells()) < set(CELLS)
    assert {cell.fhe_type for cell in CELLS} == set(FheType)


@given(st.sampled_from(CELLS), numbers, numbers, numbers)
def test_operands_have_the_width_of_their_types(cell: matrix.Cell, left: int, right: int, third: int) -> None:
    for operand in matrix.operands(cell, left, right, third):
        if isinstance(operand, ClearValue):
            assert 0 <= operand.value < 1 << FheType(operand.fhe_type).bits


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.name in ("Div", "Rem", "MulDiv")], ids=str)
def test_no_divisor_is_zero(cell: matrix.Cell) -> None:
    divisor = matrix.operands(cell, 1, 1 << 200, 1 << 200)[-1]
    assert isinstance(divisor, Plain)
    assert int.from_bytes(divisor.value, "big") % (1 << cell.fhe_type.bits) != 0
