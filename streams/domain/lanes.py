"""Which new components take the slow lane: those of long chains, and those that wait for such.

A chain is what is connected by values among the components of one block. The lane is the item's priority, and
like everything else of an item it follows from facts alone.
"""

from collections.abc import Sequence

import msgspec

from streams.domain.graph import Component
from streams.domain.rows import HandleRow, WorkRow
from streams.domain.schedule import SLOW_LANE
from streams.domain.state import State


def choose(state: State, tenant: str, made: Sequence[Component], ops_max: int) -> None:
    """Move the items of those components to the slow lane whose chain has more operations.

    Raises: Missing.
    """
    for chain in _chains(made):
        ops = sum(len(component.steps) for component in chain)
        if ops > ops_max or any(_waits_for_slow(state, tenant, component) for component in chain):
            for component in chain:
                _slow_down(state, tenant, component)


def _chains(made: Sequence[Component]) -> list[list[Component]]:
    """Components by the values that they bring each other."""
    maker = {handle: at for at, component in enumerate(made) for handle in component.outputs}
    leader = list(range(len(made)))

    def find(at: int) -> int:
        while leader[at] != at:
            leader[at] = leader[leader[at]]
            at = leader[at]
        return at

    for at, component in enumerate(made):
        for handle in component.inputs:
            if handle in maker:
                leader[find(at)] = find(maker[handle])
    chains: dict[int, list[Component]] = {}
    for at, component in enumerate(made):
        chains.setdefault(find(at), []).append(component)
    return list(chains.values())


def _waits_for_slow(state: State, tenant: str, component: Component) -> bool:
    """Whether an earlier block's item that makes an input is in the slow lane."""
    rows = (state.get(HandleRow, tenant, handle) for handle in component.inputs)
    makers = {row.compute_item for row in rows if row is not None and row.compute_item}
    items = (state.get(WorkRow, tenant, maker) for maker in sorted(makers))
    return any(item is not None and item.priority < 0 for item in items)


def _slow_down(state: State, tenant: str, component: Component) -> None:
    row = state.get(HandleRow, tenant, component.root)
    item = None if row is None else state.get(WorkRow, tenant, row.compute_item)
    if item is not None:
        state.put(msgspec.structs.replace(item, priority=SLOW_LANE))
