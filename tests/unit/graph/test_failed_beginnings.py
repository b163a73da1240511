"""A transaction that cannot even begin, for a reason that is none of those that are waited out."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import pytest
from graph_world import GraphWorld
from test_failures import chain
from unit.domain import worlds

from streams.adapters.memory.store import MemoryStore, MemoryTransaction
from streams.services.graph.batch import FAILURES_MAX

APPLIED = 4  # records before the database is of no use
ONCE = 1 + FAILURES_MAX  # all of the batch together, then its first record until its tenant is halted


class Unready(MemoryStore):
    """Transactions do not begin, some times."""

    refusals = 0

    @contextlib.asynccontextmanager
    async def begin(self, *place: int, is_patient: bool = False) -> AsyncGenerator[MemoryTransaction]:
        if self.refusals:
            self.refusals -= 1
            raise RuntimeError("the database is of no use for a while")
        async with super().begin(*place, is_patient=is_patient) as tx:
            yield tx


@pytest.mark.parametrize("refusals", [1, FAILURES_MAX, ONCE])
async def test_what_follows_a_record_whose_transaction_did_not_begin_is_applied_itself(refusals: int) -> None:
    store, facts = Unready(), chain(6)
    world = GraphWorld(store=store)
    await world.publish(*facts[:APPLIED])
    async with world.process() as process:
        await process.live()
        store.refusals = refusals
        # side by side, so that they are one batch
        await asyncio.gather(*map(world.publish, facts[APPLIED:]))
        await process.live()
        assert bool(store.tables.halted) is (refusals == ONCE)
        await world.command("request")
        await process.live()
        assert world.next_off() == len(facts)
    expected = worlds.run(facts)
    worlds.settle(expected)
    assert worlds.settled(store.state) == worlds.settled(expected)
