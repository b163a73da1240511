"""The engine `tfhe-rs`: the crate through the native wheel, byte for byte what the network computes."""

import contextlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Generic, Self, TypeVar

import cipherstream_tfhe as native

from streams.domain.errors import InvalidInput, KeyMaterialError, OperationError, WorkerCrashed
from streams.domain.results import Ciphertext
from streams.domain.rules import computation, encrypted_operands
from streams.domain.work import ComputeWork, Step
from streams.fhe import coverage
from streams.fhe.keyset import KeyFiles
from streams.fhe.suite import Encrypted, Expanded, Operand, Tally

# On other instruction sets equality was never tested; another plan of the transform alone, with the same
# keys, changed nine results of ten.
FASTEST_INSTRUCTION_SET = "avx512"  # the known answers were recorded on it


def instruction_set() -> str:
    """The vector path of this machine; results on another than the fastest one are not known to be equal."""
    return native.instruction_set()


@contextlib.contextmanager
def _translated() -> Generator[None]:
    # A panic of an operation is final as it is for every operator; elsewhere it says nothing about the input.
    try:
        yield
    # The order is from the special to the general: all of them are FheError.
    except native.OperationRefused as error:
        raise OperationError(str(error)) from error
    except native.InvalidProof as error:
        raise InvalidInput(str(error)) from error
    except native.KeyMaterialInvalid as error:
        raise KeyMaterialError(str(error)) from error
    except native.FheError as error:
        raise WorkerCrashed(f"the native engine failed: {error}") from error


@contextlib.contextmanager
def _computing() -> Generator[None]:
    try:
        with _translated():
            yield
    except WorkerCrashed as error:
        # The same input panics everywhere, so all operators mark it as failed (`ExecutionPanic`); to try
        # again would only cost time.
        if isinstance(error.__cause__, native.NativePanic):
            raise OperationError(f"execution panic: {error.__cause__}") from error
        raise


def _crossing(operands: Sequence[Operand]) -> list[tuple[int, bytes] | bytes]:
    return [
        # pairs and plain bytes: only arrays and bytes cross the native border
        (operand.fhe_type, operand.ct64) if isinstance(operand, Encrypted) else operand.value
        for operand in operands
    ]


_Key = TypeVar("_Key", native.ComputeKey, native.ProofKey, native.SquashKey)


class _Suite(Generic[_Key]):
    """A key that is open; also tells how slow this machine is."""

    def __init__(self, key: _Key) -> None:
        self._key = key

    def lookup_s(self) -> float:
        """Seconds of one bootstrap on one thread, the least of a few."""
        with _translated():
            # Timed on the open key itself: another key's size, or another machine's, would say nothing.
            return self._key.lookup_seconds()


class TfheCompute(_Suite[native.ComputeKey]):
    """Executes operations; the calls of several threads share the key's own pool of `threads`."""

    @classmethod
    def open(cls, files: KeyFiles, threads: int = 1) -> Self:
        """Loads the compute key, 1.5 GB at most; raises KeyMaterialError."""
        with _translated():
            # the public key for the zeros that re-randomise every operand
            return cls(native.ComputeKey.open(files.compute, files.public, threads))

    def execute(self, operation: int, operands: Sequence[Operand], out_type: int) -> bytes:
        """The result's ct64; raises OperationError."""
        coverage.checked(operation, operands, out_type)
        with _computing():
            return self._key.execute(operation, _crossing(operands), out_type)

    def tally(self) -> Tally:
        """Hits and misses of the decompressed operands, which are kept by their bytes."""
        return Tally(*self._key.cache_counts)

    def evaluate(self, operation: int, operands: Sequence[Operand], out_type: int) -> int:
        """The operation's result on clear numbers, computed by the same code but without bootstraps.

        Args:
            operands: an encrypted one holds its number, big-endian, in place of a ct64.

        Raises:
            OperationError: as for `execute`, and for a random operation.
        """
        coverage.checked(operation, operands, out_type)
        with _computing():
            return int.from_bytes(self._key.evaluate(operation, _crossing(operands), out_type), "big")

    def uncompressed(self) -> "TfheComponents":
        """The same key for components that are computed whole."""
        return TfheComponents(self._key)


class TfheComponents(TfheCompute):
    """Components without the compression after every operation that the protocol asks for.

    To be measured only: the bytes are those of no network.
    """

    def outputs(self, work: ComputeWork) -> Iterator[Ciphertext]:
        """The wanted outputs, all of them at the end; raises OperationError."""
        handles = (*(given.handle for given in work.inputs), *(step.result for step in work.steps))
        places = {handle: place for place, handle in enumerate(handles)}
        with _computing():
            found = self._key.component(
                [(given.fhe_type, given.ct64) for given in work.inputs],
                [(step.operation, list(_places(step, places)), step.fhe_type) for step in work.steps],
                [places[handle] for handle in work.outputs],
            )
        for handle, ct64 in zip(work.outputs, found, strict=True):
            yield Ciphertext(handle=handle, fhe_type=handle[30], ct64=ct64)


def _places(step: Step, places: Mapping[bytes, int]) -> Iterator[int | bytes]:
    kinds = encrypted_operands(computation(step.operation), len(step.operands), step.is_scalar)
    for operand, is_encrypted in zip(step.operands, kinds, strict=True):
        yield places[operand] if is_encrypted else operand


class TfheProof(_Suite[native.ProofKey]):
    """Verifies and expands input lists."""

    @classmethod
    def open(cls, files: KeyFiles, crs: Path, threads: int = 1) -> Self:
        """Loads public key, CRS and compute key; raises KeyMaterialError."""
        with _translated():
            # the compute key as well: values of a list are cast and bootstrapped before they are stored
            return cls(native.ProofKey.open(files.public, crs, files.compute, threads))

    def verify(self, raw: bytes, auxiliary: bytes, blob_hash: bytes) -> tuple[Expanded, ...]:
        """The list's values; raises InvalidInput when it is to be rejected, WorkerCrashed otherwise."""
        with _translated():
            values = self._key.verify_and_expand(raw, auxiliary, blob_hash)
        return tuple(Expanded(fhe_type, ct64) for fhe_type, ct64 in values)


class TfheSquash(_Suite[native.SquashKey]):
    """Squashes stored ciphertexts."""

    @classmethod
    def open(cls, files: KeyFiles, threads: int = 1) -> Self:
        """Loads the full key, 2 GB at most; raises KeyMaterialError."""
        with _translated():
            return cls(native.SquashKey.open(files.squash, threads))

    def squash(self, ct64: bytes, fhe_type: int, *, compressed: bool = True) -> bytes:
        """The ct128; raises OperationError or WorkerCrashed."""
        with _translated():
            return self._key.squash(ct64, fhe_type, compressed)

    def squash_alone(self, ct64: bytes, fhe_type: int) -> native.Squashed:
        """What `squash` makes before it compresses: what a measurement takes the time of; raises as that."""
        with _translated():
            return self._key.squash_alone(ct64, fhe_type)

    def compress(self, squashed: native.Squashed) -> bytes:
        """The rest of `squash`; raises WorkerCrashed."""
        with _translated():
            return self._key.compress(squashed)

    def tally(self) -> Tally:
        """It has nothing to count."""
        return Tally()
