"""The gateway of a measurement tells what the real one tells, range by range."""

from streams.bench import traffic
from streams.bench.gateway_facts import EXTRA, OWN, PROOF_BYTES, Gateway, amount
from streams.domain.events import (
    AddCiphertextMaterial,
    AddCiphertextMaterialConsensus,
    VerifyProofRequest,
    VerifyProofResponse,
    decode_gateway_log,
)
from streams.domain.facts import GatewayRange
from streams.domain.work import AddMaterial

CALL = AddMaterial(handle=b"h" * 32, key_id=b"k" * 32, ct64_digest=b"c" * 32, ct128_digest=b"s" * 32)


def events(fact: GatewayRange) -> list[object]:
    return [decode_gateway_log(each.log.topics, each.log.data) for each in fact.logs]


def test_ranges_follow_each_other_from_an_anchor() -> None:
    gateway = Gateway(1)
    first, second, third, *_ = gateway.requests(()), gateway.answers(()), *gateway.commits(())
    assert [each.anchor for each in (first, second, third)] == [True, False, False]
    for before, after in ((first, second), (second, third)):
        assert (before.to_block, before.to_hash) == (after.from_block, after.from_hash)


def test_a_request_has_a_proof_of_full_length_and_is_accepted_with_its_amount() -> None:
    gateway = Gateway(3)
    (request,) = events(gateway.requests([7]))
    assert isinstance(request, VerifyProofRequest)
    assert (request.zk_proof_id, request.contract_chain_id) == (7, traffic.CHAIN)
    assert (len(request.ciphertext), request.extra_data) == (PROOF_BYTES, EXTRA)
    (answer,) = events(gateway.answers([7]))
    assert isinstance(answer, VerifyProofResponse)
    assert (answer.zk_proof_id, answer.handles, len(answer.signatures)) == (7, (amount(7),), 3)


def test_every_operator_commits_in_a_range_of_its_own_and_that_is_enough() -> None:
    *commits, agreed = [event for told in Gateway(3).commits([CALL]) for event in events(told)]
    senders: list[bytes] = []
    for commit in commits:
        assert isinstance(commit, AddCiphertextMaterial)
        assert (commit.handle, commit.key_id) == (CALL.handle, CALL.key_id)
        assert (commit.ct64_digest, commit.ct128_digest) == (CALL.ct64_digest, CALL.ct128_digest)
        senders.append(commit.tx_sender)
    assert senders[0] == OWN
    assert len(set(senders)) == 3
    assert isinstance(agreed, AddCiphertextMaterialConsensus)
    assert agreed.tx_senders == tuple(senders)
