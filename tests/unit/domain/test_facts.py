"""Facts, results and work as bytes."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.errors import Undecodable
from streams.domain.facts import (
    FACT_BYTES_MAX,
    FactPart,
    GatewayRange,
    KeyActivated,
    decode_fact,
    encode_fact,
    host_tenant,
)
from streams.domain.results import Ciphertext, Computed, Failed, decode_result, encode_result
from streams.domain.work import (
    ComputeWork,
    RejectResponse,
    SendWork,
    Step,
    WorkClass,
    decode_work,
    encode_work,
    item_id,
    timeout_ms,
)
from tests.unit.domain.worlds import ACL, CHAIN, KEY, Logs, block, gateway, h, request_log


@pytest.mark.parametrize(
    "fact",
    [KEY, gateway(0, 5, request_log(3)), block("b", 1, "a", Logs().trivial(h("x"), 1).allow(h("x")))],
)
def test_fact_survives_its_encoding(fact: KeyActivated | GatewayRange):
    (record,) = encode_fact(fact)
    assert decode_fact(record) == fact


@given(st.integers(0, 3), st.integers(0, 400_000))
def test_no_record_is_larger_than_allowed_and_parts_join_to_the_whole(count: int, size: int):
    logs = tuple(
        msgspec.structs.replace(Logs().allow(h("x")).done()[0], data=bytes(size), log_index=index)
        for index in range(count)
    )
    fact = msgspec.structs.replace(block("b", 1, "a"), logs=logs)
    records = encode_fact(fact)
    assert all(len(record) <= FACT_BYTES_MAX for record in records)
    if len(records) == 1:
        return
    parts = [decode_fact(record) for record in records]
    bodies = [part.body for part in parts if isinstance(part, FactPart)]
    assert decode_fact(b"".join(bodies)) == fact


@pytest.mark.parametrize(
    "value", [b"", b"{}", b"null", b'{"type":"unknown"}', b"\xff", b'{"type":"host_block"}']
)
def test_bytes_that_are_no_message_are_undecodable(value: bytes):
    for decode in (decode_fact, decode_result, decode_work):
        with pytest.raises(Undecodable, match="not a"):
            decode(value)


def test_tenant_is_chain_and_access_list():
    assert host_tenant(CHAIN, ACL) == "12345.50157cffd6bbfa2dece204a89ec419c23ef5755d"


def test_results_and_work_survive_their_encoding():
    value = Ciphertext(handle=h("x"), fhe_type=5, ct64=b"\x01")
    computed = Computed(item="i", attempt=1, worker="w", key_id=bytes(32), ciphertexts=(value,))
    failed = Failed(item="i", attempt=1, worker="w", category="recoverable", error="E", message="m")
    assert [decode_result(encode_result(r)) for r in (computed, failed)] == [computed, failed]
    step = Step(operation=0, operands=(h("x"), h("y")), is_scalar=False, result=h("z"), fhe_type=5)
    compute = ComputeWork(
        item="i",
        tenant="t",
        attempt=0,
        timeout_s=60,
        key_id=b"k",
        steps=(step,),
        inputs=(value,),
        outputs=(h("z"),),
    )
    call = RejectResponse(zk_proof_id=3, extra_data=b"\0")
    send = SendWork(item="i", tenant="t", attempt=0, timeout_s=60, call=call)
    assert [decode_work(encode_work(w)) for w in (compute, send)] == [compute, send]


def test_unknown_fields_of_a_newer_version_are_passed_over():
    (record,) = encode_fact(KEY)
    newer = msgspec.json.encode(msgspec.json.decode(record) | {"added_later": 1})
    assert decode_fact(newer) == KEY


def test_item_id_tells_class_tenant_and_subject_apart():
    ids = {item_id(c, t, s) for c in WorkClass for t in ("a", "b") for s in (b"x", b"y")}
    assert len(ids) == len(WorkClass) * 4
    assert all(len(i) == 32 for i in ids)


def test_timeout_is_ten_times_the_estimate_and_at_least_a_minute():
    assert (timeout_ms(1), timeout_ms(60_000)) == (60_000, 600_000)
