"""What a decision asks for in any case, as far as its fact or result says so by itself.

`reads` are what probably exists: it is remembered or loaded before the first attempt, which takes everything
else for new, and is mostly right. `guesses` are what the attempt is known to take for new: the store can be
asked for them while it runs. `inputs` are the stored ciphertexts that messages will bring along.
"""

from collections.abc import Callable, Iterable, Iterator

import msgspec

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
    CiphertextRow,
    HandleRow,
    MemberRow,
    TenantRow,
    WaitRow,
    WorkRow,
)
from streams.domain.state import Read
from streams.domain.work import WorkClass


class Foresight(msgspec.Struct, frozen=True):
    """Look-ups to come."""

    reads: tuple[Read, ...] = ()
    guesses: tuple[Read, ...] = ()
    inputs: tuple[Read, ...] = ()


def of_fact(tenant: str, fact: Fact, events: Events = ()) -> Foresight:
    """The tenant; where a block connects, and the handles that its events speak of."""
    owner = Read(TenantRow, TenantRow.KEY, (tenant,))
    if isinstance(fact, GatewayRange):
        return Foresight((owner, Read(AlarmRow, AlarmRow.KEY, (tenant, AlarmKind.GATEWAY_RANGE, b""))))
    # Other facts ask for what only their contents tell; a wrong guess costs one more round of queries.
    if not isinstance(fact, HostBlock):
        return Foresight((owner,))
    parent = Read(BlockRow, BlockRow.KEY, (tenant, fact.parent_hash))
    computed = [event for event in events if isinstance(event, OperationEvent)]
    made = dict.fromkeys(event.result for event in computed)
    operands = dict.fromkeys(handle for event in computed for handle in _operands(event))
    named = operands | dict.fromkeys(handle for event in events for handle in _allowed(event))
    known = [(tenant, handle) for handle in named if handle not in made]
    return Foresight(
        reads=(owner, parent, *(Read(HandleRow, HandleRow.KEY, key) for key in known)),
        guesses=(
            Read(BlockRow, BlockRow.KEY, (tenant, fact.hash)),
            Read(BlockRow, ("tenant", "parent_hash"), (tenant, fact.hash)),
            *(Read(HandleRow, HandleRow.KEY, (tenant, handle)) for handle in made),
        ),
        inputs=tuple(Read(CiphertextRow, CiphertextRow.KEY, key) for key in known if key[1] in operands),
    )


def _operands(event: OperationEvent) -> Iterable[bytes]:
    return handle_operands(event.code, event.operands, event.is_scalar)


def _allowed(event: object) -> tuple[bytes, ...]:
    match event:
        case Allowed():
            return (event.handle,)
        case AllowedForDecryption():
            return event.handles
        case _:
            return ()


def of_result(tenant: str, result: Result) -> Foresight:
    """The item with its parts, the handles that it speaks of, and what waits for them."""
    item = (
        Read(WorkRow, WorkRow.KEY, (tenant, result.item)),
        Read(MemberRow, ("tenant", "item"), (tenant, result.item)),
        Read(WaitRow, ("tenant", "item"), (tenant, result.item)),
    )
    return Foresight((*item, *_brought(tenant, result)))


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
