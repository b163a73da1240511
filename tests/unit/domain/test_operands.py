"""Operands: which are handles, and which combinations an operation takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.errors import OperationError
from streams.domain.operands import check_operands, cost_ms, handle_operands, operation_digest
from streams.domain.operations import BY_CODE, BY_NAME, OPERATIONS, FheType, Kind
from tests.unit.domain.worlds import h

U8, U64, BOOL, WORD = FheType.UINT8, FheType.UINT64, FheType.BOOL, FheType.UINT256
A, B, C = h("a"), h("b"), h("c", BOOL)
PLAIN = (7).to_bytes(32, "big")


def _check(name: str, operands: tuple[bytes, ...], result: int, *, scalar: bool = False) -> None:
    check_operands(BY_NAME[name].code, operands, scalar, result)


def test_table_has_every_code_once_and_nothing_else():
    assert [operation.code for operation in OPERATIONS] == list(range(31))
    assert len({operation.event for operation in OPERATIONS}) == 31
    assert len(BY_NAME) == len(BY_CODE) == 31


@pytest.mark.parametrize(
    ("name", "operands", "scalar", "expected"),
    [
        ("Add", (A, B), False, (A, B)),
        ("Add", (A, PLAIN), True, (A,)),
        ("Neg", (A,), False, (A,)),
        ("Cast", (A, b"\x05"), True, (A,)),
        ("TrivialEncrypt", (PLAIN, b"\x05"), True, ()),
        ("IfThenElse", (C, A, B), False, (C, A, B)),
        ("Rand", (b"\0" * 16, b"\x05"), True, ()),
        ("RandBounded", (b"\0" * 16, PLAIN, b"\x05"), True, ()),
        ("Sum", (A, B, A), False, (A, B, A)),
        ("IsIn", (A, B), False, (A, B)),
        ("MulDiv", (A, B, PLAIN), False, (A, B)),
        ("MulDiv", (A, PLAIN, PLAIN), True, (A,)),
        ("MulDiv", (A,), False, (A,)),
        ("VerifyInput", (A,), False, ()),
    ],
)
def test_handle_operands_are_those_that_the_store_must_have(name, operands, scalar, expected):
    assert handle_operands(BY_NAME[name].code, operands, scalar) == expected


def test_unknown_operation_has_no_handles_and_is_refused():
    assert handle_operands(99, (A,), False) == ()
    with pytest.raises(OperationError, match="unknown operation 99"):
        check_operands(99, (A,), False, U64)


def test_verified_input_is_never_a_computation():
    with pytest.raises(OperationError, match="unknown operation 22"):
        _check("VerifyInput", (A,), U64)


@pytest.mark.parametrize(
    ("name", "operands", "result", "scalar"),
    [
        ("Add", (A, B), U64, False),
        ("Add", (A, PLAIN), U64, True),
        ("Ge", (A, B), BOOL, False),
        ("Eq", (C, C), BOOL, False),
        ("BitAnd", (C, C), BOOL, False),
        ("Div", (A, PLAIN), U64, True),
        ("IfThenElse", (C, A, B), U64, False),
        ("IfThenElse", (C, C, C), BOOL, False),
        ("Cast", (A, bytes((WORD,))), WORD, True),
        ("TrivialEncrypt", (PLAIN, bytes((U64,))), U64, True),
        ("Sum", (), U64, False),
        ("IsIn", (A,), BOOL, False),
    ],
)
def test_fitting_operands_are_taken(name, operands, result, scalar):
    _check(name, operands, result, scalar=scalar)


@pytest.mark.parametrize(
    ("name", "operands", "result", "scalar", "message"),
    [
        ("Add", (A,), U64, False, "takes 2 operands, not 1"),
        ("Add", (), U64, False, "takes 2 operands, not 0"),
        ("IfThenElse", (C, A), U64, False, "takes 3 operands"),
        ("Add", (A, h("x", U8)), U64, False, "different types"),
        ("Add", (C, C), BOOL, False, "does not take type 0"),
        ("Ge", (A, B), U64, False, "gives type 0"),
        ("Add", (A, B), U8, False, "gives type 5"),
        ("IfThenElse", (A, A, B), U64, False, "must be a Bool"),
        ("IfThenElse", (C, A, C), U64, False, "different types"),
        ("Div", (A, B), U64, False, "takes a plaintext"),
        ("Div", (A, bytes(32)), U64, True, "Div by zero"),
        ("Rem", (h("x", U8), (256).to_bytes(32, "big")), U8, True, "Rem by zero"),
        ("MulDiv", (A, B, (1 << 64).to_bytes(32, "big")), U64, False, "MulDiv by zero"),
        ("TrivialEncrypt", (PLAIN, b"\x01"), FheType.UINT4, True, "does not take type 1"),
        ("Cast", (A, b"\x00"), BOOL, True, "does not give type 0"),
        ("Cast", (A, b"\x04"), U64, True, "gives type 4, its handle says 5"),
    ],
)
def test_operands_that_do_not_fit_are_named(name, operands, result, scalar, message):
    with pytest.raises(OperationError, match=message):
        _check(name, operands, result, scalar=scalar)


@given(st.binary(min_size=1, max_size=40), st.binary(min_size=1, max_size=40))
def test_meaning_tells_operands_apart_wherever_they_are_split(left: bytes, right: bytes):
    joined, split = (
        operation_digest(0, (left + right,), False, 5),
        operation_digest(0, (left, right), False, 5),
    )
    assert joined != split


def test_meaning_depends_on_order_scalar_flag_and_type():
    digests = {
        operation_digest(1, (A, B), False, 5),
        operation_digest(1, (B, A), False, 5),
        operation_digest(1, (A, B), True, 5),
        operation_digest(1, (A, B), False, 4),
        operation_digest(0, (A, B), False, 5),
    }
    assert len(digests) == 5


def _cost(name: str, *operands: bytes, result: int = U64, scalar: bool = False) -> int:
    return cost_ms(BY_NAME[name].code, operands, scalar, result)


def test_cost_grows_with_the_width_and_never_vanishes():
    costs = [_cost("Add", *(h(name, t) for name in "ab"), result=t) for t in (U8, U64, FheType.UINT128)]
    assert costs == sorted(costs)
    assert costs[1] == BY_NAME["Add"].tfhe_ms
    assert all(cost_ms(o.code, (A,), False, U64) > 0 for o in OPERATIONS if o.kind is not Kind.INPUT)
    assert cost_ms(99, (A, B), False, U64) == _cost("Add", h("x", 200), h("y", 200), result=200) == 0


def test_cost_is_that_of_the_operands_and_not_of_the_result():
    assert _cost("Ge", A, B, result=BOOL) == BY_NAME["Ge"].tfhe_ms
    assert _cost("IfThenElse", C, A, B) == BY_NAME["IfThenElse"].tfhe_ms
    assert _cost("Rand", b"\0" * 16, b"\x05", scalar=True) == BY_NAME["Rand"].tfhe_ms


def test_cost_of_a_collection_grows_with_its_values():
    assert _cost("Sum", *(A,) * 60) == 20 * _cost("Sum", A, A, A)
    assert _cost("IsIn", A, *(B,) * 60, result=BOOL) > 10 * _cost("IsIn", A, *(B,) * 5, result=BOOL)
