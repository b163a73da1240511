from collections.abc import Iterator, Sequence

import pytest

from streams.domain.digest import keccak256
from streams.domain.errors import OperationError
from streams.domain.handle import stamp
from streams.domain.operations import BY_CODE, BY_NAME, FheType
from streams.domain.results import Ciphertext
from streams.domain.work import ComputeWork, Step
from streams.fhe.component import component_outputs
from streams.fhe.suite import Encrypted, Operand

U64, BOOL = FheType.UINT64, FheType.BOOL


class Formula:
    """A suite whose ciphertexts are the formulas that made them."""

    def __init__(self) -> None:
        self.executed = 0

    def execute(self, operation: int, operands: Sequence[Operand], out_type: int) -> bytes:
        self.executed += 1
        texts = [operand.ct64 if isinstance(operand, Encrypted) else b"#" for operand in operands]
        return BY_CODE[operation].name.encode() + b"(" + b",".join(texts) + b")"


def handle(name: str, fhe_type: int = U64) -> bytes:
    return stamp(keccak256(name.encode()), 0xFF, 1, fhe_type)


def given(name: str, fhe_type: int = U64) -> Ciphertext:
    return Ciphertext(handle=handle(name, fhe_type), fhe_type=fhe_type, ct64=name.encode())


def step(operation: str | int, *operands: bytes, result: bytes, is_scalar: bool = False) -> Step:
    code = operation if isinstance(operation, int) else BY_NAME[operation].code
    return Step(operation=code, operands=operands, is_scalar=is_scalar, result=result, fhe_type=result[30])


def work(*steps: Step, inputs: tuple[Ciphertext, ...] = (), outputs: tuple[bytes, ...] = ()) -> ComputeWork:
    return ComputeWork(
        item="a",
        tenant="t",
        attempt=0,
        timeout_s=60,
        key_id=b"k",
        steps=steps,
        inputs=inputs,
        outputs=outputs,
    )


A, B, FITS = handle("a"), handle("b"), handle("fits", BOOL)
SUM, DIFFERENCE, CHOSEN = handle("sum"), handle("difference"), handle("chosen")
WORD = bytes(32)


def test_steps_feed_each_other_and_only_outputs_come_back() -> None:
    component = work(
        step("Ge", A, B, result=FITS),
        step("Add", A, WORD, result=SUM, is_scalar=True),
        step("IfThenElse", FITS, SUM, A, result=CHOSEN),
        inputs=(given("a"), given("b")),
        outputs=(CHOSEN,),
    )
    (output,) = tuple(component_outputs(Formula(), component))
    assert output == Ciphertext(handle=CHOSEN, fhe_type=U64, ct64=b"IfThenElse(Ge(a,b),Add(a,#),a)")


def test_a_suite_that_computes_whole_components_gets_them_whole_and_checked() -> None:
    class Whole(Formula):
        def outputs(self, work: ComputeWork) -> Iterator[Ciphertext]:
            yield Ciphertext(handle=work.outputs[0], fhe_type=U64, ct64=b"whole")

    added = step("Add", A, B, result=SUM)
    component = work(added, inputs=(given("a"), given("b")), outputs=(SUM,))
    assert [each.ct64 for each in component_outputs(Whole(), component)] == [b"whole"]
    with pytest.raises(OperationError, match="no step computes"):
        tuple(component_outputs(Whole(), work(inputs=(given("a"),), outputs=(SUM,))))


def test_an_output_is_there_before_the_next_step_runs() -> None:
    suite = Formula()
    component = work(
        step("Add", A, B, result=SUM),
        step("Sub", A, B, result=DIFFERENCE),
        inputs=(given("a"), given("b")),
        outputs=(SUM, DIFFERENCE),
    )
    outputs = component_outputs(suite, component)
    assert next(outputs).handle == SUM
    assert suite.executed == 1
    assert next(outputs).handle == DIFFERENCE


@pytest.mark.parametrize(
    ("steps", "outputs", "reason"),
    [
        ((step(200, A, B, result=SUM),), (SUM,), "unknown operation 200"),
        ((step("Add", A, handle("gone"), result=SUM),), (SUM,), "neither given nor computed"),
        ((step("Add", A, result=SUM),), (SUM,), "takes 2 operands, not 1"),
        ((step("Add", A, FITS, result=SUM),), (SUM,), "neither given"),
        ((step("Add", WORD, A, result=SUM, is_scalar=True),), (SUM,), "neither given"),
        ((step("IfThenElse", A, A, B, result=SUM),), (SUM,), "must be a Bool"),
        ((step("Ge", A, B, result=SUM),), (SUM,), "gives type 0"),
        ((step("Add", A, B, result=SUM),), (DIFFERENCE,), "no step computes"),
        ((step("Add", A, B, result=SUM), step("Sub", A, B, result=SUM)), (SUM,), "computed twice"),
        ((step("Add", A, DIFFERENCE, result=SUM), step("Sub", A, SUM, result=DIFFERENCE)), (SUM,), "neither"),
    ],
)
def test_a_defect_is_found_before_anything_is_computed(
    steps: tuple[Step, ...], outputs: tuple[bytes, ...], reason: str
) -> None:
    suite = Formula()
    good = step("Add", A, B, result=handle("first"))
    component = work(good, *steps, inputs=(given("a"), given("b")), outputs=(handle("first"), *outputs))
    with pytest.raises(OperationError, match=reason):
        tuple(component_outputs(suite, component))
    assert suite.executed == 0


def test_the_type_in_a_handle_is_the_type_of_the_result() -> None:
    wrong = Step(operation=0, operands=(A, B), is_scalar=False, result=SUM, fhe_type=BOOL)
    with pytest.raises(OperationError, match="not of type"):
        tuple(component_outputs(Formula(), work(wrong, inputs=(given("a"), given("b")), outputs=(SUM,))))
