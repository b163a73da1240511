"""The schemas in the repository are those of the structs, and a message validates against them."""

from pathlib import Path

import jsonschema
import msgspec
import pytest

from streams.domain.control import TenantControl
from streams.domain.facts import HostBlock, Log, encode_fact
from streams.domain.results import Failed, encode_result
from streams.messages import codec, schema, subjects, topics
from streams.messages.subjects import Subject

BLOCK = HostBlock(
    chain_id=1,
    number=2,
    hash=bytes(32),
    parent_hash=bytes(32),
    timestamp=3,
    logs=(Log(address=bytes(20), topics=(bytes(32),), data=b"", transaction_hash=bytes(32), log_index=0),),
)


class Small(msgspec.Struct, tag="small"):
    """A message."""

    name: str


class Larger(msgspec.Struct, tag="small"):
    """A message with one more field."""

    name: str
    note: str = ""


class Other(msgspec.Struct, tag="small"):
    """A message with another type."""

    name: int


def test_repository_equals_the_structs() -> None:
    assert schema.check(schema.ROOT) == []
    assert schema.main(["--check"]) == 0


def test_every_schema_is_valid() -> None:
    for subject in subjects.SUBJECTS:
        jsonschema.Draft202012Validator.check_schema(schema.generate(subject))


def test_messages_validate() -> None:
    failed = Failed(item="i", attempt=0, worker="w", category="recoverable", error="E", message="m")
    resume = TenantControl(tenant="t", action="resume", request="r")
    for subject, value in (
        (subjects.EVENTS, encode_fact(BLOCK)[0]),
        (subjects.RESULTS, encode_result(failed)),
        (subjects.CONTROL, codec.encode(resume)),
    ):
        jsonschema.validate(msgspec.json.decode(value), schema.generate(subject))


def test_names_of_subjects_and_topics_agree() -> None:
    assert subjects.EVENTS.schema == "events/1.2"
    names = {topics.EVENTS, topics.RESULTS, topics.CIPHERTEXTS, topics.KEYSETS, topics.CONTROL}
    known = {subject.name for subject in subjects.SUBJECTS}
    assert {name.partition(".")[0] for name in names | set(topics.WORK.values())} <= known


def test_missing_file_is_written(tmp_path: Path) -> None:
    one = (Subject("small", "1.0", Small),)
    assert schema.check(tmp_path, one) == [
        "small/1.0 is missing; run `python -m streams.messages.schema --write`"
    ]
    schema.write(tmp_path, one)
    assert schema.check(tmp_path, one) == []


def test_compatible_change_needs_a_minor_version(tmp_path: Path) -> None:
    schema.write(tmp_path, (Subject("small", "1.0", Small),))
    changed = (Subject("small", "1.0", Larger),)
    schema.write(tmp_path, changed)  # changes nothing that is there
    assert schema.check(tmp_path, changed) == [
        "small/1.0 has changed; raise its minor version in subjects.py and --write"
    ]
    raised = (Subject("small", "1.1", Larger),)
    schema.write(tmp_path, raised)
    assert schema.check(tmp_path, raised) == []


def test_incompatible_change_needs_a_topic(tmp_path: Path) -> None:
    schema.write(tmp_path, (Subject("small", "1.0", Small),))
    changed = (Subject("small", "1.1", Other),)
    schema.write(tmp_path, changed)
    (problem,) = schema.check(tmp_path, changed)
    assert "small cannot follow 1.0" in problem
    assert "needs major 2" in problem


def test_description_may_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = (Subject("small", "1.0", Small),)
    schema.write(tmp_path, one)
    monkeypatch.setattr(Small, "__doc__", "Told in other words.")
    assert schema.check(tmp_path, one) == []
    schema.write(tmp_path, one)
    assert "other words" in (tmp_path / "small" / "1.0.json").read_text()


def test_command_tells_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert schema.main(["--check", "--root", str(tmp_path)]) == 1
    assert "events/1.2 is missing" in capsys.readouterr().err
    assert schema.main(["--write", "--root", str(tmp_path)]) == 0
