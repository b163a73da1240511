"""Operands with blocks made of the same ciphertexts.

Radix algorithms judge noise as if all blocks were independent, and so they are where two parties sent
them. Inside a component they need not be: x + x doubles an error where x + y adds two, a selection's result
contains one of its branches, and all blocks of a choice between known numbers contain its condition. Such an
operation is tried without ciphertexts first; only where it would exceed the noise budget, the shared blocks
are bootstrapped once more.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from streams.fhe.radix.block import Block, Wire
from streams.fhe.radix.counts import measured
from streams.fhe.radix.operations import Operand, Request, plan
from streams.fhe.radix.steps import NoiseExceeded, Steps, firsts, identity, look_up

Place: TypeAlias = tuple[int, int]  # operand, block


def planned(request: Request) -> Steps[list[Block]]:
    """The algorithm of a request, whatever its operands share; raises what `plan` raises."""
    # Most operations share nothing and are not tried: a trial costs as much Python as the operation itself.
    shared = _shared(request.operands)
    if not shared or _fits(request):
        return plan(request)
    return _separated(request, shared)


def _shared(operands: Sequence[Operand]) -> dict[Place, Block]:
    """Blocks with a ciphertext that an earlier block has too."""
    seen, found = set[Wire](), dict[Place, Block]()
    for index, operand in enumerate(operands):
        blocks = () if isinstance(operand, int) else operand
        for digit, block in enumerate(blocks):
            # Of the same operand too: a choice between known numbers is multiples of its condition.
            if any(wire in seen for wire, _ in block.terms):
                found[index, digit] = block
            seen.update(wire for wire, _ in block.terms)
    return found


def _fits(request: Request) -> bool:
    # Counted on ranges and noises only: nothing is computed to find out.
    try:
        measured(plan(request))
    except NoiseExceeded:
        return False
    return True


def _separated(request: Request, shared: dict[Place, Block]) -> Steps[list[Block]]:
    # A bootstrap's noise is its own: the same value with a wire that no other operand has.
    # In one batch for all shared blocks: separation costs one batch of depth, whatever is shared.
    found = yield from firsts([look_up(block, identity) for block in shared.values()])
    fresh = dict(zip(shared, found, strict=True))
    operands = tuple(_with(fresh, index, each) for index, each in enumerate(request.operands))
    return (yield from plan(replace(request, operands=operands)))


def _with(fresh: dict[Place, Block], index: int, operand: Operand) -> Operand:
    if isinstance(operand, int):
        return operand
    return [fresh.get((index, digit), block) for digit, block in enumerate(operand)]
