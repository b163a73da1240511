"""Drift: what operators commit on the gateway, held against each other and against what we have.

Everything in a `DriftRow` follows from rows that are there: the commits, the consensus, our own digests. So
it is the same whether ours or theirs comes first, a branch of the gateway that is gone leaves nothing behind,
and an alarm goes when what it says is no longer true. Times are those of the gateway's blocks, as the facts
tell them: replayed, the same handles are late. Nothing here ever takes our own work back.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

import msgspec

from streams.domain.events import AddCiphertextMaterial, AddCiphertextMaterialConsensus, UpdateCoprocessors
from streams.domain.rows import (
    AlarmKind,
    AlarmRow,
    ConsensusRow,
    DigestRow,
    DriftRow,
    DriftState,
    MaterialRow,
    TenantRow,
)
from streams.domain.state import State

OTHER: Final = AlarmKind.DRIFT
DIFFERING: Final = AlarmKind.DRIFT_OPERATORS
NO_CONSENSUS: Final = AlarmKind.DRIFT_NO_CONSENSUS
MISSING: Final = AlarmKind.DRIFT_MISSING

TICK_S: Final = 5  # deadlines are looked at as often
_TICKS_MAX: Final = 60  # asked for one by one; after a longer silence all that wait are looked at

Watched = AddCiphertextMaterial | AddCiphertextMaterialConsensus | UpdateCoprocessors
_Material = tuple[bytes, bytes, bytes]  # key id, digest of the ct64, digest of the ct128
_PARTS: Final = ("key id", "ct64", "ct128")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How long a handle may wait for agreement, and after it for the rest of the operators."""

    no_consensus_s: int = 300
    grace_s: int = 300


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where on the gateway an event is."""

    block: int
    range_end: int


def observe(state: State, tenant: str, event: Watched, place: Place, limits: Limits) -> None:
    """Take an event of any operator; raises Missing."""
    if isinstance(event, UpdateCoprocessors):
        before = set(_expected(state, tenant))
        _expect(state, tenant, [coprocessor.tx_sender for coprocessor in event.coprocessors])
        expected = set(_expected(state, tenant))
        if before - expected:
            _stop_waiting(state, tenant, expected, place.block)
        return
    facts = {
        "tenant": tenant,
        "handle": event.handle,
        "key_id": event.key_id,
        "ciphertext": event.ct64_digest,
        "ciphertext128": event.ct128_digest,
        "block_number": place.block,
        "range_end": place.range_end,
    }
    # the consensus names a handle once; the newest of it counts, as after a reorganisation it is told again
    if isinstance(event, AddCiphertextMaterialConsensus):
        state.put(msgspec.convert(facts, ConsensusRow))
    # one commit per operator, as the contract has it; a repeated event adds nothing
    elif state.get(MaterialRow, tenant, event.handle, event.tx_sender) is None:
        state.put(msgspec.convert(facts | {"tx_sender": event.tx_sender}, MaterialRow))
        _expect(state, tenant, [*_expected(state, tenant), event.tx_sender])
    _review(state, tenant, event.handle, place.block, limits)


def compare(state: State, tenant: str, handle: bytes) -> None:
    """Our own digests are there: hold what is committed against them."""
    row = state.get(DriftRow, tenant, handle)
    if row is not None:
        _keep(state, _compared(state, row, _materials(state, row), _consensus(state, row)))


def take_back(state: State, tenant: str, range_end: int, limits: Limits) -> None:
    """Forget what a range told that is on no branch any more."""
    columns = ("tenant", "range_end")
    gone = [
        *state.find(MaterialRow, columns, tenant, range_end),
        *state.find(ConsensusRow, columns, tenant, range_end),
    ]
    for row in gone:
        state.delete(row)
    # each once, in a fixed order: rows and alarms are the same in every run
    for handle in dict.fromkeys(row.handle for row in gone):
        _review(state, tenant, handle, range_end, limits)


def expire(state: State, tenant: str, before_s: int, now_s: int) -> None:
    """The gateway's clock went on: handles whose phase was too long are late now."""
    if not before_s:
        return  # the first time that is known: nothing was measured before
    for row in _overdue(state, tenant, before_s // TICK_S, now_s // TICK_S):
        late = msgspec.structs.replace(row, is_late=True, due=-1)
        _keep(state, _with_missing(state, late, _materials(state, row)))


def _stop_waiting(state: State, tenant: str, expected: Collection[bytes], block: int) -> None:
    """Somebody is no operator any more: whatever is agreed on may be complete without that one.

    Who is new is not called late for handles from before.
    """
    for row in state.find(DriftRow, ("tenant", "is_waiting"), tenant, True):
        left = tuple(sender for sender in row.missing if sender in expected)
        fewer = msgspec.structs.replace(row, missing=left)
        _keep(state, _with_completion(state, fewer, _materials(state, row), block))


def _overdue(state: State, tenant: str, before: int, now: int) -> list[DriftRow]:
    if now - before > _TICKS_MAX:
        waiting = state.find(DriftRow, ("tenant", "is_waiting"), tenant, True)
        return [row for row in waiting if 0 <= row.due <= now]
    # An index of ticks in place of a comparison: the store answers equality only
    # (`ports.Transaction.load`).
    ticks = range(before + 1, now + 1)
    return [row for tick in ticks for row in state.find(DriftRow, ("tenant", "due"), tenant, tick)]


def _review(state: State, tenant: str, handle: bytes, block: int, limits: Limits) -> None:
    """Commits of a handle came or went."""
    found = state.get(DriftRow, tenant, handle)
    row = found or DriftRow(tenant=tenant, handle=handle, state=DriftState.OPEN, opened_block=block)
    materials, consensus = _materials(state, row), _consensus(state, row)
    if not materials and consensus is None:
        _forget(state, row)
        return
    # The phase changes in both directions: a reorganisation may take the consensus away again.
    if found is None or (consensus is not None) is not (row.agreed_block >= 0):
        row = _in_new_phase(state, row, consensus, limits)
    row = _with_completion(state, row, materials, block)
    row = _with_missing(state, row, materials)
    _keep(state, _compared(state, row, materials, consensus))


def _in_new_phase(state: State, row: DriftRow, consensus: ConsensusRow | None, limits: Limits) -> DriftRow:
    owner = state.get(TenantRow, row.tenant)
    now_s = 0 if owner is None else owner.gateway_s
    limit_s = limits.no_consensus_s if consensus is None else limits.grace_s
    return msgspec.structs.replace(
        row,
        agreed_block=-1 if consensus is None else consensus.block_number,
        # rounded up to a tick, so that nobody is called late who is not
        due=(now_s + limit_s) // TICK_S + 1 if now_s else -1,
        is_late=False,
    )


def _with_completion(state: State, row: DriftRow, materials: Sequence[MaterialRow], block: int) -> DriftRow:
    is_complete = row.agreed_block >= 0 and not _absent(state, row, materials)
    if is_complete is (row.completed_block >= 0):
        return row
    return msgspec.structs.replace(
        row,
        completed_block=block if is_complete else -1,
        is_waiting=not is_complete,
        due=-1 if is_complete else row.due,
    )


def _with_missing(state: State, row: DriftRow, materials: Sequence[MaterialRow]) -> DriftRow:
    is_asked = row.is_late and row.agreed_block >= 0
    return msgspec.structs.replace(row, missing=_absent(state, row, materials) if is_asked else ())


def _absent(state: State, row: DriftRow, materials: Iterable[MaterialRow]) -> tuple[bytes, ...]:
    present = {material.tx_sender for material in materials}
    return tuple(sender for sender in _expected(state, row.tenant) if sender not in present)


def _compared(
    state: State, row: DriftRow, materials: Sequence[MaterialRow], consensus: ConsensusRow | None
) -> DriftRow:
    ours = _ours(state, row)
    agreed = None if consensus is None else _material(consensus)
    # before there is agreement, others are held against us
    reference = agreed or ours
    variants = {_material(material) for material in materials}
    # With nothing to hold them against nobody knows who is wrong: all are named.
    is_open = reference is None and len(variants) > 1
    senders = [m.tx_sender for m in materials if is_open or (reference and _material(m) != reference)]
    is_other = agreed is not None and ours is not None and agreed != ours
    return msgspec.structs.replace(row, is_other=is_other, differing=tuple(senders))


def _ours(state: State, row: DriftRow) -> _Material | None:
    digest = state.get(DigestRow, row.tenant, row.handle)
    return None if digest is None else _material(digest)


def _material(row: MaterialRow | ConsensusRow | DigestRow) -> _Material:
    return row.key_id, row.ciphertext, row.ciphertext128


def _materials(state: State, row: DriftRow) -> list[MaterialRow]:
    return state.find(MaterialRow, ("tenant", "handle"), row.tenant, row.handle)


def _consensus(state: State, row: DriftRow) -> ConsensusRow | None:
    return state.get(ConsensusRow, row.tenant, row.handle)


def _expected(state: State, tenant: str) -> tuple[bytes, ...]:
    owner = state.get(TenantRow, tenant)
    return () if owner is None else owner.coprocessors


def _expect(state: State, tenant: str, senders: Iterable[bytes]) -> None:
    """Who has to commit: the registered ones, and where no fact told them, whoever was seen to."""
    # sorted: the row must not depend on the order in which operators were seen
    owner, expected = state.get(TenantRow, tenant) or TenantRow(tenant=tenant), tuple(sorted(set(senders)))
    if owner.coprocessors != expected:
        state.put(msgspec.structs.replace(owner, coprocessors=expected))


def _state_of(row: DriftRow) -> DriftState:
    if row.is_other:
        return DriftState.DRIFTED
    if row.differing:
        return DriftState.DISPUTED
    if row.agreed_block < 0:
        return DriftState.OVERDUE if row.is_late else DriftState.OPEN
    if row.missing:
        return DriftState.INCOMPLETE
    return DriftState.AGREED if row.completed_block < 0 else DriftState.COMPLETE


def _forget(state: State, row: DriftRow) -> None:
    state.delete(row)
    for kind in (OTHER, DIFFERING, NO_CONSENSUS, MISSING):
        state.delete(_alarm(row, kind))


def _keep(state: State, row: DriftRow) -> None:
    """Store the row under its state, and the alarms that are true of it."""
    old = state.get(DriftRow, row.tenant, row.handle)
    state.put(msgspec.structs.replace(row, state=_state_of(row)))
    before = {} if old is None else _findings(state, old)
    after = _findings(state, row)
    # Alarms follow from the row alone: they go by themselves when it changes, without a second bookkeeping.
    for kind in before.keys() - after.keys():
        state.delete(_alarm(row, kind))
    for kind, detail in after.items():
        state.put(_alarm(row, kind, detail))


def _findings(state: State, row: DriftRow) -> dict[str, str]:
    """What an operator must hear about a handle, by kind of alarm."""
    found: dict[str, str] = {}
    if row.is_other:
        found[OTHER] = f"the gateway agreed on another {_difference(state, row)} than ours"
    if row.differing:
        found[DIFFERING] = f"other digests were committed by {_addresses(row.differing)}"
    if row.is_late and row.agreed_block < 0:
        found[NO_CONSENSUS] = f"no consensus in time since block {row.opened_block}"
    if row.missing:
        since = f"the consensus in block {row.agreed_block}"
        found[MISSING] = f"no commit in time since {since} by {_addresses(row.missing)}"
    return found


def _difference(state: State, row: DriftRow) -> str:
    agreed, ours = _consensus(state, row), _ours(state, row)
    if agreed is None or ours is None:
        return ""
    pairs = zip(_PARTS, _material(agreed), ours, strict=True)
    return ", ".join(part for part, theirs, own in pairs if theirs != own)


def _addresses(senders: Iterable[bytes]) -> str:
    return ", ".join(f"0x{sender.hex()}" for sender in senders)


def _alarm(row: DriftRow, kind: str, detail: str = "") -> AlarmRow:
    return AlarmRow(tenant=row.tenant, kind=kind, subject=row.handle, detail=detail)
