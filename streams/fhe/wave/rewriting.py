"""Steps that take fewer look-ups than those that were asked for, found before a component runs.

A contract that computes both outcomes and then chooses, as the whitepaper's token does, asks for

    select(c, x + a, x)     which is     x + select(c, a, 0).

The second form is never dearer (64 bits: 32 look-ups for the sum and 32 for the selection, either way), its
result is a fresh bootstrap's, and what is selected can be shared: both balances of a transfer move by the
same amount under the same condition. Of a known amount it costs nothing at all, since c times a digit is
linear. What it takes is depth: a sum that waited for nothing waits for the condition. (Dearer it is only
where x and a are the same ciphertexts under two names, whose difference takes nothing as it is written.)

This holds where the inner sum serves that selection only: otherwise it would be computed all the same.
Numbers wrap, and the operands of a sum and the branches of a selection are of one type (`admission`), so the
two forms agree modulo 2^bits on every value. A step depends on the same inputs in both: what fails takes the
same handles with it. What comes out depends on the component alone, as its bits have to.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from streams.domain.handle import COMPUTED_INDEX, stamp
from streams.domain.operands import operation_digest
from streams.domain.operations import BY_CODE, BY_NAME
from streams.domain.work import Step
from streams.fhe.wave.admission import handles

_ADD: Final = BY_NAME["Add"].code
_SUM_CODES: Final = frozenset({_ADD, BY_NAME["Sub"].code})
_SELECT: Final = BY_NAME["IfThenElse"].code
_TRIVIAL: Final = BY_NAME["TrivialEncrypt"].code
_NO_CHAIN: Final = 0  # no chain has this id: handles made here are nobody's
_ZERO: Final = bytes(32)


def rewritten(steps: Sequence[Step], wanted: Collection[bytes]) -> list[Step]:
    """Steps that give the same wanted values, again in an order in which they can be computed.

    Args:
        steps: those that a wanted value depends on, in such an order.
        wanted: handles whose values are handed out.
    """
    inner, known = _inner_sums(steps, wanted), known_results(steps)
    found = {step.result: match for step in steps if (match := _matched(step, inner, known)) is not None}
    replaced = {match.inner.result for match in found.values()}
    made = _Made()
    for step in steps:
        if step.result not in replaced:
            made.take(found[step.result].moved(step, made) if step.result in found else step)
    return made.steps


def known_results(steps: Sequence[Step]) -> set[bytes]:
    """Results that anybody can compute: nothing encrypted goes into them, and they take no look-up."""
    known = set[bytes]()
    for step in steps:
        if not BY_CODE[step.operation].is_random and known.issuperset(handles(step)):
            known.add(step.result)
    return known


def _inner_sums(steps: Sequence[Step], wanted: Collection[bytes]) -> dict[bytes, Step]:
    """Sums and differences that one operand of one step needs, and nobody else."""
    # by operand and not by step: y - y needs y twice
    uses = Counter(handle for step in steps for handle in handles(step))
    sums = (step for step in steps if step.operation in _SUM_CODES)
    return {step.result: step for step in sums if uses[step.result] == 1 and step.result not in wanted}


class _Made:
    """The new steps; one that is there already, whoever asked for it, is not made again."""

    def __init__(self) -> None:
        self.steps = list[Step]()
        self._by_meaning = dict[bytes, bytes]()

    def take(self, step: Step) -> None:
        """Puts a step in."""
        self.steps.append(step)
        self._by_meaning.setdefault(_meaning(step), step.result)

    def result_of(self, code: int, operands: tuple[bytes, ...], fhe_type: int) -> bytes:
        """The handle of such an operation's result."""
        is_scalar = code == _TRIVIAL
        digest = operation_digest(code, operands, is_scalar, fhe_type)
        if digest not in self._by_meaning:
            result = stamp(digest, COMPUTED_INDEX, _NO_CHAIN, fhe_type)
            self.take(
                Step(operation=code, operands=operands, is_scalar=is_scalar, result=result, fhe_type=fhe_type)
            )
        return self._by_meaning[digest]


def _meaning(step: Step) -> bytes:
    return operation_digest(step.operation, step.operands, step.is_scalar, step.fhe_type)


@dataclass(frozen=True, slots=True)
class _Match:
    """A selection between x and x + a, or x and x - a."""

    inner: Step  # x + a or x - a
    base: bytes  # x
    amount: bytes  # a, a handle or a plaintext
    is_first: bool  # whether a set condition chooses the sum

    def moved(self, chosen: Step, made: _Made) -> Step:
        """x + select(c, a, 0) for the selection; what it selects is made, or found where it is there."""
        kind = bytes([chosen.fhe_type])
        amount, nothing = self.amount, made.result_of(_TRIVIAL, (_ZERO, kind), chosen.fhe_type)
        if self.inner.is_scalar:
            amount = made.result_of(_TRIVIAL, (amount, kind), chosen.fhe_type)
        branches = (amount, nothing) if self.is_first else (nothing, amount)
        part = made.result_of(_SELECT, (chosen.operands[0], *branches), chosen.fhe_type)
        return Step(
            operation=self.inner.operation,
            operands=(self.base, part),
            is_scalar=False,
            result=chosen.result,
            fhe_type=chosen.fhe_type,
        )


def _matched(step: Step, inner: Mapping[bytes, Step], known: Collection[bytes]) -> _Match | None:
    if step.operation != _SELECT:
        return None
    _, yes, no = step.operands
    for is_first, moved, base in ((True, yes, no), (False, no, yes)):
        amount = _amount(inner[moved], base) if moved in inner else None
        # A sum of known numbers takes no look-up, and choosing it one at most: as it stands it is cheaper.
        if amount is not None and moved not in known:
            return _Match(inner[moved], base, amount, is_first)
    return None


def _amount(inner: Step, base: bytes) -> bytes | None:
    """What a sum adds to x, or a difference takes from it; none if it is no sum with x."""
    left, right = inner.operands
    if inner.operation != _ADD and left == right:
        return None  # x - x is a known zero, and takes no look-up
    if left == base:
        return right
    # a + x is x + a, a - x is something else
    return left if right == base and inner.operation == _ADD and not inner.is_scalar else None
