"""A connected component: its steps in order over a table of handles, only the outputs come back.

Everything that can be known without computing is checked before the first step, so that a defect leaves no
outputs behind.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from streams.domain.errors import OperationError
from streams.domain.handle import parse_handle
from streams.domain.operations import BY_CODE, Kind, Operation
from streams.domain.results import Ciphertext
from streams.domain.work import ComputeWork, Step
from streams.fhe import coverage
from streams.fhe.suite import ComputeSuite, Encrypted, Operand, Plain

_PLAIN_KINDS: Final = frozenset({Kind.TRIVIAL, Kind.RAND, Kind.RAND_BOUNDED})


def encrypted_operands(operation: Operation, step: Step) -> tuple[bool, ...]:
    """Which operands of a step are handles; the others are plaintexts."""
    count = len(step.operands)
    if operation.kind in _PLAIN_KINDS:
        return (False,) * count
    if operation.kind is Kind.CAST:
        return (True, *(False,) * (count - 1))
    if operation.kind is Kind.BINARY:
        return (True,) * (count - 1) + (not step.is_scalar,)
    if operation.kind is Kind.MUL_DIV:  # the divisor is always a plaintext
        return (True, not step.is_scalar, False)[:count]
    return (True,) * count


def component_outputs(suite: ComputeSuite, work: ComputeWork) -> Iterator[Ciphertext]:
    """The wanted outputs, each as soon as its step is done.

    Raises:
        OperationError: a step can never be computed; before the first output unless the bytes of an input
            are at fault.
    """
    _check(work)
    known = {given.handle: Encrypted(given.fhe_type, given.ct64) for given in work.inputs}
    wanted = set(work.outputs)
    for step in work.steps:
        ct64 = suite.execute(step.operation, _operands(step, known), step.fhe_type)
        known[step.result] = Encrypted(step.fhe_type, ct64)
        if step.result in wanted:
            yield Ciphertext(handle=step.result, fhe_type=step.fhe_type, ct64=ct64)


def _check(work: ComputeWork) -> None:
    known = {given.handle: Encrypted(given.fhe_type, b"") for given in work.inputs}
    for step in work.steps:
        if step.result in known:
            raise OperationError(f"handle {step.result.hex()} is computed twice")
        if parse_handle(step.result).fhe_type != step.fhe_type:
            raise OperationError(f"handle {step.result.hex()} is not of type {step.fhe_type}")
        coverage.checked(step.operation, _operands(step, known), step.fhe_type)
        known[step.result] = Encrypted(step.fhe_type, b"")
    computed = {step.result for step in work.steps}
    missing = [handle for handle in work.outputs if handle not in computed]
    if missing:
        raise OperationError(f"no step computes the output {missing[0].hex()}")


def _operands(step: Step, known: Mapping[bytes, Encrypted]) -> tuple[Operand, ...]:
    operation = BY_CODE.get(step.operation)
    if operation is None:
        raise OperationError(f"unknown operation {step.operation}")
    kinds = encrypted_operands(operation, step)
    if len(kinds) != len(step.operands):
        raise OperationError(f"{operation.name} with {len(step.operands)} operands")
    return tuple(
        _known(known, operand) if is_encrypted else Plain(operand)
        for operand, is_encrypted in zip(step.operands, kinds, strict=True)
    )


def _known(known: Mapping[bytes, Encrypted], handle: bytes) -> Encrypted:
    found = known.get(handle)
    if found is None:
        raise OperationError(f"the input {handle.hex()} is neither given nor computed before")
    return found
