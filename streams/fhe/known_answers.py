"""Runs a file of known answers: does this machine compute, byte for byte, what the network computes?

The file holds inputs, operations, squashes and one input proof for the key set of `SEED`, with the keccak256
of every result. The reference string of the proof lies beside it as `crs.bin`.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from streams.domain.digest import keccak256
from streams.domain.errors import CipherstreamError, Undecodable
from streams.domain.handle import blob_hash, input_handle
from streams.domain.operations import BY_CODE
from streams.fhe import engines
from streams.fhe.keyset import KeyFiles
from streams.fhe.suite import ComputeSuite, Encrypted, Operand, Plain, ProofSuite, SquashSuite

# The key set of the file's answers is made from this seed (`cipherstream doctor`): it is a test vector and
# protects nothing.
SEED: Final = b"\x07" * 32
# Beside the file and not in the key store: it is a test vector like the file itself.
CRS_NAME: Final = "crs.bin"


class Input(msgspec.Struct, frozen=True):
    """A stored ciphertext."""

    type: int
    clear: str
    ct64: str


class ScalarInput(msgspec.Struct, frozen=True):
    """A plaintext operand in hexadecimal digits."""

    scalar: str


class KnownOperation(msgspec.Struct, frozen=True):
    """An operation, its operands by name, and its result's digest."""

    name: str
    op: int
    # as the chain's event says it; not used here, since an operand's kind says the same
    is_scalar: bool
    inputs: tuple[str | ScalarInput, ...]
    out_type: int
    ct64_keccak: str


class KnownSquash(msgspec.Struct, frozen=True):
    """The digest of an input after squashing."""

    input: str
    ct128_keccak: str


class KnownHandle(msgspec.Struct, frozen=True):
    """One value of the input list."""

    handle: str
    type: int
    ct64_keccak: str


class KnownProof(msgspec.Struct, frozen=True):
    """An input list with what it is bound to."""

    # these four are what the proof is bound to: another value of any of them is refused
    contract: str
    user: str
    acl: str
    chain_id: int
    list: str
    handles: tuple[KnownHandle, ...]


class KnownAnswers(msgspec.Struct, frozen=True):
    """The whole file."""

    inputs: dict[str, Input]
    operations: tuple[KnownOperation, ...]
    squash: tuple[KnownSquash, ...]
    input_proof: KnownProof


class Answer(msgspec.Struct, frozen=True):
    """One comparison; `problem` says why it is not equal, when something failed."""

    name: str
    equal: bool
    problem: str = ""


class Report(msgspec.Struct, frozen=True):
    """What was compared, and by name the operations that are newer than this version."""

    answers: tuple[Answer, ...]
    unknown: tuple[str, ...] = ()

    @property
    def equal(self) -> int:
        """Answers that this machine gives as the network does."""
        return sum(answer.equal for answer in self.answers)

    @property
    def total(self) -> int:
        """Answers that were compared."""
        return len(self.answers)

    def lines(self) -> list[str]:
        """For people: what differs, what this version does not know, and last equal/total."""
        differing = [
            f"differs: {answer.name} {answer.problem}".rstrip() for answer in self.answers if not answer.equal
        ]
        unknown = [f"not in this version: {', '.join(self.unknown)}"] if self.unknown else []
        return [*differing, *unknown, f"{self.equal}/{self.total}"]


def load(path: Path) -> KnownAnswers:
    """Reads a file of known answers; raises Undecodable."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=KnownAnswers)
    except (OSError, msgspec.MsgspecError) as error:
        raise Undecodable(f"{path} is not a file of known answers: {error}") from error


def run(
    path: Path,
    files: KeyFiles,
    threads: int = 1,
    progress: Callable[[Answer], None] | None = None,
) -> Report:
    """Computes everything in the file and compares.

    The keys are opened one after the other, so that at most one is in memory.

    Args:
        files: derived from the key set of `SEED`.
        progress: called after each comparison.

    Raises:
        Undecodable: the file is not one of known answers.
        KeyMaterialError: the key files or the reference string do not open.
    """
    known = load(path)
    answers: list[Answer] = []
    for answer in _answers(known, files, path.with_name(CRS_NAME), threads):
        answers.append(answer)
        if progress is not None:
            progress(answer)
    return Report(tuple(answers), tuple(item.name for item in known.operations if not _is_known(item)))


def _answers(known: KnownAnswers, files: KeyFiles, crs: Path, threads: int) -> Iterator[Answer]:
    # One suite after the other: with all keys open at once this would take more memory than a worker has.
    yield from _operations(known, files, threads)
    yield from _proof(engines.open_proof("tfhe-rs", files, crs, threads), known.input_proof)
    yield from _squashes(known, files, threads)


def _operations(known: KnownAnswers, files: KeyFiles, threads: int) -> Iterator[Answer]:
    # Always `tfhe-rs`: the answers are its bytes. Other engines agree with it in numbers, not in bytes.
    # Opening is not guarded: keys that do not open are no wrong answers, they end the run.
    suite = engines.open_compute("tfhe-rs", files, threads)
    for operation in filter(_is_known, known.operations):
        yield _guarded(operation.name, partial(_operation, suite, known, operation))


def _is_known(operation: KnownOperation) -> bool:
    # The network may be ahead of this version: that says nothing about what this machine computes.
    return operation.op in BY_CODE


def _squashes(known: KnownAnswers, files: KeyFiles, threads: int) -> Iterator[Answer]:
    suite = engines.open_squash("tfhe-rs", files, threads)
    for item in known.squash:
        yield _guarded(f"squash_{item.input}", partial(_squash, suite, known, item))


def _guarded(name: str, compare: Callable[[], bool]) -> Answer:
    try:
        return Answer(name, compare())
    # A failure is an answer that is not equal; the rest of the file is compared all the same.
    except CipherstreamError as error:
        return Answer(name, equal=False, problem=str(error))


def _operation(compute: ComputeSuite, known: KnownAnswers, operation: KnownOperation) -> bool:
    operands = [operand(known, item) for item in operation.inputs]
    ct64 = compute.execute(operation.op, operands, operation.out_type)
    # Digests and not bytes: operators vote on these digests, so they are what has to be equal.
    return keccak256(ct64).hex() == operation.ct64_keccak


def operand(known: KnownAnswers, item: str | ScalarInput) -> Operand:
    """An operand of an operation, of which encrypted ones are named."""
    if isinstance(item, ScalarInput):
        return Plain(bytes.fromhex(item.scalar))
    stored = known.inputs[item]
    return Encrypted(stored.type, bytes.fromhex(stored.ct64))


def _squash(squash: SquashSuite, known: KnownAnswers, item: KnownSquash) -> bool:
    stored = known.inputs[item.input]
    ct128 = squash.squash(bytes.fromhex(stored.ct64), stored.type)
    return keccak256(ct128).hex() == item.ct128_keccak


def auxiliary_data(proof: KnownProof) -> bytes:
    """What the proof is bound to: contract, user, ACL, chain id."""
    # 92 bytes: 20 + 20 + 20 + 32, in this order (fhevm-protocol: input proofs).
    addresses = (proof.contract, proof.user, proof.acl)
    return b"".join(_address(text) for text in addresses) + proof.chain_id.to_bytes(32, "big")


def _address(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _proof(suite: ProofSuite, proof: KnownProof) -> Iterator[Answer]:
    raw = bytes.fromhex(proof.list)
    blob = blob_hash(raw)
    try:
        values = suite.verify(raw, auxiliary_data(proof), blob)
    except CipherstreamError as error:
        yield from (Answer(f"input_{i}", equal=False, problem=str(error)) for i in range(len(proof.handles)))
        return
    for i, expected in enumerate(proof.handles):
        handle = input_handle(blob, i, _address(proof.acl), proof.chain_id, expected.type)
        # Handle and bytes: both are voted on, the handle at the gateway's proof, the bytes at the commit.
        # A list that gives too few values differs in those that are missing.
        found = (handle.hex(), keccak256(values[i].ct64).hex()) if i < len(values) else ()
        yield Answer(f"input_{i}", equal=found == (expected.handle, expected.ct64_keccak))
