"""Which operands each operation takes, for contracts and for the engines."""

import pytest

from streams.domain.errors import OperationError
from streams.domain.operations import BY_NAME, OPERATIONS, FheType, Kind, Scalar, values_max
from streams.domain.rules import Shape, check_shapes, computation, encrypted_operands

U4, U8, U16, U64, BOOL = FheType.UINT4, FheType.UINT8, FheType.UINT16, FheType.UINT64, FheType.BOOL
U128, U160, U256, U2048 = FheType.UINT128, FheType.UINT160, FheType.UINT256, FheType.UINT2048
ONE, SEED = (1).to_bytes(32, "big"), b"\x01" * 16


def check(name: str, *shapes: Shape, gives: int, library: bool = False) -> None:
    check_shapes(BY_NAME[name], shapes, gives, library=library)


def fitting(kind: Kind, fhe_type: FheType, scalar: Scalar) -> tuple[Shape, ...]:
    """Operands of that type."""
    stated = bytes((fhe_type,))
    right: Shape = ONE if scalar is Scalar.MUST else int(fhe_type)
    shapes: dict[Kind, tuple[Shape, ...]] = {
        Kind.BINARY: (fhe_type, right),
        Kind.UNARY: (fhe_type,),
        Kind.CAST: (fhe_type, bytes((FheType.UINT32 if fhe_type is not FheType.UINT32 else U8,))),
        Kind.TRIVIAL: (ONE, stated),
        Kind.SELECT: (BOOL, fhe_type, fhe_type),
        Kind.RAND: (SEED, stated),
        Kind.RAND_BOUNDED: (SEED, ONE, stated),
        Kind.SUM: (fhe_type,) * 3,
        Kind.IS_IN: (fhe_type,) * 4,
        Kind.MUL_DIV: (fhe_type, fhe_type, ONE),
    }
    return shapes[kind]


def given(name: str, fhe_type: FheType) -> tuple[tuple[Shape, ...], int]:
    """Operands and the result's type."""
    row = BY_NAME[name]
    shapes = fitting(row.kind, fhe_type, row.scalar)
    if row.kind is Kind.CAST:
        assert isinstance(shapes[1], bytes)
        return shapes, shapes[1][0]
    return shapes, BOOL if row.result == "bool" else fhe_type


COMPUTED = [row.name for row in OPERATIONS if row.kind is not Kind.INPUT]


@pytest.mark.parametrize("name", COMPUTED)
def test_an_operation_takes_its_own_types_and_no_other(name: str) -> None:
    row = BY_NAME[name]
    for fhe_type in FheType:
        shapes, gives = given(name, fhe_type)
        for library, allowed in ((False, row.types), (True, row.library)):
            if fhe_type in allowed:
                check(name, *shapes, gives=gives, library=library)
                continue
            with pytest.raises(OperationError, match=f"{name} does not take type {int(fhe_type)}"):
                check(name, *shapes, gives=gives, library=library)


@pytest.mark.parametrize("name", [row.name for row in OPERATIONS if row.kind not in (Kind.INPUT, Kind.SUM)])
def test_too_few_operands_are_refused(name: str) -> None:
    shapes, gives = given(name, min(BY_NAME[name].types))
    minimum = 1 if name == "IsIn" else len(shapes)
    with pytest.raises(OperationError, match=r"takes|without a value"):
        check(name, *shapes[: minimum - 1], gives=gives)


@pytest.mark.parametrize("name", [n for n in COMPUTED if BY_NAME[n].kind not in (Kind.SUM, Kind.IS_IN)])
def test_too_many_operands_are_refused(name: str) -> None:
    shapes, gives = given(name, min(BY_NAME[name].types))
    with pytest.raises(OperationError, match=f"takes {len(shapes)} operands, not {len(shapes) + 1}"):
        check(name, *shapes, shapes[-1], gives=gives)


@pytest.mark.parametrize("name", COMPUTED)
def test_the_result_has_the_type_that_follows(name: str) -> None:
    fhe_type = U8 if name != "Cast" else U64
    shapes, _ = given(name, fhe_type)
    with pytest.raises(OperationError, match="gives type"):
        check(name, *shapes, gives=U16)


@pytest.mark.parametrize(
    ("name", "shapes", "gives"),
    [
        ("Add", (ONE, U64), U64),
        ("Neg", (ONE,), U64),
        ("Cast", (ONE, b"\x05"), U64),
        ("Cast", (U8, U64), U64),
        ("TrivialEncrypt", (U64, b"\x05"), U64),
        ("IfThenElse", (BOOL, U64, ONE), U64),
        ("Rand", (SEED, U64), U64),
        ("RandBounded", (SEED, U64, b"\x05"), U64),
        ("Sum", (U64, ONE), U64),
        ("IsIn", (U64, ONE), BOOL),
        ("MulDiv", (ONE, U64, ONE), U64),
        ("MulDiv", (U64, U64, U64), U64),
        ("Div", (U64, U64), U64),
        ("Rem", (U64, U64), U64),
    ],
)
def test_plain_and_encrypted_operands_have_their_places(
    name: str, shapes: tuple[Shape, ...], gives: int
) -> None:
    with pytest.raises(OperationError, match="plaintext"):
        check(name, *shapes, gives=gives)


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("Add", (U64, U8)),
        ("Shl", (U64, U8)),
        ("IfThenElse", (BOOL, U64, U8)),
        ("Sum", (U64, U64, U8)),
        ("IsIn", (U64, U8)),
        ("MulDiv", (U64, U8, ONE)),
    ],
)
def test_different_types_are_refused(name: str, shapes: tuple[Shape, ...]) -> None:
    with pytest.raises(OperationError, match="different types"):
        check(name, *shapes, gives=U64)


@pytest.mark.parametrize("name", ["Div", "Rem"])
@pytest.mark.parametrize("fhe_type", [U8, U16, U64, U128])
def test_a_divisor_is_cut_to_the_width_before_it_is_compared_with_zero(name: str, fhe_type: FheType) -> None:
    beyond = 1 << fhe_type.bits
    check(name, fhe_type, (beyond + 1).to_bytes(32, "big"), gives=fhe_type)
    for divisor in (b"", bytes(32), beyond.to_bytes(32, "big")):
        with pytest.raises(OperationError, match=f"{name} by zero"):
            check(name, fhe_type, divisor, gives=fhe_type)


@pytest.mark.parametrize("factor", [U16, ONE])
def test_a_fused_divisor_is_cut_to_the_width_too(factor: Shape) -> None:
    check("MulDiv", U16, factor, b"\x01\x00\x07", gives=U16)
    with pytest.raises(OperationError, match="MulDiv by zero"):
        check("MulDiv", U16, factor, b"\x01\x00\x00", gives=U16)


@pytest.mark.parametrize("fhe_type", sorted(BY_NAME["Sum"].types | BY_NAME["IsIn"].types))
def test_collections_have_a_limit(fhe_type: FheType) -> None:
    most = values_max(fhe_type)
    assert most == (100 if fhe_type.bits <= 32 else 60)
    check("IsIn", fhe_type, *(fhe_type,) * most, gives=BOOL)
    with pytest.raises(OperationError, match=f"IsIn of {most + 1} values, at most {most}"):
        check("IsIn", fhe_type, *(fhe_type,) * (most + 1), gives=BOOL)
    if fhe_type in BY_NAME["Sum"].types:
        check("Sum", *(fhe_type,) * most, gives=fhe_type)
        with pytest.raises(OperationError, match=f"Sum of {most + 1} values, at most {most}"):
            check("Sum", *(fhe_type,) * (most + 1), gives=fhe_type)


def test_empty_collections_are_allowed() -> None:
    check("Sum", gives=U64)
    check("IsIn", U64, gives=BOOL)
    with pytest.raises(OperationError, match="does not take type 8"):
        check("Sum", gives=U256)


@pytest.mark.parametrize("bound", [0, 3, 12, (1 << 64) - 1])
def test_a_random_number_is_below_a_power_of_two(bound: int) -> None:
    with pytest.raises(OperationError, match="no power of two"):
        check("RandBounded", SEED, bound.to_bytes(32, "big"), bytes((U64,)), gives=U64)
    check("RandBounded", SEED, (1 << 64).to_bytes(32, "big"), bytes((U64,)), gives=U64)


@pytest.mark.parametrize(
    ("source", "target"), [(U64, BOOL), (U64, U160), (U160, U64), (U8, U4), (U256, U2048)]
)
def test_contracts_cast_to_numbers_only_but_engines_to_anything(source: FheType, target: FheType) -> None:
    check("Cast", source, bytes((target,)), gives=target, library=True)
    with pytest.raises(OperationError, match="Cast does not"):
        check("Cast", source, bytes((target,)), gives=target)


@pytest.mark.parametrize("stated", [b"", b"\0\x05"])
def test_a_type_is_one_byte(stated: bytes) -> None:
    with pytest.raises(OperationError, match="one byte"):
        check("TrivialEncrypt", ONE, stated, gives=U64)


@pytest.mark.parametrize("fhe_type", [12, 17, 30, 83, 255])
def test_types_that_do_not_exist_are_refused(fhe_type: int) -> None:
    with pytest.raises(OperationError, match=f"does not take type {fhe_type}"):
        check("Add", fhe_type, fhe_type, gives=fhe_type, library=True)


@pytest.mark.parametrize("code", [22, 31, 32, 200, -1])
def test_codes_that_are_no_computation_are_refused(code: int) -> None:
    with pytest.raises(OperationError, match=f"unknown operation {code}"):
        computation(code)


def test_what_contracts_can_ask_for_the_engines_have() -> None:
    assert all(row.types <= row.library for row in OPERATIONS if row.kind is not Kind.INPUT)
    assert all(row.targets <= row.library for row in OPERATIONS)


@pytest.mark.parametrize(
    ("name", "count", "is_scalar", "expected"),
    [
        ("Add", 2, False, (True, True)),
        ("Add", 2, True, (True, False)),
        ("Not", 1, False, (True,)),
        ("Cast", 2, True, (True, False)),
        ("TrivialEncrypt", 2, True, (False, False)),
        ("IfThenElse", 3, False, (True, True, True)),
        ("Rand", 2, True, (False, False)),
        ("RandBounded", 3, True, (False, False, False)),
        ("Sum", 4, False, (True,) * 4),
        ("IsIn", 3, False, (True,) * 3),
        ("MulDiv", 3, False, (True, True, False)),
        ("MulDiv", 3, True, (True, False, False)),
    ],
)
def test_which_operands_are_handles(
    name: str, count: int, is_scalar: bool, expected: tuple[bool, ...]
) -> None:
    assert encrypted_operands(BY_NAME[name], count, is_scalar) == expected
