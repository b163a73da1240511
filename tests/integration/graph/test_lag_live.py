"""`lag` on the real broker and database, with a graph service that is not there yet, then is."""

import asyncio
import json
import sys
from typing import Any

import pytest
from live_graph import LiveGraph, facts

from streams.messages.topics import EVENTS, RESULTS

pytestmark = pytest.mark.stack


async def lag(graph: LiveGraph, *options: str) -> tuple[int | None, str]:
    """Exit code and output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "streams.cli", "--config", str(graph.config), "lag", *options),
        env=graph.environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


def owned(report: dict[str, Any]) -> dict[tuple[str, int], dict[str, Any]]:
    """What the owners of shards read, by topic and partition."""
    return {(one["topic"], one["partition"]): one for one in report["partitions"] if one["group"] == "graph"}


async def test_a_shard_without_an_owner_is_stuck_and_with_one_it_is_not_behind(graph: LiveGraph) -> None:
    await graph.publish(*facts())
    code, output = await lag(graph, "--interval", "0.1", "--json")
    stuck = {
        place: one["records"] for place, one in owned(json.loads(output)).items() if one["state"] != "ok"
    }
    assert (code, stuck) == (1, {(EVENTS, graph.shard()): len(facts())})

    await graph.start()
    await graph.until_done()
    _, output = await lag(graph, "--interval", "0", "--json")
    found = owned(json.loads(output))[EVENTS, graph.shard()]
    assert (found["records"], found["position"], found["state"]) == (0, len(facts()), "ok")


async def test_one_look_at_the_table_blames_nobody(graph: LiveGraph) -> None:
    await graph.publish(*facts())
    code, output = await lag(graph, "--interval", "0")
    assert code == 0
    rows = [line.split() for line in output.splitlines()]
    (events,) = (row for row in rows if row[:2] == ["graph", EVENTS])
    assert (events[2], events[3], events[-1]) == ("all", str(len(facts())), "ok")
    assert ["graph", RESULTS, "all", "0", "0.0", "ok"] in rows
    assert [row[:2] for row in rows if row[0].isdigit()] == [[str(graph.shard()), str(len(facts()))]]
