"""The message of a component holds its inputs, all of them and nothing else."""

import msgspec

from streams.domain.lifecycle import WorkState
from streams.domain.operations import BY_NAME
from streams.domain.results import Ciphertext
from streams.domain.rows import MemberRow, WorkRow
from streams.domain.schedule import SLOW_LANE
from streams.messages import assembly
from tests.unit.domain.worlds import TENANT, ct64, h

LEFT, SUM, TWICE = h("left", 8), h("sum", 8), h("twice", 8)
SCALAR = h("stored somewhere else", 8)  # a plaintext of 32 bytes that somebody chose
ITEM = WorkRow(
    tenant=TENANT,
    id="i",
    work_class="tfhe",
    kind="compute",
    subject=SUM,
    affinity=SUM,
    contract=b"",
    cost_ms=1,
    state=WorkState.CLAIMED,
)


def member(position: int, handle: bytes, *operands: bytes, is_scalar: bool) -> MemberRow:
    return MemberRow(
        tenant=TENANT,
        item="i",
        handle=handle,
        position=position,
        fhe_operation=BY_NAME["Add"].code,
        dependencies=operands,
        is_scalar=is_scalar,
        fhe_type=8,
        is_output=True,
    )


MEMBERS = (member(1, TWICE, SUM, SUM, is_scalar=False), member(0, SUM, LEFT, SCALAR, is_scalar=True))


def given(handle: bytes) -> Ciphertext:
    return Ciphertext(handle=handle, fhe_type=8, ct64=ct64(handle))


def test_a_plaintext_with_the_bytes_of_a_handle_adds_no_input() -> None:
    alone = assembly.compute(ITEM, MEMBERS, [given(LEFT)])
    assert alone is not None
    assert alone.inputs == (given(LEFT),)
    assert assembly.compute(ITEM, MEMBERS, [given(SCALAR), given(LEFT)]) == alone


def test_steps_are_in_order_whatever_order_the_store_gives() -> None:
    work = assembly.compute(ITEM, MEMBERS, [given(LEFT)])
    assert work is not None
    assert [step.result for step in work.steps] == [SUM, TWICE]


def test_without_an_input_there_is_no_message_rather_than_one_that_fails_for_good() -> None:
    assert assembly.compute(ITEM, MEMBERS, []) is None


def test_a_worker_learns_whose_turn_it_is() -> None:
    slow = msgspec.structs.replace(ITEM, contract=b"token", priority=SLOW_LANE)
    work = assembly.compute(slow, MEMBERS, [given(LEFT)])
    assert work is not None
    assert (work.contract, work.priority) == (b"token", SLOW_LANE)
