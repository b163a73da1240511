"""A call to the gateway says when what asks for it was first seen, however long the way to the sender was."""

import pytest
from graph_world import GraphWorld
from unit.domain.worlds import CRS, KEY, Logs, block, h

from streams.domain.work import AddMaterial, SendWork, decode_work
from streams.messages.topics import WORK

WAIT_S = 5000


@pytest.mark.parametrize("is_computed_before", [False, True], ids=["at once", "allowed later"])
async def test_a_commit_says_when_the_block_that_allows_it_was_seen(is_computed_before: bool) -> None:
    world = GraphWorld()
    computed = Logs().trivial(h("v"), 1).allow(h("other"))
    allowed = (Logs() if is_computed_before else Logs().trivial(h("v"), 1)).allow(h("v"))
    async with world.process() as process:
        first = block("1", 1, "0", computed if is_computed_before else None)
        await world.publish(block("0", 0, "-1", anchor=True), KEY, CRS, first)
        await process.settle()
        await world.clock.advance(60)
        seen_ms = world.clock.now_ms()
        await world.publish(block("2", 2, "1", allowed))
        await process.settle()
        await world.clock.advance(WAIT_S)  # nobody computes
        await process.live()
    commits = [
        work
        for record in world.log.records(WORK["sender"])
        if isinstance(work := decode_work(record.value or b""), SendWork)
        and isinstance(work.call, AddMaterial)
    ]
    assert [(work.call.handle, work.seen_ms) for work in commits] == [(h("v"), seen_ms)]
