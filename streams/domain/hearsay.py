"""Events that are kept for people and for other services: delegations, and what the bridge says.

Nothing is computed because of them. A branch that ceases to be canonical takes its events with it, as views
read them by their block.
"""

from typing import Final

import msgspec

from streams.domain.events import (
    BridgeHandle,
    DelegatedForUserDecryption,
    FallbackGranted,
    HandleBridged,
    RevokedDelegationForUserDecryption,
)
from streams.domain.facts import Log
from streams.domain.rows import AlarmKind, AlarmRow, BlockRow, BridgeRow, DelegationRow
from streams.domain.state import State

Delegation = DelegatedForUserDecryption | RevokedDelegationForUserDecryption
Bridging = BridgeHandle | HandleBridged | FallbackGranted

UNSUPPORTED: Final = AlarmKind.UNSUPPORTED_BRIDGE


def store_delegation(state: State, block: BlockRow, log: Log, event: Delegation) -> None:
    """Keep who may decrypt in whose name from this block on; a revoked delegation ends at 0."""
    is_given = isinstance(event, DelegatedForUserDecryption)
    state.put(
        DelegationRow(
            tenant=block.tenant,
            block_hash=block.hash,
            log_index=log.log_index,
            transaction_id=log.transaction_hash,
            delegator=event.delegator,
            delegate=event.delegate,
            contract_address=event.contract,
            delegation_counter=event.counter,
            old_expiration_date=event.old_expiration,
            # A revocation is stored as a delegation that ends at 0, so that one view reads both.
            new_expiration_date=event.new_expiration if is_given else 0,
        )
    )


def store_bridge(state: State, block: BlockRow, log: Log, event: Bridging) -> None:
    """Keep what the bridge says; a handle that would have to come over it is an alarm."""
    row = _bridging(block, log, event)
    state.put(row)
    # A handle of this chain that gets no ciphertext: whoever uses it waits, and an operator has to know
    # why.
    if row.dst_handle:
        detail = f"{row.kind} in block {block.number}: this release brings no ciphertexts over the bridge"
        state.put(AlarmRow(tenant=block.tenant, kind=UNSUPPORTED, subject=row.dst_handle, detail=detail))


def _bridging(block: BlockRow, log: Log, event: Bridging) -> BridgeRow:
    row = BridgeRow(
        tenant=block.tenant,
        block_hash=block.hash,
        log_index=log.log_index,
        transaction_id=log.transaction_hash,
        kind="",
    )
    match event:
        case BridgeHandle(dapp, source, chain_id, guid):
            kept = {"kind": "bridge_handle", "src_handle": source, "dst_chain_id": chain_id, "dapp": dapp}
            return msgspec.structs.replace(row, **kept, guid=guid)
        case HandleBridged(dapp, source, handle, guid):
            kept = {"kind": "handle_bridged", "src_handle": source, "dst_handle": handle, "dapp": dapp}
            return msgspec.structs.replace(row, **kept, guid=guid)
        case FallbackGranted(handle, plaintext):
            kept = {"kind": "fallback_granted", "dst_handle": handle, "plaintext": plaintext}
            return msgspec.structs.replace(row, **kept)
