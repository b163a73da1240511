"""Which rows a decision will ask for, as far as its fact or result and what is loaded already tell.

Only a hint: what it forgets costs a round trip (`Missing`), never a wrong decision. The caller loads what
is asked until nothing new is asked, so that a block of many operations needs a handful of queries.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from streams.domain import items
from streams.domain.errors import UndecodableLog
from streams.domain.events import (
    AddCiphertextMaterial,
    Allowed,
    AllowedForDecryption,
    OperationEvent,
    VerifyProofRequest,
    VerifyProofResponseCall,
    decode_gateway_log,
    decode_host_log,
)
from streams.domain.facts import CrsActivated, Fact, FactPart, GatewayRange, HostBlock, KeyActivated
from streams.domain.operands import handle_operands
from streams.domain.planning import follower
from streams.domain.results import Computed, Failed, Proven, Result, Squashed
from streams.domain.rows import (
    AllowedRow,
    BlockRow,
    CommitRow,
    ComputationRow,
    DigestRow,
    EarlyRow,
    FactPartRow,
    FailureRow,
    GatewayBlockRow,
    HandleRow,
    KeyRow,
    MemberRow,
    ProofRow,
    Row,
    TenantRow,
    WaitRow,
    WorkRow,
)
from streams.domain.state import Read, State
from streams.domain.work import WorkClass, item_id


def foresee_fact(state: State, tenant: str, fact: Fact) -> list[Read]:
    """Reads of `decide_fact` that are not loaded yet."""
    match fact:
        case HostBlock():
            reads = _block(tenant, fact)
        case GatewayRange():
            reads = _range(tenant, fact)
        case KeyActivated():
            reads = iter((_get(KeyRow, tenant, "key", fact.key_id), *_token(state, tenant, items.KEY_TOKEN)))
        case CrsActivated():
            reads = iter((_get(KeyRow, tenant, "crs", fact.crs_id), *_token(state, tenant, items.CRS_TOKEN)))
        case FactPart():
            columns = ("tenant", "sha256")
            reads = iter((_find(FactPartRow, columns, tenant, fact.sha256),))
    return _new(state, [_get(TenantRow, tenant), *reads])


def foresee_result(state: State, tenant: str, result: Result) -> list[Read]:
    """Reads of `decide_result` that are not loaded yet."""
    reads = [_get(TenantRow, tenant), _get(WorkRow, tenant, result.item)]
    match result:
        case Computed() | Proven():
            for ciphertext in result.ciphertexts:
                reads += _stored(state, tenant, ciphertext.handle)
            reads += _outputs(state, tenant, result.item)
        case Squashed():
            token = items.squashed(result.handle)
            reads += [_get(HandleRow, tenant, result.handle), _get(DigestRow, tenant, result.handle)]
            reads += [_get(CommitRow, tenant, result.handle), *_token(state, tenant, token)]
        case Failed():
            reads += _outputs(state, tenant, result.item)
        case _:
            pass
    return _new(state, reads)


def _get(table: type[Row], *key: Any) -> Read:
    return Read(table, table.KEY, key)


def _find(table: type[Row], columns: tuple[str, ...], *values: Any) -> Read:
    return Read(table, columns, values)


def _new(state: State, reads: Iterable[Read]) -> list[Read]:
    return [read for read in dict.fromkeys(reads) if not state.is_loaded(read)]


def _block(tenant: str, fact: HostBlock) -> Iterator[Read]:
    yield _get(BlockRow, tenant, fact.hash)
    yield _get(BlockRow, tenant, fact.parent_hash)
    yield _find(BlockRow, ("tenant", "parent_hash"), tenant, fact.hash)
    yield _find(ComputationRow, ("tenant", "block_hash"), tenant, fact.hash)
    yield _find(AllowedRow, ("tenant", "block_hash"), tenant, fact.hash)
    for log in fact.logs:
        try:
            event = decode_host_log(log.topics, log.data)
        except UndecodableLog:
            continue
        if isinstance(event, OperationEvent):
            yield from _operation(tenant, fact, log.transaction_hash, event)
        elif isinstance(event, Allowed):
            yield from _goal(tenant, fact, event.handle, event.account)
        elif isinstance(event, AllowedForDecryption):
            for handle in event.handles:
                yield from _goal(tenant, fact, handle, b"")


def _operation(tenant: str, fact: HostBlock, transaction: bytes, event: OperationEvent) -> Iterator[Read]:
    yield _get(HandleRow, tenant, event.result)
    yield _get(ComputationRow, tenant, event.result, transaction, fact.hash)
    yield _find(ComputationRow, ("tenant", "transaction_id", "block_hash"), tenant, transaction, fact.hash)
    for handle in handle_operands(event.code, event.operands, event.is_scalar):
        yield _get(HandleRow, tenant, handle)
        yield _get(FailureRow, tenant, items.stored(handle))


def _goal(tenant: str, fact: HostBlock, handle: bytes, account: bytes) -> Iterator[Read]:
    yield _get(AllowedRow, tenant, handle, account, fact.hash)
    yield _get(HandleRow, tenant, handle)
    yield _get(DigestRow, tenant, handle)
    yield _find(ComputationRow, ("tenant", "output_handle"), tenant, handle)
    yield _get(FailureRow, tenant, items.stored(handle))
    yield _get(FailureRow, tenant, items.squashed(handle))
    yield _get(FailureRow, tenant, items.KEY_TOKEN)
    for work_class in (WorkClass.TFHE, WorkClass.SNS, WorkClass.SENDER, WorkClass.PUBLISH):
        item = follower(work_class, tenant, handle)
        yield _get(EarlyRow, tenant, item)
        yield _get(WorkRow, tenant, item)
        yield _find(WaitRow, ("tenant", "item"), tenant, item)
    compute = item_id(WorkClass.TFHE, tenant, handle)
    yield _find(MemberRow, ("tenant", "item"), tenant, compute)


def _range(tenant: str, fact: GatewayRange) -> Iterator[Read]:
    yield _get(GatewayBlockRow, tenant, fact.from_block)
    yield _get(GatewayBlockRow, tenant, fact.to_block)
    for log in fact.logs:
        try:
            event = decode_gateway_log(log.log.topics, log.log.data)
        except UndecodableLog:
            continue
        if isinstance(event, VerifyProofRequest | VerifyProofResponseCall):
            yield _get(ProofRow, tenant, event.zk_proof_id)
        elif isinstance(event, AddCiphertextMaterial):
            item = follower(WorkClass.SENDER, tenant, event.handle)
            yield from (_get(WorkRow, tenant, item), _get(EarlyRow, tenant, item))
            yield from (_get(DigestRow, tenant, event.handle), _get(CommitRow, tenant, event.handle))


def _stored(state: State, tenant: str, handle: bytes) -> Iterator[Read]:
    yield _get(HandleRow, tenant, handle)
    yield from _token(state, tenant, items.stored(handle))


def _token(state: State, tenant: str, token: bytes) -> Iterator[Read]:
    """The token's failure, what waits for it, and the items of these waits."""
    yield _get(FailureRow, tenant, token)
    waits = _find(WaitRow, ("tenant", "token"), tenant, token)
    yield waits
    if state.is_loaded(waits):
        for wait in state.find(WaitRow, ("tenant", "token"), tenant, token):
            yield _get(WorkRow, tenant, wait.item)


def _outputs(state: State, tenant: str, item: str) -> Iterator[Read]:
    """The members of a compute item and their handles."""
    members = _find(MemberRow, ("tenant", "item"), tenant, item)
    yield members
    if state.is_loaded(members):
        for member in state.find(MemberRow, ("tenant", "item"), tenant, item):
            yield _get(HandleRow, tenant, member.handle)
