from collections.abc import Sequence
from pathlib import Path

import pytest

from streams.devnet import encrypted_matrix
from streams.devnet.encrypted_matrix import CellAnswer
from streams.domain.errors import OperationError, Undecodable
from streams.domain.operations import BY_NAME, FheType
from streams.fhe import clear, matrix
from streams.fhe.engines import release_of
from streams.fhe.keyset import EngineName
from streams.fhe.suite import ClearValue, Operand

U8 = FheType.UINT8
CELLS = [cell for cell in matrix.cells() if cell.fhe_type is U8]
ENGINES: tuple[EngineName, ...] = ("tfhe-rs", "wave")
RESULTS = Path(__file__).parents[3] / "benchmarks" / "results"


class ClearSamples:
    """Encrypts nothing."""

    def encrypt(self, clear_value: ClearValue) -> bytes:
        return clear.encode(clear.STORED, clear_value)

    def decrypt(self, ct64: bytes) -> ClearValue:
        return ClearValue(ct64[4], clear.decode(clear.STORED, ct64, ct64[4]))


class Sloppy(clear.ClearCompute):
    """Cannot add, subtracts wrongly, and draws beyond the bound."""

    def execute(self, operation: int, operands: Sequence[Operand], out_type: int) -> bytes:
        if operation == BY_NAME["Add"].code:
            raise OperationError("no")
        if operation == BY_NAME["RandBounded"].code:
            return clear.encode(clear.STORED, ClearValue(out_type, 255))
        if operation == BY_NAME["Neg"].code:
            return clear.encode(clear.STORED, ClearValue(FheType.BOOL, 1))
        good = super().execute(operation, operands, out_type)
        return good if operation != BY_NAME["Sub"].code else good[:-1] + bytes((good[-1] ^ 1,))


def answers(report: Path, suite: clear.ClearCompute, cells: Sequence[matrix.Cell]) -> list[CellAnswer]:
    return list(encrypted_matrix.run(report, cells, suite, ClearSamples()))


def test_every_cell_has_its_line(tmp_path: Path) -> None:
    report = tmp_path / "report.jsonl"
    found = answers(report, clear.ClearCompute(), CELLS)
    assert [answer.cell for answer in found] == [str(cell) for cell in CELLS]
    assert all(answer.equal for answer in found)
    assert list(encrypted_matrix.load(report).values()) == found


def test_a_second_run_computes_only_what_is_missing(tmp_path: Path) -> None:
    report = tmp_path / "report.jsonl"
    answers(report, clear.ClearCompute(), CELLS[:5])
    assert [answer.cell for answer in answers(report, clear.ClearCompute(), CELLS[:7])] == [
        str(cell) for cell in CELLS[5:7]
    ]


def test_cells_of_another_release_are_computed_again(tmp_path: Path) -> None:
    report, cells = tmp_path / "report.jsonl", CELLS[:3]
    suite, samples = clear.ClearCompute(), ClearSamples()
    for release, due in (("one", 3), ("one", 0), ("two", 3), ("two", 0)):
        assert len(list(encrypted_matrix.run(report, cells, suite, samples, release))) == due
    assert {answer.release for answer in encrypted_matrix.load(report).values()} == {"two"}


def test_what_differs_is_told_and_computed_again(tmp_path: Path) -> None:
    report = tmp_path / "report.jsonl"
    names = ("Add", "Sub", "Neg", "RandBounded", "BitAnd")
    cells = [
        cell for cell in CELLS if cell.name in names and not (cell.scalar and cell.name != "RandBounded")
    ]
    problems = {answer.cell: answer.problem for answer in answers(report, Sloppy(), cells)}
    assert problems["Add_8"] == "no"
    assert "due is" in problems["Sub_8"]
    assert problems["Neg_8"] == "type 0"
    assert "is not below" in problems["RandBounded_8_scalar"]
    assert problems["BitAnd_8"] == ""
    again = answers(report, clear.ClearCompute(), cells)
    assert {answer.cell for answer in again} == problems.keys() - {"BitAnd_8"}
    assert all(answer.equal for answer in encrypted_matrix.load(report).values())


@pytest.mark.parametrize("content", ["x", "{}", '{"cell": 1}'])
def test_other_files_are_refused(tmp_path: Path, content: str) -> None:
    report = tmp_path / "report.jsonl"
    report.write_text(content)
    with pytest.raises(Undecodable, match="not a report of cells"):
        encrypted_matrix.load(report)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_reports_in_the_repository_have_every_cell_of_today_as_equal(engine: EngineName) -> None:
    answers = encrypted_matrix.load(RESULTS / f"matrix-{engine}.jsonl")
    assert {cell for cell, answer in answers.items() if answer.equal} == {str(c) for c in matrix.cells()}
    assert [cell for cell, answer in answers.items() if not answer.equal or answer.problem] == []
    # An engine whose results have changed on purpose is run again.
    assert {answer.release for answer in answers.values()} == {release_of(engine)}
