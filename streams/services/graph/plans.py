"""What is to be done with a record: decide over it, keep it, or park it."""

from collections.abc import Awaitable, Callable, Collection, Sequence

import msgspec

from streams.domain.chain import events_of
from streams.domain.decide import Rules, decide_fact, decide_result
from streams.domain.errors import Undecodable
from streams.domain.facts import HostBlock, decode_fact
from streams.domain.foresight import Foresight, of_fact, of_result
from streams.domain.results import decode_result
from streams.messages.topics import EVENTS
from streams.ports import Record, Transaction
from streams.services.graph.parking import tenant_of
from streams.services.graph.session import Decision

# What a transaction does last, in the same breath: the offset moves on, or kept records are dropped.
Finish = Callable[[Transaction, Sequence[Record]], Awaitable[None]]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One record; without decision and defect it is kept, because its tenant is halted."""

    record: Record
    tenant: str
    decision: Decision | None = None
    foresight: Foresight = Foresight()
    defect: Undecodable | None = None


def plan_of(record: Record, rules: Rules, halted: Collection[str], home_of: Callable[[bytes], int]) -> Plan:
    """The plan for a record.

    Args:
        home_of: the partition that a key belongs to.
    """
    tenant = tenant_of(record)
    try:
        _check_key(record, tenant, home_of)
        decision, foresight = _decision(record, tenant, rules)
    except Undecodable as defect:
        # Also for a halted tenant: bytes that nobody can read will not become readable by waiting.
        return Plan(record=record, tenant=tenant, defect=defect)
    if tenant in halted:
        return Plan(record=record, tenant=tenant)
    return Plan(record=record, tenant=tenant, decision=decision, foresight=foresight)


def _check_key(record: Record, tenant: str, home_of: Callable[[bytes], int]) -> None:
    # `tenant_of` makes text of anything; a key that was changed by it is no tenant's.
    if record.key is None or not tenant or tenant.encode() != record.key:
        raise Undecodable("the key is not the name of a tenant")
    # Two owners would write a tenant's rows, each in an order of its own.
    home = home_of(record.key)
    if home != record.partition:
        raise Undecodable(f"the key belongs to partition {home}: another partitioner wrote it")


def _decision(record: Record, tenant: str, rules: Rules) -> tuple[Decision, Foresight]:
    if record.topic == EVENTS:
        fact = decode_fact(record.value or b"")
        events = events_of(fact) if isinstance(fact, HostBlock) else ()
        foresight = of_fact(tenant, fact, events)
        return lambda state: decide_fact(state, tenant, fact, rules, events), foresight
    result = decode_result(record.value or b"")
    foresight = of_result(tenant, result)
    return lambda state: decide_result(state, tenant, result, record.timestamp_ms), foresight
