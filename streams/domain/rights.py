"""Rights on the gateway: networks up to v0.11 have each coprocessor repeat there what the host chain allowed.

A right is a handle with an account, or a handle alone for public decryption. It is wanted while a canonical
block gives it, and sent once, whether or not the handle has a ciphertext yet.
"""

from typing import Final

from streams.domain import items
from streams.domain.facts import host_event_id
from streams.domain.handle import HANDLE_BYTES
from streams.domain.lifecycle import WorkState
from streams.domain.rows import AllowedRow, BlockRow, BlockStatus, TenantRow, WorkRow
from streams.domain.state import State
from streams.domain.work import WorkClass, item_id

ALLOW_MS: Final = 50


def join(state: State, block: BlockRow) -> None:
    """The block is canonical now: its rights go to the gateway."""
    owner = state.get(TenantRow, block.tenant)
    event_id = host_event_id(0 if owner is None else owner.chain_id, block.hash)
    for handle, account in _rights(state, block):
        item = allow_item(block.tenant, handle, account)
        # once per operator: the contract takes a right once and refuses a second one
        if state.get(WorkRow, block.tenant, item) is None:
            items.create(state, _work(block.tenant, item, handle + account, event_id), ())
        else:
            items.revive(state, block.tenant, item)


def leave(state: State, block: BlockRow) -> None:
    """The block is canonical no more: what only it gave and nobody has sent is cancelled."""
    for handle, account in _rights(state, block):
        if not _is_given(state, block.tenant, handle, account):
            items.cancel(state, block.tenant, allow_item(block.tenant, handle, account))


def is_wanted(state: State, row: WorkRow) -> bool:
    """Whether the right that an item repeats is still given."""
    return _is_given(state, row.tenant, row.subject[:HANDLE_BYTES], row.subject[HANDLE_BYTES:])


def allow_item(tenant: str, handle: bytes, account: bytes) -> str:
    """Id of the item that repeats a right; an empty account is public decryption."""
    return item_id(WorkClass.SENDER, tenant, b"allow:" + handle + account)


def _rights(state: State, block: BlockRow) -> list[tuple[bytes, bytes]]:
    rows = state.find(AllowedRow, ("tenant", "block_hash"), block.tenant, block.hash)
    return [(row.handle, row.account_address) for row in rows]


def _is_given(state: State, tenant: str, handle: bytes, account: bytes) -> bool:
    # Statuses are already those after the change: another canonical block may still give the right.
    rows = state.find(AllowedRow, ("tenant", "handle"), tenant, handle)
    blocks = (state.get(BlockRow, tenant, row.block_hash) for row in rows if row.account_address == account)
    return any(block is not None and block.status is BlockStatus.CANONICAL for block in blocks)


def _work(tenant: str, item: str, subject: bytes, event_id: str) -> WorkRow:
    return WorkRow(
        tenant=tenant,
        id=item,
        work_class=WorkClass.SENDER,
        kind=items.ALLOW,
        subject=subject,
        affinity=subject[:HANDLE_BYTES],
        contract=b"",
        cost_ms=ALLOW_MS,
        state=WorkState.READY,
        event_id=event_id,
    )
