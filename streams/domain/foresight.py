"""What a decision asks for in any case, as far as its fact or result says so by itself.

Loaded before the first attempt: it holds what exists already, so that the first attempt's guesses, that
everything else is new, mostly turn out right.
"""

from collections.abc import Callable, Iterator

from streams.domain import items
from streams.domain.chain import Events
from streams.domain.events import Allowed, AllowedForDecryption, OperationEvent
from streams.domain.facts import Fact, GatewayRange, HostBlock
from streams.domain.operands import handle_operands
from streams.domain.planning import follower
from streams.domain.results import Computed, Proven, Result, Squashed
from streams.domain.rows import (
    AlarmKind,
    AlarmRow,
    BlockRow,
    HandleRow,
    MemberRow,
    TenantRow,
    WaitRow,
    WorkRow,
)
from streams.domain.state import Read
from streams.domain.work import WorkClass


def reads_of_fact(tenant: str, fact: Fact, events: Events = ()) -> tuple[Read, ...]:
    """The tenant; where a block connects, and the handles that its events speak of.

    What the fact is first to tell of is left out: that it does not exist yet is a guess that costs nothing.
    """
    owner = Read(TenantRow, TenantRow.KEY, (tenant,))
    if isinstance(fact, GatewayRange):
        return (owner, Read(AlarmRow, AlarmRow.KEY, (tenant, AlarmKind.GATEWAY_RANGE, b"")))
    # Other facts ask for what only their contents tell; a wrong guess costs one more round of queries.
    if not isinstance(fact, HostBlock):
        return (owner,)
    parent = Read(BlockRow, BlockRow.KEY, (tenant, fact.parent_hash))
    made = {event.result for event in events if isinstance(event, OperationEvent)}
    named = dict.fromkeys(handle for event in events for handle in _named(event))
    known = (Read(HandleRow, HandleRow.KEY, (tenant, handle)) for handle in named if handle not in made)
    return (owner, parent, *known)


def _named(event: object) -> tuple[bytes, ...]:
    match event:
        case OperationEvent():
            return tuple(handle_operands(event.code, event.operands, event.is_scalar))
        case Allowed():
            return (event.handle,)
        case AllowedForDecryption():
            return event.handles
        case _:
            return ()


def reads_of_result(tenant: str, result: Result) -> tuple[Read, ...]:
    """The item with its parts, the handles that it speaks of, and what waits for them."""
    item = (
        Read(WorkRow, WorkRow.KEY, (tenant, result.item)),
        Read(MemberRow, ("tenant", "item"), (tenant, result.item)),
        Read(WaitRow, ("tenant", "item"), (tenant, result.item)),
    )
    return (*item, *_brought(tenant, result))


def _brought(tenant: str, result: Result) -> Iterator[Read]:
    match result:
        case Computed() | Proven():
            for ciphertext in result.ciphertexts:
                yield from _stored(tenant, ciphertext.handle, items.stored, WorkClass.SNS)
        case Squashed():
            yield from _stored(tenant, result.handle, items.squashed, WorkClass.SENDER, WorkClass.PUBLISH)
        case _:
            pass


def _stored(
    tenant: str, handle: bytes, token: Callable[[bytes], bytes], *classes: WorkClass
) -> Iterator[Read]:
    yield Read(HandleRow, HandleRow.KEY, (tenant, handle))
    yield Read(WaitRow, ("tenant", "token"), (tenant, token(handle)))
    for work_class in classes:
        yield Read(WorkRow, WorkRow.KEY, (tenant, follower(work_class, tenant, handle)))
