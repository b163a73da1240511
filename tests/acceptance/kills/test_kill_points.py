"""A round without kills, and rounds in which services are killed between two of their steps."""

import pytest
from baseline import Baseline
from harness import Bench
from kill_rounds import ROUNDS
from verdict import assert_same, assert_whole, play

pytestmark = pytest.mark.stack


def test_without_kills_everything_ends_and_balances_are_those_of_the_ledger(baseline: Baseline) -> None:
    assert_whole(baseline.outcome)
    assert baseline.balances == baseline.script.balances(users=3)


@pytest.mark.parametrize("crashes", ROUNDS, ids=lambda crashes: "+".join(crashes.values()))
async def test_kills_leave_no_trace(bench: Bench, baseline: Baseline, crashes: dict[str, str]) -> None:
    async with bench.round(crashes) as played, played.running():
        outcome = await play(played, baseline.script, baseline.inputs, baseline.handles)
    assert played.missed() == []
    assert_same(outcome, baseline.outcome)
