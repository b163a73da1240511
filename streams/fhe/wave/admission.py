"""What can be known of a component without computing: a defect of this kind lets nothing of it run."""

from streams.domain.errors import OperationError, Undecodable
from streams.domain.handle import parse_handle
from streams.domain.operands import check_operands, handle_operands
from streams.domain.operations import TYPE_BITS, FheType
from streams.domain.work import Step
from streams.fhe.radix.operations import blocks_of
from streams.fhe.wave.component import Component, Value


def check(component: Component) -> None:
    """Refuse a component that cannot be computed as it stands; raises OperationError."""
    known = set[bytes]()
    # Inputs first: what a step may refer to grows in the order of the steps, so a cycle shows as an operand
    # that is not known yet.
    for handle, value in component.inputs.items():
        _check_input(handle, value)
        known.add(handle)
    for step in component.steps:
        _check_step(step, known)
        known.add(step.result)
    # An input cannot be an output: its bytes are stored already, and storing them again would give others.
    missing = [handle for handle in component.outputs if handle not in known or handle in component.inputs]
    if missing:
        raise OperationError(f"no step computes the output {missing[0].hex()}")


def needed(component: Component) -> list[Step]:
    """The steps that a wanted output depends on, in their order."""
    wanted, kept = set(component.outputs), list[Step]()
    # Backwards, so that each step is seen after all of its users.
    for step in reversed(component.steps):
        if step.result in wanted:
            wanted.update(handles(step))
            kept.append(step)
    return kept[::-1]


def handles(step: Step) -> tuple[bytes, ...]:
    """The encrypted operands of a step."""
    return handle_operands(step.operation, step.operands, step.is_scalar)


def _check_input(handle: bytes, value: Value) -> None:
    if _type_of(handle) != value.fhe_type:
        raise OperationError(f"the input {handle.hex()} is given as type {value.fhe_type}")
    # from the type that the handle states: the bytes' own count is not trusted
    if len(value.blocks) != blocks_of(value.fhe_type):
        raise OperationError(f"the input {handle.hex()} has {len(value.blocks)} blocks")


def _check_step(step: Step, known: set[bytes]) -> None:
    if step.result in known:
        raise OperationError(f"handle {step.result.hex()} is computed twice")
    if _type_of(step.result) != step.fhe_type:
        raise OperationError(f"handle {step.result.hex()} is not of type {step.fhe_type}")
    unknown = [handle for handle in handles(step) if handle not in known]
    if unknown:
        raise OperationError(f"the input {unknown[0].hex()} is neither given nor computed before")
    # library=True as in `coverage`: the graph has checked the narrower rules of contracts.
    check_operands(step.operation, step.operands, step.is_scalar, step.fhe_type, library=True)


def _type_of(handle: bytes) -> FheType:
    try:
        fhe_type = parse_handle(handle).fhe_type
    except Undecodable as error:
        raise OperationError(str(error)) from error
    # an engine that indexed tables with it would fail in the middle of a window
    if fhe_type not in TYPE_BITS:
        raise OperationError(f"handle {handle.hex()} is of type {fhe_type}, which does not exist")
    return FheType(fhe_type)
