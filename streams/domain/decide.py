"""`decide`: what a fact or a result changes. Pure: no I/O, no clock, no randomness.

The law: for any interleaving of a tenant's facts and results (each log in its own order) the final rows
are equal, except the columns that a row class names as `UNSETTLED`.
"""

import hashlib

import msgspec

from streams.domain import items, outcomes
from streams.domain.chain import Events, Planning, apply_block
from streams.domain.drift import Limits
from streams.domain.errors import FactTooLarge, NotSkippable, Undecodable
from streams.domain.facts import (
    FACT_BYTES_MAX,
    FACT_PARTS_MAX,
    FACT_WHOLE_BYTES_MAX,
    CrsActivated,
    Fact,
    FactPart,
    GatewayRange,
    HostBlock,
    KeyActivated,
    decode_fact,
)
from streams.domain.gateway import apply_range, give_crs
from streams.domain.results import Computed, Failed, Proven, Result, Sent, Squashed, Started
from streams.domain.rows import FactPartRow, KeyRow, TenantRow
from streams.domain.state import State


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision needs to know of the deployment."""

    sender_address: bytes = b""  # ours on the gateway: its events close our items
    repeats_rights: bool = False  # an old network: what the host chain allows is repeated on the gateway
    limits: Limits = Limits()  # how long commits of a handle may take
    chain_ops_max: int = 0  # longer chains of dependent operations take the slow lane; 0 = none does


def decide_fact(state: State, tenant: str, fact: Fact, rules: Rules, events: Events | None = None) -> None:
    """Apply a fact to the working set; raises Missing, or Undecodable when it contradicts itself.

    Args:
        events: of a block, where they have been read already.
    """
    match fact:
        case HostBlock():
            plan = Planning(repeats_rights=rules.repeats_rights, chain_ops_max=rules.chain_ops_max)
            apply_block(state, tenant, fact, plan, events)
        case GatewayRange():
            apply_range(state, tenant, fact, rules.sender_address, rules.limits)
        case KeyActivated():
            _activate_key(state, tenant, fact)
        case CrsActivated():
            _activate_crs(state, tenant, fact)
        case FactPart():
            whole = _joined(state, tenant, fact)
            if whole is not None:
                decide_fact(state, tenant, whole, rules)


def leave_out(state: State, tenant: str, fact: Fact, rules: Rules) -> None:
    """Apply a fact without what it tells; raises NotSkippable, Missing.

    Of a range of the gateway its end still counts: the next one begins there.
    """
    match fact:
        case GatewayRange():
            untold = msgspec.structs.replace(fact, logs=())
            apply_range(state, tenant, untold, rules.sender_address, rules.limits)
        case FactPart():
            whole = _joined(state, tenant, fact)
            if whole is not None:
                leave_out(state, tenant, whole, rules)
        case _:
            raise NotSkippable


def decide_result(state: State, tenant: str, result: Result, at_ms: int) -> None:
    """Apply a result to the working set; raises Missing. `at_ms` is the time of its record."""
    match result:
        case Started():
            outcomes.apply_started(state, tenant, result, at_ms)
        case Computed():
            outcomes.apply_computed(state, tenant, result)
        case Proven():
            outcomes.apply_proven(state, tenant, result)
        case Squashed():
            outcomes.apply_squashed(state, tenant, result)
        case Sent():
            outcomes.apply_sent(state, tenant, result)
        case Failed():
            outcomes.apply_failed(state, tenant, result, at_ms)


def _activate_key(state: State, tenant: str, fact: KeyActivated) -> None:
    # Told again by another listener, or after a restart: the first fact decides from where on the key is
    # active.
    if state.get(KeyRow, tenant, "key", fact.key_id) is not None:
        return
    state.put(KeyRow(tenant=tenant, kind="key", key_id=fact.key_id, digest=fact.digest))
    owner = state.get(TenantRow, tenant) or TenantRow(tenant=tenant)
    state.put(msgspec.structs.replace(owner, key_id=fact.key_id, engine=fact.engine))
    # Everything that waited for a first key; with a later key nothing waits, and items made from here on
    # take it.
    items.come(state, tenant, items.KEY_TOKEN)


def _activate_crs(state: State, tenant: str, fact: CrsActivated) -> None:
    if state.get(KeyRow, tenant, "crs", fact.crs_id) is not None:
        return
    state.put(KeyRow(tenant=tenant, kind="crs", key_id=fact.crs_id, digest=fact.digest))
    owner = state.get(TenantRow, tenant) or TenantRow(tenant=tenant)
    state.put(msgspec.structs.replace(owner, crs_id=fact.crs_id))
    give_crs(state, tenant, fact.crs_id)
    items.come(state, tenant, items.CRS_TOKEN)


def _joined(state: State, tenant: str, part: FactPart) -> Fact | None:
    """The fact whose last part this is; else the part is kept."""
    if not 0 <= part.index < part.count:
        raise Undecodable(f"part {part.index} of {part.count}")
    if part.count > FACT_PARTS_MAX or len(part.body) > FACT_BYTES_MAX:
        # not parked like bytes that nobody can read: a chain without one of its blocks must not go on
        raise FactTooLarge(f"a fact of {part.count} parts is larger than {FACT_WHOLE_BYTES_MAX} bytes")
    row = FactPartRow(tenant=tenant, sha256=part.sha256, part=part.index, parts=part.count, body=part.body)
    # By digest: two listeners may tell the same fact, and their parts interleave.
    parts = state.find(FactPartRow, ("tenant", "sha256"), tenant, part.sha256)
    # Each tells its parts in order, so without a first one the fact is whole already, or is told again whole:
    # kept, the part would stay for ever.
    if part.index and not any(known.part == 0 for known in parts):
        return None
    if all(known.part != part.index for known in parts):
        state.put(row)
        parts = [*parts, row]
    if len(parts) < part.count:
        return None
    for known in parts:
        state.delete(known)
    whole = b"".join(known.body for known in sorted(parts, key=lambda known: known.part))
    if hashlib.sha256(whole).digest() != part.sha256:
        raise Undecodable("the parts of a fact do not add up to its digest")
    fact = decode_fact(whole)
    # would let a record unfold without end
    if isinstance(fact, FactPart):
        raise Undecodable("a part of a part")
    return fact
