"""The host's contracts as they lie on the development chain, used as a dapp's user uses them."""

import secrets

import msgspec
import pytest
from ethereum_chains import OPERATORS, Chains, network

from streams.adapters.ethereum import abi, calls
from streams.adapters.ethereum.chain import Receipt
from streams.adapters.ethereum.eip712 import CiphertextVerification, GatewayDomain, sign_verification
from streams.adapters.ethereum.errors import ContractReverted, NoCode
from streams.devnet import chain_client as client
from streams.devnet import contracts
from streams.domain import events
from streams.domain.handle import Handle, blob_hash, input_handle, parse_handle
from streams.domain.operations import BY_NAME, FheType

pytestmark = pytest.mark.stack

URL = "http://127.0.0.1:9000/kms"


class Input(msgspec.Struct, frozen=True):
    """An encrypted amount that operators vouched for."""

    handle: bytes
    proof: bytes


def events_of(receipt: Receipt) -> list[events.Event]:
    found = (events.decode_log(log.topics, log.data) for log in receipt.logs)
    return [event for event in found if event is not None]


def operations(receipt: Receipt) -> list[events.OperationEvent]:
    return [event for event in events_of(receipt) if isinstance(event, events.OperationEvent)]


def vouch(chains: Chains, user: bytes, *, voters: int = 2, fhe_type: FheType = FheType.UINT64) -> Input:
    """An input proof as the gateway's answer gives it, made directly with the operators' keys."""
    blob = blob_hash(secrets.token_bytes(32))
    handle = input_handle(blob, 0, chains.at.acl, chains.at.host_chain_id, fhe_type)
    vote = CiphertextVerification(
        handles=(handle,),
        user=user,
        contract=chains.at.token,
        contract_chain_id=chains.at.host_chain_id,
        extra_data=client.DEFAULT_EXTRA_DATA,
    )
    domain = GatewayDomain(chains.at.gateway_chain_id, chains.at.input_verification)
    signers = chains.accounts.coprocessor_signers[:voters]
    signatures = [sign_verification(signer, domain, vote) for signer in signers]
    return Input(handle, client.assemble_input_proof([handle], signatures))


async def test_everything_is_found_again_and_nothing_is_sent(chains: Chains) -> None:
    before = await chains.host.head(), await chains.gateway.head()
    again = await contracts.deploy(
        chains.host, chains.gateway, owner=chains.accounts.owner, network=network(chains.accounts)
    )
    assert again == chains.at
    assert (await chains.host.head(), await chains.gateway.head()) == before


async def test_a_changed_registration_is_followed(chains: Chains) -> None:
    fewer = network(chains.accounts, operators=1, threshold=1)
    owner = chains.accounts.owner
    await contracts.deploy(chains.host, chains.gateway, owner=owner, network=fewer)
    try:
        assert len(await calls.coprocessor_signers(chains.gateway, chains.at.gateway_config)) == 1
        assert await calls.threshold(chains.gateway, chains.at.gateway_config) == 1
    finally:
        await contracts.deploy(chains.host, chains.gateway, owner=owner, network=network(chains.accounts))
    assert len(await calls.coprocessor_signers(chains.gateway, chains.at.gateway_config)) == OPERATORS


@pytest.mark.parametrize(
    ("contract", "version"),
    [
        ("acl", "ACL v0.2.0"),
        ("executor", "FHEVMExecutor v0.1.0"),
        ("input_verifier", "InputVerifier v0.2.0"),
        ("kms_verifier", "KMSVerifier v0.1.0"),
        ("kms_generation", "KMSGeneration v0.2.0"),
    ],
)
async def test_contracts_tell_their_release(chains: Chains, contract: str, version: str) -> None:
    assert await calls.version(chains.host, getattr(chains.at, contract)) == version


async def test_a_mint_emits_operations_and_rights(chains: Chains) -> None:
    user = chains.accounts.users[0].address
    receipt = await client.mint(chains.owner_on(chains.host), chains.at.token, user, 1000)
    done = operations(receipt)
    trivial = done[0]
    assert (trivial.code, trivial.caller) == (BY_NAME["TrivialEncrypt"].code, chains.at.token)
    assert trivial.operands == ((1000).to_bytes(32, "big"), bytes([FheType.UINT64]))
    balance = await client.balance_handle(chains.host, chains.at.token, user)
    assert balance in {event.result for event in done}
    allowed = [event for event in events_of(receipt) if isinstance(event, events.Allowed)]
    assert events.Allowed(chains.at.token, user, balance) in allowed
    assert await client.total_supply_handle(chains.host, chains.at.token) in {
        event.handle for event in allowed
    }


async def test_results_name_their_chain_and_type(chains: Chains) -> None:
    user = chains.accounts.users[1].address
    receipt = await client.mint(chains.owner_on(chains.host), chains.at.token, user, 5)
    made = [parse_handle(event.result) for event in operations(receipt)]
    assert {handle.chain_id for handle in made} == {chains.at.host_chain_id}
    assert all(handle.is_computed for handle in made)
    assert {handle.fhe_type for handle in made} <= {FheType.BOOL, FheType.UINT64}


async def test_an_input_that_operators_signed_moves_tokens(chains: Chains) -> None:
    alice, bob = chains.on_host(0), chains.accounts.users[1].address
    await client.mint(chains.owner_on(chains.host), chains.at.token, alice.address, 50)
    amount = vouch(chains, alice.address)
    receipt = await client.confidential_transfer(alice, chains.at.token, bob, amount.handle, amount.proof)
    first = events_of(receipt)[0]
    assert isinstance(first, events.InputVerified)
    assert (first.input_handle, first.user, first.caller) == (amount.handle, alice.address, chains.at.token)
    assert first.input_proof == amount.proof
    assert first.result == amount.handle
    codes = [event.code for event in operations(receipt)]
    assert {BY_NAME[name].code for name in ("Ge", "Sub", "IfThenElse", "Add")} <= set(codes)


async def test_the_gateways_answer_is_the_hosts_input_proof(chains: Chains) -> None:
    alice, bob = chains.on_host(0), chains.accounts.users[2].address
    await client.mint(chains.owner_on(chains.host), chains.at.token, alice.address, 10)
    ciphertext = secrets.token_bytes(100)
    zk_proof_id, asked = await client.request_proof(
        chains.relayer(),
        chains.at.input_verification,
        host_chain_id=chains.at.host_chain_id,
        contract=chains.at.token,
        user=alice.address,
        ciphertext=ciphertext,
    )
    handle = input_handle(blob_hash(ciphertext), 0, chains.at.acl, chains.at.host_chain_id, FheType.UINT64)
    await _answer(chains, zk_proof_id, alice.address, handle)
    outcome = await client.wait_for_proof(
        chains.gateway, chains.at.input_verification, zk_proof_id, from_block=asked.block_number
    )
    assert outcome.is_verified
    assert outcome.handles == (handle,)
    proof = client.assemble_input_proof(outcome.handles, outcome.signatures)
    receipt = await client.confidential_transfer(alice, chains.at.token, bob, handle, proof)
    assert isinstance(events_of(receipt)[0], events.InputVerified)


async def _answer(chains: Chains, zk_proof_id: int, user: bytes, handle: bytes) -> None:
    vote = CiphertextVerification(
        handles=(handle,),
        user=user,
        contract=chains.at.token,
        contract_chain_id=chains.at.host_chain_id,
        extra_data=client.DEFAULT_EXTRA_DATA,
    )
    domain = GatewayDomain(chains.at.gateway_chain_id, chains.at.input_verification)
    for index in range(2):
        signature = sign_verification(chains.accounts.coprocessor_signers[index], domain, vote)
        data = calls.verify_proof_response(zk_proof_id, vote.handles, signature, vote.extra_data)
        await chains.operator(index).transact(chains.at.input_verification, data)


async def test_a_rejected_request_has_no_handles(chains: Chains) -> None:
    zk_proof_id, asked = await client.request_proof(
        chains.relayer(),
        chains.at.input_verification,
        host_chain_id=chains.at.host_chain_id,
        contract=chains.at.token,
        user=chains.accounts.users[0].address,
        ciphertext=b"not a list",
    )
    for index in range(2):
        data = calls.reject_proof_response(zk_proof_id, client.DEFAULT_EXTRA_DATA)
        await chains.operator(index).transact(chains.at.input_verification, data)
    outcome = await client.wait_for_proof(
        chains.gateway, chains.at.input_verification, zk_proof_id, from_block=asked.block_number
    )
    assert outcome == client.ProofOutcome(zk_proof_id, False)


async def test_an_input_of_somebody_else_is_refused(chains: Chains) -> None:
    alice, bob = chains.on_host(0), chains.accounts.users[1].address
    amount = vouch(chains, bob)
    with pytest.raises(ContractReverted, match="InvalidSigner"):
        await client.confidential_transfer(alice, chains.at.token, bob, amount.handle, amount.proof)


async def test_too_few_signatures_are_refused(chains: Chains) -> None:
    alice, bob = chains.on_host(0), chains.accounts.users[1].address
    amount = vouch(chains, alice.address, voters=1)
    with pytest.raises(ContractReverted, match=r"SignatureThresholdNotReached\(1\)"):
        await client.confidential_transfer(alice, chains.at.token, bob, amount.handle, amount.proof)


async def test_an_input_of_another_type_is_refused(chains: Chains) -> None:
    alice, bob = chains.on_host(0), chains.accounts.users[1].address
    amount = vouch(chains, alice.address, fhe_type=FheType.UINT8)
    with pytest.raises(ContractReverted, match="InvalidType"):
        await client.confidential_transfer(alice, chains.at.token, bob, amount.handle, amount.proof)


async def test_only_the_owner_mints(chains: Chains) -> None:
    alice = chains.on_host(0)
    with pytest.raises(ContractReverted, match="OwnableUnauthorizedAccount"):
        await client.mint(alice, chains.at.token, alice.address, 1)


async def test_key_material_is_announced(chains: Chains) -> None:
    owner, key_id = chains.owner_on(chains.host), b"\4" + bytes(30) + b"\7"
    digests = (events.KeyDigest(3, b"\xab" * 32), events.KeyDigest(1, b"\xcd" * 32))
    key = await client.activate_key(owner, chains.at.kms_generation, key_id, [URL, URL + "2"], digests)
    assert events_of(key) == [events.ActivateKey(key_id, (URL, URL + "2"), digests)]
    crs_id = b"\5" + bytes(31)
    crs = await client.activate_crs(owner, chains.at.kms_generation, crs_id, [], b"\xef" * 32)
    assert events_of(crs) == [events.ActivateCrs(crs_id, (), b"\xef" * 32)]


async def test_only_the_owner_announces_key_material(chains: Chains) -> None:
    with pytest.raises(ContractReverted, match="OwnableUnauthorizedAccount"):
        await client.activate_crs(chains.on_host(0), chains.at.kms_generation, bytes(32), [], b"")


async def test_a_key_without_digests_is_not_announced(chains: Chains) -> None:
    with pytest.raises(ContractReverted, match="EmptyKeyDigests"):
        await client.activate_key(
            chains.owner_on(chains.host), chains.at.kms_generation, bytes(32), [URL], []
        )


async def test_an_account_without_tokens_has_no_handle(chains: Chains) -> None:
    nobody = secrets.token_bytes(20)
    assert Handle(await client.balance_handle(chains.host, chains.at.token, nobody)).raw == bytes(32)


async def test_a_call_to_nobody_is_told(chains: Chains) -> None:
    with pytest.raises(NoCode, match="no contract at"):
        await chains.host.view(secrets.token_bytes(20), abi.function("getVersion()", "(string)"))
