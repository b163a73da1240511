"""What goes into a window and what comes out of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from streams.domain.errors import OperationError
from streams.domain.operations import FheType
from streams.domain.work import Step
from streams.fhe.radix.block import Block


# A class of its own, so that whoever counts or reports failures can tell causes from what only follows.
class DependencyFailed(OperationError):
    """An operand of this operation could not be computed; the cause is that operand's error."""


@dataclass(frozen=True, slots=True)
class Value:
    """An encrypted number where the device has it: blocks, lowest first; a Bool is one block of 0 and 1."""

    fhe_type: FheType
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """Steps in an order in which they can be computed, over a table of handles; only `outputs` come back."""

    name: str  # of the work item; a window has it once
    tenant: str
    # ciphertexts of two key sets never meet: the window refuses a component of another one
    key_id: bytes
    steps: tuple[Step, ...]
    inputs: Mapping[bytes, Value]
    outputs: tuple[bytes, ...]
    contract: bytes = b""  # which caused it
    priority: int = 0  # of its lane: each step doubles its part of the contract's look-ups


@dataclass(frozen=True, slots=True)
class Computed:
    """A wanted handle has its value."""

    component: str
    handle: bytes
    value: Value


@dataclass(frozen=True, slots=True)
class Failed:
    """A wanted handle will never have one."""

    component: str
    handle: bytes
    error: OperationError


# One of the two for each wanted handle, exactly once.
Result = Computed | Failed
