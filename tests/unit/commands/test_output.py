import json
from pathlib import Path

import msgspec
import pytest

from streams.commands import output


class Thing(msgspec.Struct):
    handle: bytes
    where: Path


def test_a_result_is_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    output.result([{"path": Path("a")}])
    assert json.loads(capsys.readouterr().out) == [{"path": "a"}]


def test_words_for_people_stay_off_the_results(capsys: pytest.CaptureFixture[str]) -> None:
    output.say("hello")
    with output.waiting("a while"):
        pass
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "hello\na while\n")
