"""The graph of a transaction: cut to what its goals need, split into connected components."""

from collections.abc import Callable, Collection, Sequence
from typing import Final

import msgspec

from streams.domain.errors import OperationError
from streams.domain.operands import check_operands, cost_ms, handle_operands
from streams.domain.rows import ComputationRow

COMPONENT_OVERHEAD_MS: Final = 5

Taken = dict[bytes, tuple[bytes, ...]]
"""The handles that each operation takes, by its result, in log order."""


class Component(msgspec.Struct, frozen=True, kw_only=True):
    """Operations that must be computed together: `steps` in order, `inputs` from outside."""

    steps: tuple[ComputationRow, ...]
    outputs: tuple[bytes, ...]
    inputs: tuple[bytes, ...]
    defect: str = ""  # why it can never be computed

    @property
    def root(self) -> bytes:
        """Its first output: names the component."""
        return self.outputs[0]

    @property
    def cost_ms(self) -> int:
        return COMPONENT_OVERHEAD_MS + sum(
            cost_ms(s.fhe_operation, s.dependencies, s.is_scalar, s.fhe_type) for s in self.steps
        )


def components(
    computations: Sequence[ComputationRow], goals: Collection[bytes], is_external: Callable[[bytes], bool]
) -> list[Component]:
    """Components of one transaction that produce the goals, in the order of their first operation.

    A handle for which `is_external` holds is taken from the store although the transaction computes it:
    another item has it as an output. What no goal needs is left out.
    """
    by_output = _first_by_output(computations)
    taken = {handle: _operands(row) for handle, row in by_output.items()}
    needed = _closure(taken, goals, is_external)
    groups = _connect(taken, needed)
    return [_component(by_output, taken, group, goals, needed) for group in groups]


def _first_by_output(computations: Sequence[ComputationRow]) -> dict[bytes, ComputationRow]:
    by_output: dict[bytes, ComputationRow] = {}
    # log order is the order in which the contract executed, so operands come before their use
    for row in sorted(computations, key=lambda row: row.log_index):
        by_output.setdefault(row.output_handle, row)
    return by_output


def _operands(row: ComputationRow) -> tuple[bytes, ...]:
    return handle_operands(row.fhe_operation, row.dependencies, row.is_scalar)


def _closure(taken: Taken, goals: Collection[bytes], is_external: Callable[[bytes], bool]) -> set[bytes]:
    needed: set[bytes] = set()
    pending = [goal for goal in goals if goal in taken]
    while pending:
        handle = pending.pop()
        if handle in needed:
            continue
        needed.add(handle)
        # what another item has as an output is loaded from the store, not computed twice
        pending += [h for h in taken[handle] if h in taken and h not in needed and not is_external(h)]
    return needed


def _connect(taken: Taken, needed: set[bytes]) -> list[list[bytes]]:
    """Connected groups by union-find, members and groups in log order."""
    leader = {handle: handle for handle in needed}

    def find(handle: bytes) -> bytes:
        while leader[handle] != handle:
            # halves the path on the way: nearly constant time per look-up
            leader[handle] = leader[leader[handle]]
            handle = leader[handle]
        return handle

    ordered = [handle for handle in taken if handle in needed]
    for handle in ordered:
        for operand in taken[handle]:
            if operand in needed:
                leader[find(operand)] = find(handle)
    # Order matters: it becomes the order of steps and the item's identity, which every run must find alike.
    groups: dict[bytes, list[bytes]] = {}
    for handle in ordered:
        groups.setdefault(find(handle), []).append(handle)
    return list(groups.values())


def _component(
    by_output: dict[bytes, ComputationRow],
    taken: Taken,
    group: list[bytes],
    goals: Collection[bytes],
    needed: set[bytes],
) -> Component:
    # a dictionary for a set in order
    inputs = {h: None for handle in group for h in taken[handle] if h not in needed}
    steps = tuple(by_output[handle] for handle in group)
    return Component(
        steps=steps,
        outputs=tuple(handle for handle in group if handle in goals),
        inputs=tuple(inputs),
        defect=_defect(steps, taken),
    )


def _defect(steps: tuple[ComputationRow, ...], taken: Taken) -> str:
    coming = {step.output_handle for step in steps}
    for step in steps:
        # In log order a result that comes later cannot be an operand; handles could only form a cycle in a
        # forged log.
        if not coming.isdisjoint(taken[step.output_handle]):
            return "OperationError: an operation needs its own or a later result (cycle)"
        try:
            check_operands(step.fhe_operation, step.dependencies, step.is_scalar, step.fhe_type)
        except OperationError as error:
            return f"OperationError: {error}"
        coming.remove(step.output_handle)
    return ""
