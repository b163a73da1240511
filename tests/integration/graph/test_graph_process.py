"""The graph service on the real broker and database: whole runs, kills, rebalances, defects."""

import signal

import pytest
from live_graph import LiveGraph, facts

pytestmark = pytest.mark.stack

POINTS = (
    "graph.decided",
    "graph.committed",
    "dispatcher.claimed",
    "dispatcher.produced",
    "dispatcher.reported",
)


async def test_a_run_ends_with_the_tables_that_decisions_say(graph: LiveGraph) -> None:
    child = await graph.start()
    await graph.publish(*facts())
    await graph.until_done()
    await graph.check_whole()
    assert await child.stop() == 0


@pytest.mark.parametrize("point", POINTS)
async def test_a_kill_between_two_steps_changes_nothing(graph: LiveGraph, point: str) -> None:
    victim = await graph.start(crash_at=point)
    await graph.publish(*facts())
    assert await victim.ended() == -signal.SIGKILL
    await graph.start()
    await graph.until_done()
    await graph.check_whole()
