"""Operands with blocks made of the same ciphertexts.

Radix algorithms judge noise as if all blocks were independent, and so they are where two parties sent
them. Inside a component they need not be: x + x doubles an error where x + y adds two, a selection's result
contains one of its branches, and all blocks of a choice between known numbers contain its condition. Such an
operation is tried without ciphertexts first; only where it would exceed the noise budget, the shared blocks
are bootstrapped once more, and those that are equal one after the other: a bootstrap of the same block is the
same words, noise and all.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from streams.fhe.radix.block import Block, Wire
from streams.fhe.radix.executors import CountingExecutor
from streams.fhe.radix.operations import Operand, Request, plan
from streams.fhe.radix.steps import (
    BUDGET,
    LOADED,
    NoiseExceeded,
    Outputs,
    Steps,
    firsts,
    identity,
    look_up,
    run,
)

Place: TypeAlias = tuple[int, int]  # operand, block


def planned(request: Request) -> Steps[list[Block]]:
    """The algorithm of a request, whatever its operands share; raises what `plan` raises."""
    # Most operations share nothing and are not tried: a trial costs as much Python as the operation itself.
    shared = _shared(request.operands)
    if not shared or _fits(request):
        return _guarded(plan(request), request)
    return _separated(request, shared)


def _shared(operands: Sequence[Operand]) -> dict[Place, Block]:
    """Blocks with a ciphertext that an earlier block has too."""
    placed = _placed(operands)
    names = [wire.name for _, block in placed for wire, _ in block.terms]
    if len(set(names)) == len(names):
        return {}  # nearly always, and told in a fraction of the time
    seen, found = set[Wire](), dict[Place, Block]()
    for place, block in placed:
        # Of the same operand too: a choice between known numbers is multiples of its condition.
        if any(wire in seen for wire, _ in block.terms):
            found[place] = block
        seen.update(wire for wire, _ in block.terms)
    return found


def _placed(operands: Sequence[Operand]) -> list[tuple[Place, Block]]:
    numbers = [(index, each) for index, each in enumerate(operands) if not isinstance(each, int)]
    return [((index, digit), block) for index, blocks in numbers for digit, block in enumerate(blocks)]


def _fits(request: Request) -> bool:
    # Counted on ranges and noises only: nothing is computed to find out.
    try:
        run(plan(request), CountingExecutor())
    except NoiseExceeded:
        return False
    return True


def _guarded(algorithm: Steps[list[Block]], request: Request) -> Steps[list[Block]]:
    """The algorithm; one with all blocks bootstrapped once more, where it would ask for what is refused."""
    # What it looks up itself may be what an operand is made of, and the words are the same: no comparison of
    # operands shows that.
    outputs: Sequence[Outputs] | None = None
    while True:
        try:
            # A fresh generator is sent None, as Python asks for.
            look_ups = algorithm.send(outputs)  # pyright: ignore[reportArgumentType]
        except StopIteration as stop:
            return stop.value
        if any(each.block.noise > BUDGET for each in look_ups):
            return (yield from _separated(request, dict(_placed(request.operands))))
        outputs = yield look_ups


def _separated(request: Request, shared: dict[Place, Block]) -> Steps[list[Block]]:
    # An algorithm bootstraps a loud block itself, to the words that the next equal one would get here.
    loud = {block for block in shared.values() if block.noise > LOADED}
    first = {place: block for place, block in _placed(request.operands) if block in loud}
    taken = {wire for _, block in _placed(request.operands) for wire, _ in block.terms}
    fresh = yield from _apart({**first, **shared}, taken)
    operands = tuple(_with(fresh, index, each) for index, each in enumerate(request.operands))
    return (yield from plan(replace(request, operands=operands)))


def _apart(shared: dict[Place, Block], taken: set[Wire]) -> Steps[dict[Place, Block]]:
    """The same values, each with a wire and a noise that no other one has."""
    # A bootstrap's noise follows from what goes in, so that one of another block is its own. What gives
    # words that are there, of a copy of the block or of an operand, is bootstrapped again in another batch.
    left, fresh = shared, dict[Place, Block]()
    while left:
        found = yield from firsts([look_up(block, identity) for block in left.values()])
        again = dict[Place, Block]()
        for place, block in zip(left, found, strict=True):
            wires = {wire for wire, _ in block.terms}
            (again if wires & taken else fresh)[place] = block
            taken |= wires
        left = again
    return fresh


def _with(fresh: dict[Place, Block], index: int, operand: Operand) -> Operand:
    if isinstance(operand, int):
        return operand
    return [fresh.get((index, digit), block) for digit, block in enumerate(operand)]
