from pathlib import Path

import pytest

from streams.domain.errors import Undecodable
from streams.domain.handle import blob_hash
from streams.fhe import known_answers
from streams.fhe.known_answers import Answer, Report

FILE = Path(__file__).parents[2] / "fixtures/tfhe/known_answers.json"


@pytest.fixture(scope="module")
def known() -> known_answers.KnownAnswers:
    return known_answers.load(FILE)


def test_the_file_covers_25_answers_now(known: known_answers.KnownAnswers) -> None:
    present = [item.name for item in known.operations if known_answers.is_covered(known, item)]
    assert len(present) == 19
    assert len(present) + len(known.squash) + len(known.input_proof.handles) == 25


def test_operations_on_other_types_are_not_covered(known: known_answers.KnownAnswers) -> None:
    by_name = {item.name: item for item in known.operations}
    assert not known_answers.is_covered(known, by_name["add_8"])
    assert not known_answers.is_covered(known, by_name["mul_64"])
    assert not known_answers.is_covered(known, by_name["cast_64_to_8"])
    assert known_answers.is_covered(known, by_name["select_64"])


def test_the_auxiliary_data_has_92_bytes(known: known_answers.KnownAnswers) -> None:
    data = known_answers.auxiliary_data(known.input_proof)
    assert data == b"\x11" * 20 + b"\x22" * 20 + data[40:60] + (12345).to_bytes(32, "big")
    assert len(data) == 92


def test_the_recorded_list_has_its_blob_hash(known: known_answers.KnownAnswers) -> None:
    assert blob_hash(bytes.fromhex(known.input_proof.list)).hex().startswith("c62925ef0310942176")


def test_the_report_ends_with_equal_of_total() -> None:
    report = Report((Answer("a", equal=True), Answer("b", equal=False, problem="why")), ("c", "d"))
    assert report.lines() == ["differs: b why", "not here yet (2): c, d", "1/2"]


def test_a_full_report_is_one_line() -> None:
    report = Report((Answer("a", equal=True),), ())
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
