"""From a step of a component to a request of a radix algorithm."""

from typing import Protocol

from streams.domain.operations import BY_CODE, FheType, Kind
from streams.domain.rules import encrypted_operands
from streams.domain.work import Step
from streams.fhe.radix.block import Block
from streams.fhe.radix.forms import Form
from streams.fhe.radix.operations import Operand, Request
from streams.fhe.radix.random import bits_below
from streams.fhe.wave.progress import Progress

_FIRST_ONLY = frozenset({Kind.CAST, Kind.TRIVIAL})  # the second operand is the type, which the result has too


class Seeds(Protocol):
    """Makes blocks whose phase is uniform and known to nobody."""

    def seeded(self, seed: bytes, bits: int) -> list[Block]:
        """Blocks for a number of this many bits, the same for the same seed."""
        ...


def request_of(progress: Progress, step: Step, form: Form, seeds: Seeds) -> Request:
    """The request of a step whose operands are there."""
    operation = BY_CODE[step.operation]
    fhe_type = operand_type(step)
    if operation.is_random:
        # Seeds are no operands of a graph: blocks are made from them here.
        operands = _random(step, FheType(step.fhe_type), seeds)
    else:
        flags = encrypted_operands(operation, len(step.operands), step.is_scalar)
        pairs = zip(step.operands, flags, strict=True)
        operands = [_operand(progress, each, is_encrypted) for each, is_encrypted in pairs]
    if operation.kind in _FIRST_ONLY:
        operands = operands[:1]
    out_type, weight = FheType(step.fhe_type), progress.weight(step)
    return Request(operation, tuple(operands), fhe_type, out_type, form, weight)


def operand_type(step: Step) -> FheType:
    """The type of the encrypted numbers, or of the result where there are none."""
    operation = BY_CODE[step.operation]
    flags = encrypted_operands(operation, len(step.operands), step.is_scalar)
    numbers = [each for each, is_encrypted in zip(step.operands, flags, strict=True) if is_encrypted]
    if operation.kind is Kind.SELECT:
        numbers = numbers[1:]  # the first one is the condition
    # byte 30 of a handle is its type
    return FheType(numbers[0][30]) if numbers else FheType(step.fhe_type)


def _operand(progress: Progress, operand: bytes, is_encrypted: bool) -> Operand:
    # plaintexts come as in the EVM: big-endian words
    return progress.value(operand).blocks if is_encrypted else int.from_bytes(operand, "big")


def _random(step: Step, out_type: FheType, seeds: Seeds) -> list[Operand]:
    # The second operand is the bound; of Rand it would be the type, which the result states.
    if BY_CODE[step.operation].kind is Kind.RAND:
        return [seeds.seeded(step.operands[0], out_type.bits)]
    bound = int.from_bytes(step.operands[1], "big")
    return [seeds.seeded(step.operands[0], bits_below(bound, out_type.bits)), bound]
