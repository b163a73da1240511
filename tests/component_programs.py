"""Random components over the whole table: what engines, and ways to run one, are compared on.

A program is drawn from anything that chooses as `random.Random` does: a generator with a seed, or hypothesis.
"""

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from streams.domain.digest import keccak256
from streams.domain.handle import stamp
from streams.domain.operations import FheType, Kind
from streams.domain.results import Ciphertext
from streams.domain.work import ComputeWork, Step
from streams.fhe import matrix
from streams.fhe.matrix import Cell

LIST_MAX = 4  # values of a list
RECENT = 3  # results that are more often used than older ones: chains are where ranges and noise gather
WORD_BYTES, SEED_BYTES = 32, 16
KEY_ID = b"key"


@dataclass(frozen=True)
class Program:
    """A component before encryption."""

    name: str
    tenant: str
    inputs: Mapping[bytes, int]
    steps: Sequence[Step]
    outputs: Sequence[bytes]

    def work(self, encrypt: Callable[[FheType, int], bytes]) -> ComputeWork:
        """As an item of a worker."""
        given = (
            Ciphertext(handle=each, fhe_type=each[30], ct64=encrypt(FheType(each[30]), number))
            for each, number in self.inputs.items()
        )
        return ComputeWork(
            item=self.name, tenant=self.tenant, attempt=0, timeout_s=600, key_id=KEY_ID,
            steps=tuple(self.steps), inputs=tuple(given), outputs=tuple(self.outputs),
        )  # fmt: skip


def handle(name: str, fhe_type: FheType) -> bytes:
    return stamp(keccak256(name.encode()), 0xFF, 1, fhe_type)


def word(value: int) -> bytes:
    return value.to_bytes(WORD_BYTES, "big")


def cells(types: Collection[FheType], *, is_seeded: bool = True, library: bool = False) -> list[Cell]:
    """What contracts can ask for on these types, or all that engines have; random numbers among it or not."""
    return [
        cell
        for cell in matrix.cells(library=library)
        if {cell.fhe_type, cell.out_type} <= set(types) and (is_seeded or not cell.operation.is_random)
    ]


def program(source: random.Random, name: str, chosen: Sequence[Cell], tenant: str = "t") -> Program:
    """These operations in this order, each on handles that exist before it; nothing is there in vain."""
    types = sorted({FheType.BOOL, *(cell.fhe_type for cell in chosen)})
    inputs = {
        handle(f"{name} {fhe_type} {i}", fhe_type): _number(source, fhe_type)
        for fhe_type in types
        for i in range(2)
    }
    known, used, steps = list(inputs), set[bytes](), list[Step]()
    for index, cell in enumerate(chosen):
        drawn = _Drawn(source, cell, known)
        operands = drawn.operands()
        result = handle(f"{name} step {index}", cell.out_type)
        steps.append(
            Step(
                operation=cell.operation.code, operands=operands, is_scalar=cell.scalar, result=result,
                fhe_type=cell.out_type,
            )
        )  # fmt: skip
        known.append(result)
        used.update(operands)
    # some of what others use is wanted as well, which decides what may be rewritten or dropped
    wanted = [each.result for each in steps if each.result not in used or source.choice((False, True))]
    return Program(name, tenant, {each: inputs[each] for each in inputs if each in used}, steps, wanted)


def _number(source: random.Random, fhe_type: FheType) -> int:
    """Any number of the type; small ones, the largest ones, single bits and the width often."""
    bits, top = fhe_type.bits, (1 << fhe_type.bits) - 1
    bit = 1 << source.randint(0, bits - 1)
    edge = source.choice((0, 1, 3, top, top - 1, bit, bit - 1, top ^ bit, top // 3, bits, bits + 1))
    return source.choice((edge, source.randint(0, top))) & top


@dataclass(frozen=True)
class _Drawn:
    """The operands of one step."""

    source: random.Random
    cell: Cell
    known: Sequence[bytes]

    def operands(self) -> tuple[bytes, ...]:
        out_type = bytes((self.cell.out_type,))
        match self.cell.operation.kind:
            case Kind.BINARY:
                plain = self._divisor if self.cell.name in ("Div", "Rem") else self._plain
                return self._value(), plain() if self.cell.scalar else self._value()
            case Kind.UNARY:
                return (self._value(),)
            case Kind.CAST:
                return self._value(), out_type
            case Kind.TRIVIAL:
                return self._plain(), out_type
            case Kind.SELECT:
                return self._of(FheType.BOOL), self._value(), self._value()
            case Kind.RAND:
                return self._seed(), out_type
            case Kind.RAND_BOUNDED:
                bound = 1 << self.source.randint(0, self.cell.fhe_type.bits)
                return self._seed(), bound.to_bytes(bound.bit_length() // 8 + 1, "big"), out_type
            case Kind.MUL_DIV:
                factor = self._plain() if self.cell.scalar else self._value()
                return self._value(), factor, self._divisor()
            case _:  # a list; the first value of IsIn is the one that is looked for
                return tuple(self._value() for _ in range(self.source.randint(1, LIST_MAX)))

    def _of(self, fhe_type: FheType) -> bytes:
        fitting = [each for each in self.known if each[30] == fhe_type]
        return self.source.choice(self.source.choice((fitting, fitting[-RECENT:])))

    def _value(self) -> bytes:
        return self._of(self.cell.fhe_type)

    def _plain(self) -> bytes:
        # beyond the type too: the engines cut it
        return word(_number(self.source, self.cell.fhe_type) | self.source.choice((0, 0, 1 << 200)))

    def _divisor(self) -> bytes:
        return word(max(1, _number(self.source, self.cell.fhe_type)))

    def _seed(self) -> bytes:
        return self.source.randbytes(SEED_BYTES)
