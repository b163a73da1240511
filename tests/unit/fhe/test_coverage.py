import pytest

from streams.domain.errors import OperationError
from streams.domain.operations import BY_NAME, FheType, Operation
from streams.fhe import coverage, matrix
from streams.fhe.suite import ClearValue, Encrypted, Operand, Plain

U64, U8, BOOL = FheType.UINT64, FheType.UINT8, FheType.BOOL
PLAIN = Plain(b"\x01")


def enc(fhe_type: int = U64) -> Encrypted:
    return Encrypted(fhe_type, b"")


def checked(name: str, *operands: Operand, out: int) -> Operation:
    return coverage.checked(BY_NAME[name].code, operands, out)


@pytest.mark.parametrize("cell", matrix.cells(library=True), ids=str)
def test_every_cell_passes(cell: matrix.Cell) -> None:
    operands = [
        enc(operand.fhe_type) if isinstance(operand, ClearValue) else operand
        for operand in matrix.operands(cell, 5, 3, 2)
    ]
    assert checked(cell.name, *operands, out=cell.out_type) is cell.operation


@pytest.mark.parametrize(
    ("name", "operands", "out"),
    [
        ("Add", (enc(), enc(BOOL)), U64),
        ("Add", (enc(BOOL), enc(BOOL)), BOOL),  # Bool has no sum
        ("Add", (PLAIN, enc()), U64),  # only the right operand may be plain
        ("Add", (enc(),), U64),
        ("Add", (enc(), enc(), enc()), U64),
        ("Add", (enc(), enc()), BOOL),
        ("Ge", (enc(), enc()), U64),
        ("Ge", (enc(BOOL), enc(BOOL)), BOOL),
        ("Div", (enc(), enc()), U64),
        ("Div", (enc(), Plain(bytes(32))), U64),
        ("IfThenElse", (enc(), enc(), enc()), U64),
        ("IfThenElse", (enc(BOOL), enc(), enc(BOOL)), U64),
        ("IfThenElse", (enc(BOOL), enc(), PLAIN), U64),
        ("TrivialEncrypt", (PLAIN, Plain(bytes((BOOL,)))), U64),
        ("TrivialEncrypt", (PLAIN, Plain(b"")), U64),
        ("TrivialEncrypt", (PLAIN,), U64),
        ("TrivialEncrypt", (enc(), Plain(bytes((U64,)))), U64),
        ("Sum", (enc(), enc(U8)), U64),
        ("IsIn", (), BOOL),
        ("MulDiv", (enc(), enc(), enc()), U64),
    ],
)
def test_other_operands_are_refused(name: str, operands: tuple[Operand, ...], out: int) -> None:
    with pytest.raises(OperationError):
        checked(name, *operands, out=out)


@pytest.mark.parametrize("code", [22, 31, 200])
def test_unknown_operations_are_refused(code: int) -> None:
    with pytest.raises(OperationError, match=f"operation {code}"):
        coverage.checked(code, [enc(), enc()], U64)
