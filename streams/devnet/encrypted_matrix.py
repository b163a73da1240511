"""Every cell of operations and types on real ciphertexts against the clear engine; goes on where it stopped.

Takes an hour or more of one core: each answer is a line of the report as soon as it is known.
"""

import random
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from streams.domain.errors import CipherstreamError, Undecodable
from streams.domain.operations import Kind
from streams.fhe import clear, matrix
from streams.fhe.suite import ClearValue, ComputeSuite, Encrypted, Operand, Plain


class Samples(Protocol):
    """Holds the client key: encrypts operands, decrypts results."""

    def encrypt(self, clear_value: ClearValue) -> bytes:
        """The ct64 of a clear value."""
        ...

    def decrypt(self, ct64: bytes) -> ClearValue:
        """The clear value of a ct64."""
        ...


class CellAnswer(msgspec.Struct, frozen=True):
    """One line of the report; `problem` says why it is not equal."""

    cell: str
    equal: bool
    cpu_s: float
    problem: str = ""
    release: str = ""  # of the engine's results, where it has one


def due(cell: matrix.Cell, operands: tuple[matrix.ClearOperand, ...]) -> int:
    """What the clear engine gives."""
    stored = [
        item if isinstance(item, Plain) else Encrypted(item.fhe_type, clear.encode(clear.STORED, item))
        for item in operands
    ]
    ct64 = clear.ClearCompute().execute(cell.operation.code, stored, cell.out_type)
    return clear.decode(clear.STORED, ct64, cell.out_type)


def load(report: Path) -> dict[str, CellAnswer]:
    """The answers of a report by cell, the last of each; raises Undecodable."""
    if not report.exists():
        return {}
    try:
        lines = report.read_bytes().splitlines()
        answers = [msgspec.json.decode(line, type=CellAnswer) for line in lines]
    except (OSError, msgspec.MsgspecError) as error:
        raise Undecodable(f"{report} is not a report of cells: {error}") from error
    return {answer.cell: answer for answer in answers}


def run(
    report: Path,
    cells: Iterable[matrix.Cell],
    compute: ComputeSuite,
    samples: Samples,
    release: str = "",
) -> Iterator[CellAnswer]:
    """Computes the cells that the report does not have as equal in this release, and adds each to it.

    Raises:
        Undecodable: the file is not such a report.
    """
    known = load(report)
    for cell in cells:
        before = known.get(str(cell))
        if before is not None and before.equal and before.release == release:
            continue
        answer = msgspec.structs.replace(_answer(cell, compute, samples), release=release)
        with report.open("ab") as file:
            file.write(msgspec.json.encode(answer) + b"\n")
        yield answer


def _answer(cell: matrix.Cell, compute: ComputeSuite, samples: Samples) -> CellAnswer:
    source = random.Random(str(cell))  # noqa: S311  # the same operands in every run
    left, right, third = (source.getrandbits(256) for _ in range(3))
    operands = matrix.operands(cell, left, right, third)
    started = time.process_time()
    try:
        problem = _problem(cell, operands, compute, samples)
    except CipherstreamError as error:
        problem = str(error)
    return CellAnswer(str(cell), not problem, round(time.process_time() - started, 3), problem)


def _problem(
    cell: matrix.Cell, operands: tuple[matrix.ClearOperand, ...], compute: ComputeSuite, samples: Samples
) -> str:
    def encrypted(operand: matrix.ClearOperand) -> Operand:
        if isinstance(operand, Plain):
            return operand
        return Encrypted(operand.fhe_type, samples.encrypt(operand))

    ct64 = compute.execute(cell.operation.code, [encrypted(item) for item in operands], cell.out_type)
    found = samples.decrypt(ct64)
    if found.fhe_type != cell.out_type:
        return f"type {found.fhe_type}"
    if cell.operation.is_random:
        return _beyond(cell, operands, found.value)
    expected = due(cell, operands)
    return "" if found.value == expected else f"{found.value}, due is {expected}"


def _beyond(cell: matrix.Cell, operands: tuple[matrix.ClearOperand, ...], value: int) -> str:
    """Random numbers are checked for their bound only."""
    bound = operands[1]
    limit = 1 << cell.fhe_type.bits
    if cell.operation.kind is Kind.RAND_BOUNDED and isinstance(bound, Plain):
        limit = min(limit, int.from_bytes(bound.value, "big"))
    return "" if value < limit else f"{value} is not below {limit}"
