"""From reasons to work: which handles are goals, which items compute, squash, commit and publish them.

A handle is a goal while at least one canonical block allows it. What belongs to an item is decided from
facts alone, never from how far work has come, so that every interleaving makes the same items.
"""

import itertools
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Final

import msgspec

from streams.domain import cycles, items, lanes
from streams.domain.facts import host_event_id
from streams.domain.graph import Component, components
from streams.domain.handle import is_computed
from streams.domain.lifecycle import ENDED, WorkState
from streams.domain.operands import handle_type
from streams.domain.rows import AllowedRow, BlockRow, ComputationRow, HandleRow, MemberRow, TenantRow, WorkRow
from streams.domain.state import State
from streams.domain.work import WorkClass, item_id

SQUASH_MS: Final = 4200  # squash, compress and upload of one value on one core
COMMIT_MS: Final = 50
PUBLISH_MS: Final = 1

# In the order of the pipeline; each waits for the token that the one before it brings.
_FOLLOWERS: Final = (
    (WorkClass.SNS, items.SQUASH, items.stored, SQUASH_MS),
    (WorkClass.SENDER, items.ADD_MATERIAL, items.squashed, COMMIT_MS),
    (WorkClass.PUBLISH, items.CIPHERTEXT, items.squashed, PUBLISH_MS),
)


def handle_row(state: State, tenant: str, handle: bytes) -> HandleRow:
    """The handle's row, a fresh one when nothing was known of it."""
    known = state.get(HandleRow, tenant, handle)
    return known or HandleRow(tenant=tenant, handle=handle, fhe_type=handle_type(handle))


def join(state: State, block: BlockRow, chain_ops_max: int = 0) -> None:
    """The block is canonical now: its reasons count, and its goals get their items.

    Items of chains that are longer than that many operations take the slow lane, unless it is 0.
    """
    allowed = _allowed(state, block)
    event_id = _event_id(state, block)
    rows = [handle_row(state, block.tenant, handle) for handle in allowed]
    for row in rows:
        state.put(msgspec.structs.replace(row, reasons=row.reasons + 1, followed=True))
    computed = state.find(ComputationRow, ("tenant", "block_hash"), block.tenant, block.hash)
    made = _plan(state, block, allowed, computed, event_id)
    if chain_ops_max:
        lanes.choose(state, block.tenant, made, chain_ops_max)
    # Components do not wait for what follows them.
    state.later(lambda state: _follow_all(state, rows, event_id))


def leave(state: State, block: BlockRow) -> None:
    """The block is canonical no more: work that only it wanted and nobody claimed is cancelled."""
    unwanted: list[str] = []
    for handle in _allowed(state, block):
        row = handle_row(state, block.tenant, handle)
        state.put(msgspec.structs.replace(row, reasons=row.reasons - 1))
        # it was the last reason (the row is from before the subtraction)
        if row.reasons == 1:
            _unfollow(state, block.tenant, handle)
            if row.compute_item:
                unwanted.append(row.compute_item)
    _cancel(state, block.tenant, unwanted)


def is_wanted(state: State, tenant: str, compute_item: str) -> bool:
    """Whether an output of a compute item is a goal, or what a wanted item waits for; raises Missing."""
    seen: set[str] = set()
    pending = [compute_item]
    while pending:
        item = pending.pop()
        if item in seen:
            continue
        seen.add(item)
        members = state.find(MemberRow, ("tenant", "item"), tenant, item)
        outputs = [member.handle for member in members if member.is_output]
        if any(handle_row(state, tenant, handle).reasons > 0 for handle in outputs):
            return True
        waiters = [row for h in outputs for row in items.waiting(state, tenant, items.stored(h))]
        if any(row.state is WorkState.BLOCKED for row in waiters):
            return True
        # A result may end an item that still waits (an input of another key set came first). Whether that
        # item is wanted is a matter of facts all the same, so it is asked as if it waited on.
        pending.extend(row.id for row in waiters if row.state in ENDED)
    return False


def _cancel(state: State, tenant: str, unwanted: list[str]) -> None:
    """Cancel the compute items that nothing wants, then what only they waited for."""
    gone: set[str] = set()
    while unwanted:
        item = unwanted.pop()
        if item not in gone and not is_wanted(state, tenant, item):
            gone.add(item)
            items.cancel(state, tenant, item)
            unwanted.extend(items.producers(state, tenant, item))


def follower(work_class: WorkClass, tenant: str, handle: bytes) -> str:
    """Id of the item of that class which follows a stored goal."""
    return item_id(work_class, tenant, handle)


def _event_id(state: State, block: BlockRow) -> str:
    owner = state.get(TenantRow, block.tenant)
    return host_event_id(0 if owner is None else owner.chain_id, block.hash)


def _allowed(state: State, block: BlockRow) -> list[bytes]:
    rows = state.find(AllowedRow, ("tenant", "block_hash"), block.tenant, block.hash)
    return list(dict.fromkeys(row.handle for row in rows))


def _plan(
    state: State, block: BlockRow, allowed: list[bytes], computed: list[ComputationRow], event_id: str
) -> list[Component]:
    wanted = dict.fromkeys([*allowed, *(row.output_handle for row in computed)])
    known = {handle: handle_row(state, block.tenant, handle) for handle in wanted}
    goals = {handle: row for handle, row in known.items() if row.reasons > 0}
    for row in goals.values():
        if row.compute_item:
            items.revive(state, block.tenant, row.compute_item)
    open_goals = [handle for handle, row in goals.items() if not row.compute_item]
    own = [row for row in computed if known[row.output_handle].operation_digest == row.digest()]
    own.sort(key=attrgetter("log_index"))
    transactions: dict[bytes, list[ComputationRow]] = {}
    for row in own:
        transactions.setdefault(row.transaction_id, []).append(row)
    made: list[Component] = []
    for source, group in _by_transaction(state, block, open_goals, own):
        transaction, block_hash = source
        is_here = block_hash == block.hash
        rows = transactions[transaction] if is_here else _operations(state, block.tenant, source)
        made += _make_components(state, block.tenant, rows, group, event_id)
    return made


def _by_transaction(
    state: State, block: BlockRow, goals: list[bytes], own: Iterable[ComputationRow]
) -> list[tuple[tuple[bytes, bytes], list[bytes]]]:
    """Goals by the (transaction, block) that computes them, this block's first; unknown ones are left out."""
    here: dict[bytes, ComputationRow] = {}
    for row in own:
        here.setdefault(row.output_handle, row)
    placed: list[tuple[tuple[bytes, bytes], int, bytes]] = []
    for goal in goals:
        row = here.get(goal) or _elsewhere(state, block.tenant, goal)
        if row is not None:
            placed.append(((row.transaction_id, row.block_hash), row.log_index, goal))
    # A fixed order whatever order rows were read in: it decides which goals share a component, hence the
    # items.
    placed.sort(key=lambda place: (place[0][1] != block.hash, place[1], place[0], place[2]))
    groups: dict[tuple[bytes, bytes], list[bytes]] = {}
    for source, _, goal in placed:
        groups.setdefault(source, []).append(goal)
    return list(groups.items())


def _elsewhere(state: State, tenant: str, handle: bytes) -> ComputationRow | None:
    # sorted by primary key (`State.find`), so that every run takes the same one
    rows = state.find(ComputationRow, ("tenant", "output_handle"), tenant, handle)
    return next((row for row in rows if _means_the_same(state, row)), None)


def _operations(state: State, tenant: str, source: tuple[bytes, bytes]) -> list[ComputationRow]:
    """The operations of a transaction in another block."""
    rows = state.find(ComputationRow, ("tenant", "transaction_id", "block_hash"), tenant, *source)
    return [row for row in rows if _means_the_same(state, row)]


def _make_components(
    state: State, tenant: str, own: Sequence[ComputationRow], goals: Iterable[bytes], event_id: str
) -> list[Component]:
    def is_external(handle: bytes) -> bool:
        # The item of what is no goal any more may be cancelled, and its cut depends on lost branches.
        known = handle_row(state, tenant, handle)
        return known.reasons > 0 and bool(known.compute_item)

    made = components(own, frozenset(goals), is_external)
    for component in made:
        _make_item(state, tenant, component, event_id)
    return made


def _means_the_same(state: State, row: ComputationRow) -> bool:
    """Whether this event says of its handle what the first event said (else it raised an alarm)."""
    known = handle_row(state, row.tenant, row.output_handle).operation_digest
    return known == row.digest()


def _make_item(state: State, tenant: str, component: Component, event_id: str) -> None:
    item = item_id(WorkClass.TFHE, tenant, component.root)
    outputs = frozenset(component.outputs)
    state.presume(MemberRow, ("tenant", "item"), tenant, item)
    items.presume_no_failure(state, tenant, map(items.stored, component.outputs))
    for position, step in enumerate(component.steps):
        state.add(
            MemberRow(
                tenant=tenant,
                item=item,
                handle=step.output_handle,
                position=position,
                fhe_operation=step.fhe_operation,
                dependencies=step.dependencies,
                is_scalar=step.is_scalar,
                fhe_type=step.fhe_type,
                is_output=step.output_handle in outputs,
            )
        )
    made_rows = [handle_row(state, tenant, handle) for handle in component.outputs]
    for row in made_rows:
        state.put(msgspec.structs.replace(row, compute_item=item))
    work = WorkRow(
        tenant=tenant,
        id=item,
        work_class=WorkClass.TFHE,
        kind=items.COMPUTE,
        subject=component.root,
        affinity=component.root,
        contract=component.steps[0].caller,
        cost_ms=component.cost_ms,
        state=WorkState.READY,
        event_id=event_id,
    )
    tokens = itertools.chain((items.KEY_TOKEN,), map(items.stored, component.inputs))
    items.create(state, work, tokens, component.defect, is_new=True)
    _want(state, tenant, component.inputs)
    if not component.defect and any(row.is_awaited for row in made_rows):
        cycles.fail_circle(state, tenant, item)


def _want(state: State, tenant: str, inputs: Iterable[bytes]) -> None:
    """An item was made that takes these: what makes them is wanted too, or will be when it is known."""
    for known in [handle_row(state, tenant, handle) for handle in inputs]:
        if not known.compute_item:
            # not those of encrypted inputs, which no operation makes
            if is_computed(known.handle) and not known.is_awaited:
                state.put(msgspec.structs.replace(known, is_awaited=True))
        elif not known.reasons:
            items.revive(state, tenant, known.compute_item)


def _follow_all(state: State, rows: Iterable[HandleRow], event_id: str) -> None:
    # Made once per handle and never deleted: a handle that is allowed again finds its old items and their
    # states.
    for row in rows:
        if row.followed:
            _follow_again(state, row)
        else:
            _follow(state, row, event_id)


def _follow(state: State, row: HandleRow, event_id: str) -> None:
    for work_class, kind, token, cost_ms in _FOLLOWERS:
        item = follower(work_class, row.tenant, row.handle)
        items.presume_no_failure(state, row.tenant, _brought(kind, row.handle))
        work = WorkRow(
            tenant=row.tenant,
            id=item,
            work_class=work_class,
            kind=kind,
            subject=row.handle,
            affinity=row.handle,
            # follows a handle, not a dApp's call: no contract takes turns for it
            contract=b"",
            cost_ms=cost_ms,
            state=WorkState.READY,
            event_id=event_id,
        )
        items.create(state, work, (token(row.handle),), is_new=True)


def _follow_again(state: State, row: HandleRow) -> None:
    for work_class, *_ in _FOLLOWERS:
        items.revive(state, row.tenant, follower(work_class, row.tenant, row.handle))


def _brought(kind: str, handle: bytes) -> tuple[bytes, ...]:
    """Tokens that a follower brings."""
    return (items.squashed(handle),) if kind == items.SQUASH else ()


def _unfollow(state: State, tenant: str, handle: bytes) -> None:
    for work_class, *_ in _FOLLOWERS:
        items.cancel(state, tenant, follower(work_class, tenant, handle))
