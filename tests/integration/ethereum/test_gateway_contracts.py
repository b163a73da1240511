"""The gateway's stand-in answers as the real contracts do: two of three operators must agree."""

import secrets
from typing import Any

import msgspec
import pytest
from ethereum_chains import Chains

from streams.adapters.ethereum import abi, calls
from streams.adapters.ethereum.chain import Receipt
from streams.adapters.ethereum.eip712 import CiphertextVerification, GatewayDomain, sign_verification
from streams.adapters.ethereum.errors import ContractReverted
from streams.adapters.ethereum.signer import Signer
from streams.devnet import chain_client as client
from streams.domain import events
from streams.domain.handle import blob_hash, input_handle
from streams.domain.operations import FheType

pytestmark = pytest.mark.stack

EXTRA = b"\1\7"
KEY_ID = b"\4" + bytes(30) + b"\1"


class Request(msgspec.Struct, frozen=True):
    """A request on the gateway with the vote that it deserves."""

    zk_proof_id: int
    vote: CiphertextVerification


async def request(chains: Chains, *, size: int = 2) -> Request:
    user = chains.accounts.users[0].address
    ciphertext = secrets.token_bytes(64)
    zk_proof_id, _ = await client.request_proof(
        chains.relayer(),
        chains.at.input_verification,
        host_chain_id=chains.at.host_chain_id,
        contract=chains.at.token,
        user=user,
        ciphertext=ciphertext,
        extra_data=EXTRA,
    )
    blob = blob_hash(ciphertext)
    handles = tuple(
        input_handle(blob, i, chains.at.acl, chains.at.host_chain_id, FheType.UINT64) for i in range(size)
    )
    vote = CiphertextVerification(
        handles=handles,
        user=user,
        contract=chains.at.token,
        contract_chain_id=chains.at.host_chain_id,
        extra_data=EXTRA,
    )
    return Request(zk_proof_id, vote)


def domain(chains: Chains) -> GatewayDomain:
    return GatewayDomain(chains.at.gateway_chain_id, chains.at.input_verification)


async def answer(
    chains: Chains, asked: Request, operator: int, *, signer: Signer | None = None, **changes: Any
) -> Receipt:
    """An operator's signed answer, with the vote changed as told."""
    vote = msgspec.structs.replace(asked.vote, **changes)
    key = signer or chains.accounts.coprocessor_signers[operator]
    signature = sign_verification(key, domain(chains), vote)
    data = calls.verify_proof_response(asked.zk_proof_id, vote.handles, signature, vote.extra_data)
    return await chains.operator(operator).transact(chains.at.input_verification, data)


async def reject(chains: Chains, asked: Request, operator: int) -> Receipt:
    data = calls.reject_proof_response(asked.zk_proof_id, EXTRA)
    return await chains.operator(operator).transact(chains.at.input_verification, data)


def decoded(receipt: Receipt) -> list[events.Event | None]:
    return [events.decode_log(log.topics, log.data) for log in receipt.logs]


async def test_enough_equal_answers_are_the_gateways_answer(chains: Chains) -> None:
    asked = await request(chains)
    (first,) = decoded(await answer(chains, asked, 0))
    assert isinstance(first, events.VerifyProofResponseCall)
    assert first.tx_sender == chains.accounts.coprocessor_senders[0].address
    assert not await calls.is_proof_verified(chains.gateway, chains.at.input_verification, asked.zk_proof_id)

    second, agreed = decoded(await answer(chains, asked, 1))
    assert isinstance(second, events.VerifyProofResponseCall)
    signatures = (first.signature, second.signature)
    assert agreed == events.VerifyProofResponse(asked.zk_proof_id, asked.vote.handles, signatures)
    assert await calls.is_proof_verified(chains.gateway, chains.at.input_verification, asked.zk_proof_id)
    assert not await calls.is_proof_rejected(chains.gateway, chains.at.input_verification, asked.zk_proof_id)


async def test_a_later_answer_is_taken_in_silence(chains: Chains) -> None:
    asked = await request(chains)
    for operator in (0, 1):
        await answer(chains, asked, operator)
    (late,) = decoded(await answer(chains, asked, 2))
    assert isinstance(late, events.VerifyProofResponseCall)


async def test_an_empty_list_is_an_answer(chains: Chains) -> None:
    asked = await request(chains, size=0)
    await answer(chains, asked, 0)
    _, agreed = decoded(await answer(chains, asked, 1))
    assert isinstance(agreed, events.VerifyProofResponse)
    assert agreed.handles == ()


async def test_different_lists_are_different_candidates(chains: Chains) -> None:
    asked = await request(chains)
    await answer(chains, asked, 0)
    assert len((await answer(chains, asked, 1, handles=asked.vote.handles[:1])).logs) == 1
    _, agreed = decoded(await answer(chains, asked, 2))
    assert isinstance(agreed, events.VerifyProofResponse)
    assert agreed.handles == asked.vote.handles


async def test_enough_rejections_are_the_gateways_answer(chains: Chains) -> None:
    asked = await request(chains)
    assert decoded(await reject(chains, asked, 0)) == [
        events.RejectProofResponseCall(asked.zk_proof_id, EXTRA)
    ]
    _, agreed = decoded(await reject(chains, asked, 2))
    assert agreed == events.RejectProofResponse(asked.zk_proof_id)
    assert await calls.is_proof_rejected(chains.gateway, chains.at.input_verification, asked.zk_proof_id)


@pytest.mark.parametrize("second", ["verify", "reject"])
async def test_an_operator_answers_once_and_cannot_change_its_mind(chains: Chains, second: str) -> None:
    asked = await request(chains)
    await answer(chains, asked, 0)
    again = answer if second == "verify" else reject
    with pytest.raises(ContractReverted) as raised:
        await again(chains, asked, 0)
    accounts = chains.accounts
    assert raised.value.name == "CoprocessorAlreadyVerified"
    assert raised.value.arguments == (
        asked.zk_proof_id,
        accounts.coprocessor_senders[0].address,
        accounts.coprocessor_signers[0].address,
    )


async def test_a_rejection_stands_too(chains: Chains) -> None:
    asked = await request(chains)
    await reject(chains, asked, 0)
    for again in (answer, reject):
        with pytest.raises(ContractReverted, match="CoprocessorAlreadyRejected"):
            await again(chains, asked, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"extra_data": b"\0"},
        {"user": b"\1" * 20},
        {"contract": b"\1" * 20},
        {"contract_chain_id": 31337},
    ],
    ids=["extra data", "user", "contract", "chain"],
)
async def test_a_signature_over_another_request_is_refused(chains: Chains, changes: dict[str, Any]) -> None:
    asked = await request(chains)
    with pytest.raises(ContractReverted, match="NotCoprocessorSigner"):
        await answer(chains, asked, 0, **changes)


async def test_the_senders_own_key_does_not_sign(chains: Chains) -> None:
    asked = await request(chains)
    with pytest.raises(ContractReverted, match="NotCoprocessorSigner"):
        await answer(chains, asked, 0, signer=chains.accounts.coprocessor_senders[0])


async def test_an_operator_does_not_send_for_another(chains: Chains) -> None:
    asked = await request(chains)
    with pytest.raises(ContractReverted) as raised:
        await answer(chains, asked, 0, signer=chains.accounts.coprocessor_signers[1])
    accounts = chains.accounts
    assert raised.value.name == "CoprocessorSignerDoesNotMatchTxSender"
    assert raised.value.arguments == (
        accounts.coprocessor_signers[1].address,
        accounts.coprocessor_senders[0].address,
    )


async def test_strangers_do_not_answer(chains: Chains) -> None:
    stranger = chains.relayer()
    for data in (
        calls.verify_proof_response(1, [], bytes(65), b""),
        calls.reject_proof_response(1, b""),
        calls.add_ciphertext_material(bytes(32), KEY_ID, bytes(32), bytes(32)),
    ):
        at = chains.at
        is_commit = data[:4] == calls.ADD_CIPHERTEXT_MATERIAL.selector
        with pytest.raises(ContractReverted) as raised:
            await stranger.transact(at.ciphertext_commits if is_commit else at.input_verification, data)
        assert (raised.value.name, raised.value.arguments) == ("NotCoprocessorTxSender", (stranger.address,))


@pytest.mark.parametrize("zk_proof_id", [0, 2**200])
async def test_a_request_that_was_never_made_is_not_answered(chains: Chains, zk_proof_id: int) -> None:
    asked = msgspec.structs.replace(await request(chains), zk_proof_id=zk_proof_id)
    for reply in (answer, reject):
        with pytest.raises(ContractReverted, match="VerifyProofNotRequested"):
            await reply(chains, asked, 0)


async def test_requests_are_numbered_in_order(chains: Chains) -> None:
    first, second = await request(chains), await request(chains)
    assert second.zk_proof_id == first.zk_proof_id + 1


async def test_a_request_for_an_unknown_chain_is_refused(chains: Chains) -> None:
    data = calls.verify_proof_request(999, chains.at.token, b"\1" * 20, b"list", b"")
    with pytest.raises(ContractReverted, match=r"HostChainNotRegistered\(999\)"):
        await chains.relayer().transact(chains.at.input_verification, data)


def handle_of(chain_id: int) -> bytes:
    return secrets.token_bytes(21) + b"\xff" + chain_id.to_bytes(8, "big") + b"\5\0"


async def commit(chains: Chains, handle: bytes, operator: int, ct128: bytes = b"\x22" * 32) -> Receipt:
    data = calls.add_ciphertext_material(handle, KEY_ID, b"\x11" * 32, ct128)
    return await chains.operator(operator).transact(chains.at.ciphertext_commits, data)


async def test_equal_digests_become_the_material_of_a_handle(chains: Chains) -> None:
    handle = handle_of(chains.at.host_chain_id)
    senders = tuple(signer.address for signer in chains.accounts.coprocessor_senders)
    (first,) = decoded(await commit(chains, handle, 0))
    assert first == events.AddCiphertextMaterial(handle, KEY_ID, b"\x11" * 32, b"\x22" * 32, senders[0])
    assert not await calls.is_material_added(chains.gateway, chains.at.ciphertext_commits, handle)
    assert await calls.committed_material(chains.gateway, chains.at.ciphertext_commits, handle) is None

    _, agreed = decoded(await commit(chains, handle, 1))
    material = (handle, KEY_ID, b"\x11" * 32, b"\x22" * 32)
    assert agreed == events.AddCiphertextMaterialConsensus(*material, senders[:2])
    assert await calls.is_material_added(chains.gateway, chains.at.ciphertext_commits, handle)
    assert len(decoded(await commit(chains, handle, 2))) == 1
    stored = await calls.committed_material(chains.gateway, chains.at.ciphertext_commits, handle)
    assert stored == calls.CommittedMaterial(*material, senders)


async def test_drift_never_becomes_consensus(chains: Chains) -> None:
    handle = handle_of(chains.at.host_chain_id)
    for operator in range(3):
        assert len((await commit(chains, handle, operator, bytes([operator]) * 32)).logs) == 1
    assert not await calls.is_material_added(chains.gateway, chains.at.ciphertext_commits, handle)


async def test_a_late_commit_of_something_else_changes_nothing(chains: Chains) -> None:
    handle = handle_of(chains.at.host_chain_id)
    for operator in (0, 1):
        await commit(chains, handle, operator)
    agreed = await calls.committed_material(chains.gateway, chains.at.ciphertext_commits, handle)
    (late,) = decoded(await commit(chains, handle, 2, b"\x23" * 32))
    assert isinstance(late, events.AddCiphertextMaterial)
    assert await calls.committed_material(chains.gateway, chains.at.ciphertext_commits, handle) == agreed


async def test_the_one_that_differs_first_does_not_keep_the_others_from_agreeing(chains: Chains) -> None:
    handle = handle_of(chains.at.host_chain_id)
    senders = [signer.address for signer in chains.accounts.coprocessor_senders]
    await commit(chains, handle, 0, b"\x23" * 32)
    await commit(chains, handle, 1)
    _, agreed = decoded(await commit(chains, handle, 2))
    assert isinstance(agreed, events.AddCiphertextMaterialConsensus)
    assert agreed.tx_senders == (senders[1], senders[2])


async def test_an_operator_commits_a_handle_once_whatever_the_digest(chains: Chains) -> None:
    handle = handle_of(chains.at.host_chain_id)
    await commit(chains, handle, 0)
    for ct128 in (b"\x22" * 32, b"\x23" * 32):
        with pytest.raises(ContractReverted) as raised:
            await commit(chains, handle, 0, ct128)
        assert raised.value.name == "CoprocessorAlreadyAdded"
        assert raised.value.arguments == (handle, chains.accounts.coprocessor_senders[0].address)


async def test_a_handle_of_an_unknown_chain_is_not_committed(chains: Chains) -> None:
    with pytest.raises(ContractReverted, match=r"HostChainNotRegistered\(4242\)"):
        await commit(chains, handle_of(4242), 0)


async def test_a_disabled_chain_is_refused_until_it_is_enabled(chains: Chains) -> None:
    owner, chain_id = chains.owner_on(chains.gateway), chains.at.host_chain_id
    disable, enable = abi.function("disableHostChain(uint256)"), abi.function("enableHostChain(uint256)")
    (off,) = decoded(await owner.transact(chains.at.gateway_config, abi.encode_call(disable, chain_id)))
    try:
        with pytest.raises(ContractReverted, match="HostChainDisabled"):
            await request(chains)
        with pytest.raises(ContractReverted, match="HostChainDisabled"):
            await commit(chains, handle_of(chain_id), 0)
    finally:
        (on,) = decoded(await owner.transact(chains.at.gateway_config, abi.encode_call(enable, chain_id)))
    assert (off, on) == (events.DisableHostChain(chain_id), events.EnableHostChain(chain_id))
    await request(chains)


async def test_the_configuration_tells_who_takes_part(chains: Chains) -> None:
    accounts, config = chains.accounts, chains.at.gateway_config
    signers = tuple(signer.address for signer in accounts.coprocessor_signers)
    sender = accounts.coprocessor_senders[1].address
    assert await calls.coprocessor_signers(chains.gateway, config) == signers
    assert await calls.threshold(chains.gateway, config) == 2
    registered = await calls.coprocessor(chains.gateway, config, sender)
    assert registered == events.Coprocessor(sender, signers[1], "http://bucket/1")
    assert await calls.coprocessor(chains.gateway, config, accounts.relayer.address) is None


@pytest.mark.parametrize("threshold", [0, 4])
async def test_a_threshold_that_cannot_be_reached_is_refused(chains: Chains, threshold: int) -> None:
    change = abi.encode_call(abi.function("updateCoprocessorThreshold(uint256)"), threshold)
    with pytest.raises(ContractReverted, match="CoprocessorThreshold"):
        await chains.owner_on(chains.gateway).transact(chains.at.gateway_config, change)


async def test_below_a_majority_both_answers_may_be_reached(chains: Chains) -> None:
    owner, change = chains.owner_on(chains.gateway), abi.function("updateCoprocessorThreshold(uint256)")
    asked = await request(chains)
    await owner.transact(chains.at.gateway_config, abi.encode_call(change, 1))
    try:
        _, verified = decoded(await answer(chains, asked, 0))
        _, rejected = decoded(await reject(chains, asked, 1))
    finally:
        await owner.transact(chains.at.gateway_config, abi.encode_call(change, 2))
    assert isinstance(verified, events.VerifyProofResponse)
    assert rejected == events.RejectProofResponse(asked.zk_proof_id)
    assert await calls.is_proof_verified(chains.gateway, chains.at.input_verification, asked.zk_proof_id)
    assert await calls.is_proof_rejected(chains.gateway, chains.at.input_verification, asked.zk_proof_id)


async def test_only_the_owner_configures(chains: Chains) -> None:
    change = abi.encode_call(abi.function("updateCoprocessorThreshold(uint256)"), 1)
    with pytest.raises(ContractReverted, match="OwnableUnauthorizedAccount"):
        await chains.relayer().transact(chains.at.gateway_config, change)


@pytest.mark.parametrize(
    ("contract", "version"),
    [
        ("gateway_config", "GatewayConfig v0.8.0"),
        ("input_verification", "InputVerification v0.6.0"),
        ("ciphertext_commits", "CiphertextCommits v0.6.0"),
    ],
)
async def test_contracts_tell_the_release_line(chains: Chains, contract: str, version: str) -> None:
    assert await calls.version(chains.gateway, getattr(chains.at, contract)) == version
