"""A connected component: its steps in order over a table of handles, only the outputs come back.

Everything that can be known without computing is checked before the first step, so that a defect leaves no
outputs behind.
"""

from collections.abc import Iterator, Mapping

from streams.domain.errors import OperationError
from streams.domain.handle import parse_handle
from streams.domain.results import Ciphertext
from streams.domain.rules import computation, encrypted_operands
from streams.domain.work import ComputeWork, Step
from streams.fhe import coverage
from streams.fhe.suite import ComponentSuite, ComputeSuite, Encrypted, Operand, Plain


def component_outputs(suite: ComputeSuite, work: ComputeWork) -> Iterator[Ciphertext]:
    """The wanted outputs, each as soon as its step is done.

    Raises:
        OperationError: a step can never be computed; before the first output unless the bytes of an input
            are at fault.
    """
    _check(work)
    # A suite that takes components whole keeps what lies between their steps on its device.
    if isinstance(suite, ComponentSuite):
        yield from suite.outputs(work)
        return
    known = {given.handle: Encrypted(given.fhe_type, given.ct64) for given in work.inputs}
    wanted = set(work.outputs)
    for step in work.steps:
        # Every intermediate is stored and loaded again, as the operators do: the bytes of a result must not
        # depend on how the graph was cut into items.
        ct64 = suite.execute(step.operation, _operands(step, known), step.fhe_type)
        known[step.result] = Encrypted(step.fhe_type, ct64)
        # Handed out at once: results leave a worker early, never at the end of a long component.
        if step.result in wanted:
            yield Ciphertext(handle=step.result, fhe_type=step.fhe_type, ct64=ct64)


def _check(work: ComputeWork) -> None:
    known = {given.handle: Encrypted(given.fhe_type, b"") for given in work.inputs}
    for step in work.steps:
        # A handle has one value. Two steps for it, or a step for an input, is a defect of whoever made the
        # item.
        if step.result in known:
            raise OperationError(f"handle {step.result.hex()} is computed twice")
        if parse_handle(step.result).fhe_type != step.fhe_type:
            raise OperationError(f"handle {step.result.hex()} is not of type {step.fhe_type}")
        # With empty bytes for ciphertexts: types and plaintexts decide, and they are known already.
        coverage.checked(step.operation, _operands(step, known), step.fhe_type)
        known[step.result] = Encrypted(step.fhe_type, b"")
    computed = {step.result for step in work.steps}
    # An input that is asked for as an output is refused as well: its bytes are stored already.
    missing = [handle for handle in work.outputs if handle not in computed]
    if missing:
        raise OperationError(f"no step computes the output {missing[0].hex()}")


def _operands(step: Step, known: Mapping[bytes, Encrypted]) -> tuple[Operand, ...]:
    kinds = encrypted_operands(computation(step.operation), len(step.operands), step.is_scalar)
    return tuple(
        _known(known, operand) if is_encrypted else Plain(operand)
        for operand, is_encrypted in zip(step.operands, kinds, strict=True)
    )


def _known(known: Mapping[bytes, Encrypted], handle: bytes) -> Encrypted:
    found = known.get(handle)
    if found is None:
        raise OperationError(f"the input {handle.hex()} is neither given nor computed before")
    return found
