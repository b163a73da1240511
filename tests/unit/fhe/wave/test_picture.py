"""Pictures of windows: nothing is lost between the batches and the columns."""

import json
from itertools import pairwise

import pytest
from typer.testing import CliRunner

from streams.cli import app
from streams.domain.work import Step
from streams.fhe.radix.forms import Form
from streams.fhe.wave.measure import EXAMPLES, WHITEPAPER
from streams.fhe.wave.picture import Stretch, drawn, stretches, transfers

ROOMY = 1024


def look_ups(found: list[Stretch]) -> int:
    return sum(each.batches * sum(each.look_ups.values()) for each in found)


@pytest.mark.parametrize(
    ("steps", "first"), [(EXAMPLES, "Le"), (WHITEPAPER, "Ge")], ids=["examples", "whitepaper"]
)
def test_a_transfer_is_112_look_ups_in_49_batches(steps: tuple[Step, ...], first: str) -> None:
    found = stretches(transfers(steps, 1), ROOMY)
    assert (look_ups(found), found[-1].last) == (112, 49)
    assert found[0].look_ups == {first: 1}


def test_the_latency_form_is_deeper_filled_and_shorter() -> None:
    found = stretches(transfers(EXAMPLES, 1), ROOMY, Form.LATENCY)
    assert (look_ups(found), found[-1].last) == (223, 9)


def test_transfers_share_batches_of_any_size() -> None:
    for size in (1, 7, 64):
        found = stretches(transfers(EXAMPLES, 3), size, Form.THROUGHPUT)
        assert look_ups(found) == 3 * 112
        assert all(sum(each.look_ups.values()) <= size for each in found)
        assert [each.first for each in found] == [1, *(each.last + 1 for each in found[:-1])]


def test_neighbours_differ() -> None:
    found = stretches(transfers(EXAMPLES, 4), 64)
    assert all(one.look_ups != other.look_ups for one, other in pairwise(found))


def test_a_picture_has_a_line_for_each_operation_and_sums() -> None:
    given = [Stretch(1, 3, {"Le": 2}), Stretch(4, 4, {"Le": 1, "Add": 10})]
    assert drawn(given) == [
        "batch     1-3   4  look-ups",
        "Le          2   1         7",
        "Add            10        10",
        "together    2  11        17",
    ]


def test_the_command_for_machines() -> None:
    result = CliRunner().invoke(app, ["bench", "waves", "--order", "whitepaper", "--json"])
    rows = json.loads(result.stdout)
    assert [row["look_ups"] for row in rows][:2] == [{"Ge": 1}, {"IfThenElse": 32}]
