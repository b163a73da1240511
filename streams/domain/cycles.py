"""Items that wait for one another in a circle: none of them can ever be computed.

Within a transaction the cut finds that (`graph.components`). Over transactions it takes forged logs, as a
handle is a hash of its operands; it is looked for only where it can be, so that the usual item pays nothing.
The item that closes a circle is made after one that waits for its output already: `HandleRow.is_awaited`
tells, from facts alone. What waits in a circle is never computed, so no result changes what is found.
"""

from typing import Final

from streams.domain import items
from streams.domain.errors import OperationError
from streams.domain.rows import HandleRow, WaitRow, WorkRow
from streams.domain.state import State

CYCLE: Final = f"{OperationError.__name__}: operations of several transactions need each other (cycle)"


def fail_circle(state: State, tenant: str, item: str) -> None:
    """Fail an item that was just made, and all that are in a circle with it; raises Missing."""
    if not _waits_for_item(state, tenant, item):
        return
    after = _downstream(state, tenant, item)
    # in a fixed order: dead letters and causes are the same in every run
    for member in sorted(_leading_to(after, item)):
        items.fail(state, tenant, member, CYCLE)


def _waits_for_item(state: State, tenant: str, item: str) -> bool:
    """Whether it waits for a value that another item makes; else it closes nothing."""
    waits = state.find(WaitRow, ("tenant", "item"), tenant, item)
    handles = filter(None, (items.handle_of(wait.token) for wait in waits))
    rows = (state.get(HandleRow, tenant, handle) for handle in handles)
    return any(row is not None and row.compute_item for row in rows)


def _downstream(state: State, tenant: str, item: str) -> dict[str, list[str]]:
    """Each item that waits for this one, however far, with those that wait for it at once."""
    after: dict[str, list[str]] = {}
    pending = [item]
    while pending:
        at = pending.pop()
        if at in after:
            continue
        after[at] = _waiting(state, tenant, at)
        pending += after[at]
    return after


def _waiting(state: State, tenant: str, item: str) -> list[str]:
    row = state.get(WorkRow, tenant, item)
    # what only follows a value (squash, commit) makes none
    if row is None or row.kind != items.COMPUTE:
        return []
    tokens = items.products(state, row)
    waits = (wait for token in tokens for wait in state.find(WaitRow, ("tenant", "token"), tenant, token))
    return [wait.item for wait in waits]


def _leading_to(after: dict[str, list[str]], item: str) -> set[str]:
    """The items after which this one comes again; none where it is in no circle."""
    before: dict[str, list[str]] = {}
    for at, others in after.items():
        for other in others:
            before.setdefault(other, []).append(at)
    circle: set[str] = set()
    pending = list(before.get(item, ()))
    while pending:
        at = pending.pop()
        if at not in circle:
            circle.add(at)
            pending += before.get(at, ())
    return circle
