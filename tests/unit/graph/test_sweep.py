"""What becomes of items whose attempt is over without an answer."""

import pytest
from port_contracts.store import NOW, TOPICS, T, work

from streams.adapters.memory.store import MemoryStore
from streams.domain import items
from streams.domain.lifecycle import WorkState
from streams.domain.rows import WorkRow
from streams.services.graph import sweep


async def given_up(row: WorkRow, times: int) -> WorkRow:
    """The item after an attempt was given up so often, each time as it was at first."""
    store = MemoryStore()
    store.state.put(row)
    epoch = (await store.claim(0, "me", TOPICS)).epoch
    for _ in range(times):
        async with store.begin(0, epoch) as tx:
            await sweep.give_up(tx, [row], "Late", NOW)
    found = store.state.get(WorkRow, T, row.id)
    assert found is not None
    return found


@pytest.mark.parametrize("state", [WorkState.CLAIMED, WorkState.DISPATCHED])
@pytest.mark.parametrize("times", [1, 2])
async def test_an_attempt_to_publish_is_given_up_once(state: WorkState, times: int) -> None:
    row = work("p", work_class="publish", kind=items.DEAD_LETTER, state=state)
    found = await given_up(row, times)
    assert (found.state, found.attempt) == (WorkState.READY, 1)


async def test_what_was_published_meanwhile_stays_done() -> None:
    row = work("p", work_class="publish", kind=items.DEAD_LETTER, state=WorkState.DONE)
    assert await given_up(row, 1) == row
