import pytest

from streams.domain.errors import OperationError
from streams.domain.operations import BY_NAME, OPERATIONS, FheType, Operation
from streams.fhe import coverage
from streams.fhe.suite import Encrypted, Operand, Plain

U64, U8, BOOL = FheType.UINT64, FheType.UINT8, FheType.BOOL


def enc(fhe_type: int = U64) -> Encrypted:
    return Encrypted(fhe_type, b"")


PLAIN = Plain(b"\x01")


def checked(name: str, *operands: Operand, out: int) -> Operation:
    return coverage.checked(BY_NAME[name].code, operands, out)


@pytest.mark.parametrize(
    ("name", "operands", "out"),
    [
        ("Add", (enc(), enc()), U64),
        ("Add", (enc(), PLAIN), U64),
        ("Ge", (enc(), PLAIN), BOOL),
        ("Eq", (enc(BOOL), enc(BOOL)), BOOL),
        ("BitAnd", (enc(BOOL), PLAIN), BOOL),
        ("IfThenElse", (enc(BOOL), enc(), enc()), U64),
        ("IfThenElse", (enc(BOOL), enc(BOOL), enc(BOOL)), BOOL),
        ("TrivialEncrypt", (PLAIN, Plain(bytes((U64,)))), U64),
    ],
)
def test_fitting_operands_pass(name: str, operands: tuple[Operand, ...], out: int) -> None:
    assert checked(name, *operands, out=out) is BY_NAME[name]


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
        ("IfThenElse", (enc(), enc(), enc()), U64),
        ("IfThenElse", (enc(BOOL), enc(), enc(BOOL)), U64),
        ("IfThenElse", (enc(BOOL), enc(), PLAIN), U64),
        ("TrivialEncrypt", (PLAIN, Plain(bytes((BOOL,)))), U64),
        ("TrivialEncrypt", (PLAIN, Plain(b"")), U64),
        ("TrivialEncrypt", (PLAIN,), U64),
        ("TrivialEncrypt", (enc(), Plain(bytes((U64,)))), U64),
    ],
)
def test_other_operands_are_refused(name: str, operands: tuple[Operand, ...], out: int) -> None:
    with pytest.raises(OperationError):
        checked(name, *operands, out=out)


def test_unknown_operations_are_refused() -> None:
    with pytest.raises(OperationError, match="operation 200"):
        coverage.checked(200, [enc(), enc()], U64)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_exists_only_with_its_types(operation: Operation) -> None:
    exists = operation.name in coverage.COVERED_OPERATIONS
    assert coverage.covered(operation.code, [U64]) is exists
    assert not coverage.covered(operation.code, [U8])
