from pathlib import Path

import pytest

from streams.domain.errors import Undecodable
from streams.domain.handle import blob_hash
from streams.domain.operations import OPERATIONS, FheType, Kind
from streams.fhe import coverage, known_answers
from streams.fhe.known_answers import Answer, Report

FILE = Path(__file__).parents[2] / "fixtures/tfhe/known_answers.json"


@pytest.fixture(scope="module")
def known() -> known_answers.KnownAnswers:
    return known_answers.load(FILE)


def test_the_file_holds_an_answer_for_every_operation(known: known_answers.KnownAnswers) -> None:
    computed = {operation.code for operation in OPERATIONS if operation.kind is not Kind.INPUT}
    assert {item.op for item in known.operations} == computed
    bytes_of = {item.op for item in known.operations if FheType.UINT8 in types_of(known, item)}
    assert bytes_of == computed


def types_of(known: known_answers.KnownAnswers, item: known_answers.KnownOperation) -> set[int]:
    """Types of its operands and its result."""
    return {item.out_type, *(known.inputs[name].type for name in item.inputs if isinstance(name, str))}


def test_every_known_operation_passes_the_checks(known: known_answers.KnownAnswers) -> None:
    for item in known.operations:
        operands = [known_answers.operand(known, name) for name in item.inputs]
        assert coverage.checked(item.op, operands, item.out_type).code == item.op


def test_the_auxiliary_data_has_92_bytes(known: known_answers.KnownAnswers) -> None:
    data = known_answers.auxiliary_data(known.input_proof)
    assert data == b"\x11" * 20 + b"\x22" * 20 + data[40:60] + (12345).to_bytes(32, "big")
    assert len(data) == 92


def test_the_recorded_list_has_its_blob_hash(known: known_answers.KnownAnswers) -> None:
    assert blob_hash(bytes.fromhex(known.input_proof.list)).hex().startswith("c62925ef0310942176")


def test_the_report_ends_with_equal_of_total() -> None:
    report = Report((Answer("a", equal=True), Answer("b", equal=False, problem="why")))
    assert report.lines() == ["differs: b why", "1/2"]


def test_what_this_version_does_not_know_stands_before_the_count() -> None:
    report = Report((Answer("a", equal=True),), unknown=("b", "c"))
    assert report.lines() == ["not in this version: b, c", "1/1"]


def test_a_full_report_is_one_line() -> None:
    report = Report((Answer("a", equal=True),))
    assert report.lines() == ["1/1"]
    assert report.equal == report.total


@pytest.mark.parametrize("content", ["", "{}", '{"inputs": 1}'])
def test_other_files_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "answers.json"
    path.write_text(content)
    with pytest.raises(Undecodable, match="not a file of known answers"):
        known_answers.load(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Undecodable):
        known_answers.load(tmp_path / "none.json")
