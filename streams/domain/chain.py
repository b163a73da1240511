"""The tree of a host chain's blocks and which of its branches is canonical.

The highest branch is canonical, the first seen on a tie. A block whose parent is unknown waits
(`pending_parent`) and alarms. Events of every branch are stored, so that a branch can come back.

Whoever tells a block that was missing tells all that follows it once more, as a listener does that finds
it missing: of a long line of waiting blocks some are connected at once, the others when they are told again.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from streams.domain import planning, rights
from streams.domain.errors import Undecodable, UndecodableLog
from streams.domain.events import (
    Allowed,
    AllowedForDecryption,
    BridgeHandle,
    DelegatedForUserDecryption,
    FallbackGranted,
    HandleBridged,
    HostEvent,
    OperationEvent,
    RevokedDelegationForUserDecryption,
    decode_host_log,
)
from streams.domain.facts import HostBlock, Log
from streams.domain.handle import HANDLE_BYTES
from streams.domain.hearsay import store_bridge, store_delegation
from streams.domain.operands import handle_type
from streams.domain.operations import BY_NAME
from streams.domain.rows import (
    AlarmKind,
    AlarmRow,
    AllowedRow,
    BlockRow,
    BlockStatus,
    ComputationRow,
    DivergenceRow,
    TenantRow,
)
from streams.domain.state import State

# Waiting descendants that one block connects: with their operations, half a minute's work of a transaction. A
# month of them would be too much for one; those behind are connected when they are told again.
ADOPTED_MAX: Final = 1000

Events = tuple[HostEvent | UndecodableLog | None, ...]
"""What each log of a block says; None where nobody here listens, or its data were left out."""


def events_of(fact: HostBlock) -> Events:
    """The events of a block's logs, in their order."""
    return tuple(map(_event, fact.logs))


def _event(log: Log) -> HostEvent | UndecodableLog | None:
    try:
        return None if log.omitted is not None else decode_host_log(log.topics, log.data)
    except UndecodableLog as error:
        return error


class Planning(msgspec.Struct, frozen=True, kw_only=True):
    """What is made of a block that is canonical now."""

    repeats_rights: bool = False  # what it allows is repeated on the gateway
    chain_ops_max: int = 0  # operations of a chain that still take the fast lane; 0 = any number


def apply_block(
    state: State, tenant: str, fact: HostBlock, plan: Planning, events: Events | None = None
) -> None:
    """Store the block with its events and follow the highest branch; raises Undecodable.

    Args:
        plan: what is made of it.
        events: `events_of(fact)`, where they have been read already.
    """
    # A fact of a known block changes nothing, unless it waits for what is known by now: so any number of
    # listeners may tell it, in any order after its parent.
    known = state.get(BlockRow, tenant, fact.hash)
    owner = state.get(TenantRow, tenant) or TenantRow(tenant=tenant, chain_id=fact.chain_id)
    # The chain begins where the listener was told to begin, and never with whatever the log has first: it may
    # have lost its beginning. A reorganisation may take the anchor; the other branch has one of its number.
    is_root = fact.anchor and owner.anchor_number in (-1, fact.number)
    if is_root:
        owner = msgspec.structs.replace(owner, anchor_number=fact.number)
    if known is not None:
        if known.status is BlockStatus.PENDING_PARENT and (is_root or _has_parent(state, known)):
            state.put(owner)
            _choose(state, tenant, _adopt(state, _relieve(state, known)), plan)
        return
    parent = state.get(BlockRow, tenant, fact.parent_hash)
    if parent is not None and parent.number + 1 != fact.number:
        raise Undecodable(f"block {fact.number} cannot follow block {parent.number}")
    connected = is_root or (parent is not None and parent.status is not BlockStatus.PENDING_PARENT)
    block = BlockRow(
        tenant=tenant,
        hash=fact.hash,
        parent_hash=fact.parent_hash,
        number=fact.number,
        timestamp=fact.timestamp,
        status=BlockStatus.SIDE if connected else BlockStatus.PENDING_PARENT,
        sequence=owner.blocks_seen,
    )
    seen = owner.blocks_seen + 1
    state.put(msgspec.structs.replace(owner, chain_id=fact.chain_id, blocks_seen=seen))
    state.put(block)
    for table in (ComputationRow, AllowedRow):  # stored with their block or not at all
        state.presume(table, ("tenant", "block_hash"), tenant, block.hash)
    for log, event in zip(fact.logs, events_of(fact) if events is None else events, strict=True):
        _store_event(state, block, log, event)
    if not connected:
        state.put(_orphan_alarm(block))
        return
    _choose(state, tenant, _adopt(state, block), plan)


def _has_parent(state: State, block: BlockRow) -> bool:
    parent = state.get(BlockRow, block.tenant, block.parent_hash)
    return (
        parent is not None
        and parent.status is not BlockStatus.PENDING_PARENT
        and parent.number + 1 == block.number
    )


def _adopt(state: State, block: BlockRow) -> list[BlockRow]:
    """The block and waiting descendants that it connects, parents first."""
    # the list grows while it is walked: children of children are behind it
    connected, at = [block], 0
    while at < len(connected) <= ADOPTED_MAX:
        parent = connected[at]
        at += 1
        for child in state.find(BlockRow, ("tenant", "parent_hash"), parent.tenant, parent.hash):
            if child.status is BlockStatus.PENDING_PARENT and child.number == parent.number + 1:
                connected.append(_relieve(state, child))
    return connected


def _relieve(state: State, block: BlockRow) -> BlockRow:
    side = msgspec.structs.replace(block, status=BlockStatus.SIDE)
    state.put(side)
    state.delete(_orphan_alarm(side))
    return side


def _orphan_alarm(block: BlockRow) -> AlarmRow:
    detail = f"block {block.number} has an unknown parent"
    return AlarmRow(tenant=block.tenant, kind=AlarmKind.PENDING_PARENT, subject=block.hash, detail=detail)


def _choose(state: State, tenant: str, connected: Iterable[BlockRow], plan: Planning) -> None:
    best = max(connected, key=lambda block: (block.number, -block.sequence))
    owner = state.get(TenantRow, tenant)
    if owner is None or best.number <= owner.tip_number:
        return
    joining: list[BlockRow] = []
    block: BlockRow | None = best
    while block is not None and block.status is BlockStatus.SIDE:
        joining.append(block)
        block = state.get(BlockRow, tenant, block.parent_hash)
    # empty: the branch goes back to the anchor, so that all canonical blocks leave
    fork = b"" if block is None else block.hash
    # Leaving before joining: what both branches allow is cancelled and revived within one transaction,
    # which nobody sees, and counters of reasons never exceed the blocks of one branch.
    for left in _above(state, owner, fork):
        state.put(msgspec.structs.replace(left, status=BlockStatus.SIDE))
        planning.leave(state, left)
        if plan.repeats_rights:
            rights.leave(state, left)
    # parents first, as a block's goals may need what its parents compute
    for joined in reversed(joining):
        state.put(msgspec.structs.replace(joined, status=BlockStatus.CANONICAL))
        planning.join(state, joined, plan.chain_ops_max)
        if plan.repeats_rights:
            state.later(lambda state, block=joined: rights.join(state, block))
    # planning may have written the tenant's row: read it again, not the copy from above
    owner = state.get(TenantRow, tenant) or owner
    state.put(msgspec.structs.replace(owner, tip_hash=best.hash, tip_number=best.number))


def _above(state: State, owner: TenantRow, fork: bytes) -> list[BlockRow]:
    """Canonical blocks above the fork, highest first."""
    blocks: list[BlockRow] = []
    at = owner.tip_hash
    while at not in (fork, b""):
        block = state.get(BlockRow, owner.tenant, at)
        # below the anchor there may be blocks that wait
        if block is None or block.status is not BlockStatus.CANONICAL:
            break
        blocks.append(block)
        at = block.parent_hash
    return blocks


def _store_event(state: State, block: BlockRow, log: Log, event: HostEvent | UndecodableLog | None) -> None:
    if log.omitted is not None:
        _alarm_log(state, block, log, f"{log.omitted.size_bytes} bytes of data were left out")
        return
    match event:
        case OperationEvent():
            _store_operation(state, block, log, event)
        case Allowed():
            _store_allowed(state, block, log, event.handle, event.account, 0)
        case AllowedForDecryption():
            for handle in event.handles:
                _store_allowed(state, block, log, handle, b"", 1)
        case DelegatedForUserDecryption() | RevokedDelegationForUserDecryption():
            store_delegation(state, block, log, event)
        case BridgeHandle() | HandleBridged() | FallbackGranted():
            store_bridge(state, block, log, event)
        case UndecodableLog():
            _alarm_log(state, block, log, str(event))
        case _:
            pass  # nobody here acts on it


def _alarm_log(state: State, block: BlockRow, log: Log, detail: str) -> None:
    subject = block.hash + log.log_index.to_bytes(4, "big")
    state.put(AlarmRow(tenant=block.tenant, kind=AlarmKind.UNDECODABLE_LOG, subject=subject, detail=detail))


def _store_operation(state: State, block: BlockRow, log: Log, event: OperationEvent) -> None:
    if event.code == BY_NAME["VerifyInput"].code:
        return  # its ciphertext comes from the input's proof
    row = ComputationRow(
        tenant=block.tenant,
        output_handle=event.result,
        transaction_id=log.transaction_hash,
        block_hash=block.hash,
        log_index=log.log_index,
        fhe_operation=event.code,
        dependencies=event.operands,
        is_scalar=event.is_scalar,
        fhe_type=handle_type(event.result),
        caller=event.caller,
    )
    # A transaction may ask for the same operation twice; its handle is then the same, and the first one
    # counts.
    if state.get(ComputationRow, row.tenant, row.output_handle, row.transaction_id, row.block_hash) is None:
        state.add(row)
    _remember_meaning(state, row)


def _remember_meaning(state: State, row: ComputationRow) -> None:
    handle = planning.handle_row(state, row.tenant, row.output_handle)
    digest = row.digest()
    # A handle is a hash of its operation and operands, so another meaning is a defect or an attack,
    # whichever branch it came from: it never overwrites the first.
    if not handle.operation_digest:
        state.put(msgspec.structs.replace(handle, operation_digest=digest))
    elif handle.operation_digest != digest:
        state.put(DivergenceRow(tenant=row.tenant, kind="operation", subject=row.output_handle, other=digest))


def _store_allowed(
    state: State, block: BlockRow, log: Log, handle: bytes, account: bytes, event_type: int
) -> None:
    if len(handle) != HANDLE_BYTES:
        return
    key = (block.tenant, handle, account, block.hash)
    if state.get(AllowedRow, *key) is None:
        state.add(
            AllowedRow(
                tenant=block.tenant,
                handle=handle,
                account_address=account,
                block_hash=block.hash,
                event_type=event_type,
                transaction_id=log.transaction_hash,
            )
        )
