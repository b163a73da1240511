"""Played workers say what real ones say, in records that the graph reads."""

import pytest

from streams.bench import traffic
from streams.bench.ciphertext_sizes import stored_bytes
from streams.bench.gateway_facts import amount
from streams.bench.played import name, result, stored_call, value
from streams.domain.digest import keccak256
from streams.domain.operations import FheType
from streams.domain.results import Computed, Proven, Result, Sent, Squashed, decode_result, encode_result
from streams.domain.work import (
    AddMaterial,
    Call,
    ComputeWork,
    ProofWork,
    RejectResponse,
    SendWork,
    SquashWork,
    VerifyResponse,
    Work,
    WorkClass,
)

KEY, ADDRESS = b"k" * 32, b"a" * 20
HANDLE = amount(0)
COMMIT = AddMaterial(handle=HANDLE, key_id=KEY, ct64_digest=b"c" * 32, ct128_digest=b"s" * 32)
VOTE = VerifyResponse(
    zk_proof_id=3,
    handles=(HANDLE,),
    user_address=ADDRESS,
    contract_address=ADDRESS,
    contract_chain_id=traffic.CHAIN,
    extra_data=b"\0",
)


def told(work: Work) -> Result:
    found = result(work)
    assert decode_result(encode_result(found)) == found
    assert (found.item, found.attempt) == (work.item, work.attempt)
    # by whom it was given: of another one it would be given again
    assert found.worker in map(name, WorkClass)
    return found


def send(call: Call) -> SendWork:
    return SendWork(item="i", tenant=traffic.TENANT, attempt=2, timeout_s=60, call=call)


def test_values_have_the_length_of_their_type() -> None:
    assert value(HANDLE).fhe_type == FheType.UINT64
    assert len(value(HANDLE).ct64) == stored_bytes(FheType.UINT64)


def test_a_component_is_answered_by_its_outputs() -> None:
    outputs = (HANDLE, amount(1))
    found = told(
        ComputeWork(
            item="i",
            tenant=traffic.TENANT,
            attempt=2,
            timeout_s=60,
            key_id=KEY,
            steps=(),
            inputs=(),
            outputs=outputs,
        )
    )
    assert isinstance(found, Computed)
    assert found.ciphertexts == tuple(map(value, outputs))


def test_a_proof_is_answered_by_the_amount_of_its_transfer() -> None:
    found = told(
        ProofWork(
            item="i",
            tenant=traffic.TENANT,
            attempt=0,
            timeout_s=60,
            key_id=KEY,
            crs_id=KEY,
            zk_proof_id=3,
            chain_id=traffic.CHAIN,
            acl_address=ADDRESS,
            contract_address=ADDRESS,
            user_address=ADDRESS,
            ciphertext_with_proof=b"proof",
        )
    )
    assert isinstance(found, Proven)
    assert found.verified
    assert found.handles == (amount(3),)
    assert found.ciphertexts == (value(amount(3)),)


def test_a_squash_attests_what_is_stored() -> None:
    found = told(
        SquashWork(
            item="i", tenant=traffic.TENANT, attempt=0, timeout_s=60, key_id=KEY, ciphertext=value(HANDLE)
        )
    )
    assert isinstance(found, Squashed)
    assert (found.handle, found.ct64_digest) == (HANDLE, keccak256(value(HANDLE).ct64))


@pytest.mark.parametrize(("call", "data_bytes"), [(COMMIT, 4 + 4 * 32), (VOTE, 4 + 12 * 32)])
def test_a_call_is_sent_with_the_data_of_its_contract(call: Call, data_bytes: int) -> None:
    row = stored_call(send(call), 5)
    assert isinstance(told(send(call)), Sent)
    assert (row.item, row.nonce, len(row.data)) == ("i", 5, data_bytes)
    assert len(row.signed.raw) > len(row.data)


def test_nobody_rejects() -> None:
    with pytest.raises(AssertionError, match="nobody asked"):
        stored_call(send(RejectResponse(zk_proof_id=3, extra_data=b"")), 0)
