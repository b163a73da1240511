"""Ports of the FHE engines: a suite does everything that is done with ciphertexts.

Implementations: `tfhe_rs` (the crate, byte for byte what the network computes), `clear` (clear numbers in the
same places) and, but for proofs, `wave` (batched, on the keys of `tfhe_rs`). All of them block for as long as
the computation takes: call them from a thread.
"""

import operator
from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from streams.domain.results import Ciphertext
from streams.domain.work import ComputeWork


class Encrypted(msgspec.Struct, frozen=True):
    """An encrypted operand: its type and its stored bytes."""

    fhe_type: int
    ct64: bytes


class Plain(msgspec.Struct, frozen=True):
    """A plaintext operand, big-endian; missing high bytes are zero, longer input is cut on the left."""

    # Cut on the left, as the operators' library does: a contract may pass a whole EVM word for a Uint8.
    value: bytes


Operand = Encrypted | Plain


# The same fields as `Encrypted`, which is an operand: this one is a result, to be stored.
class Expanded(msgspec.Struct, frozen=True):
    """One value of an input list, ready to be stored."""

    fhe_type: int
    ct64: bytes


class ClearValue(msgspec.Struct, frozen=True):
    """A value before encryption or after decryption."""

    fhe_type: int
    value: int


class Tally(msgspec.Struct, frozen=True):
    """Counts that only grow."""

    hits: int = 0  # operands that had been decompressed already
    misses: int = 0
    look_ups: int = 0  # bootstraps of the engine `wave`, those of loading and storing included
    places: int = 0  # that their batches had
    known_answers: int = 0  # that devices were asked for
    devices_lost: int = 0  # that answered wrongly and were taken out of service

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*map(operator.add, _fields(self), _fields(other)))

    def __sub__(self, other: "Tally") -> "Tally":
        return Tally(*map(operator.sub, _fields(self), _fields(other)))


def _fields(tally: Tally) -> tuple[int, ...]:
    return msgspec.structs.astuple(tally)


class Timed(Protocol):
    """Tells how slow this machine is."""

    def lookup_s(self) -> float:
        """Seconds of one table look-up on one thread now; 0 for an engine that has none."""
        ...


class ComputeSuite(Timed, Protocol):
    """Executes operations; deterministic in key, operation and operands."""

    def execute(self, operation: int, operands: Sequence[Operand], out_type: int) -> bytes:
        """The result's ct64.

        Raises:
            OperationError: it can never be computed.
        """
        ...

    def tally(self) -> Tally:
        """What it has counted since it was opened."""
        ...


# A separate protocol that a suite may have besides the others: `component_outputs` asks for it at run time.
@runtime_checkable
class ComponentSuite(Protocol):
    """Computes components whole, without storing what lies between their operations."""

    def outputs(self, work: ComputeWork) -> Iterator[Ciphertext]:
        """The wanted outputs, each once it is computed; raises OperationError."""
        ...


class ProofSuite(Timed, Protocol):
    """Verifies encrypted inputs."""

    def verify(self, raw: bytes, auxiliary: bytes, blob_hash: bytes) -> tuple[Expanded, ...]:
        """The list's values in order; an empty list is valid and gives none.

        Raises:
            InvalidInput: the list is to be rejected, and only then.
            Recoverable: nothing is known about the list.
        """
        ...


class SquashSuite(Timed, Protocol):
    """Squashes the noise of stored ciphertexts, for decryption by the key-management network."""

    def squash(self, ct64: bytes, fhe_type: int, *, compressed: bool = True) -> bytes:
        """The ct128 of a ct64: a compressed list of one element, or the bare element, which is larger.

        Raises:
            OperationError: the ct64 does not decode or has another type.
            Recoverable: nothing is known about the ct64.
        """
        ...

    def tally(self) -> Tally:
        """What it has counted since it was opened."""
        ...


# The last two are a client's and the KMS's side. They are ports of the devnet; no service may import what
# implements them (a test draws the line).
class Encryptor(Protocol):
    """What users do; needs no secret. On the devnet only: real users have the protocol's own client."""

    def prove(self, values: Sequence[ClearValue], auxiliary: bytes) -> bytes:
        """An encrypted list with its proof, bound to the auxiliary data."""
        ...


class Decryptor(Protocol):
    """What the single-party KMS of a devnet does with the client key."""

    def decrypt(self, ct128: bytes, fhe_type: int, *, compressed: bool = True) -> int:
        """The clear value of a squashed ciphertext; raises OperationError when it does not decode."""
        ...
