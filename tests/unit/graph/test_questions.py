"""What a transaction asks the store for: once, and while it decides."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest
from graph_world import GraphWorld
from test_express import second, sent, warm
from unit.domain.worlds import CRS, KEY, Logs, block, h

from streams.adapters.memory.store import MemoryStore, MemoryTransaction
from streams.domain import decide
from streams.domain.errors import StoreError
from streams.domain.facts import HostBlock
from streams.domain.rows import BlockRow, CiphertextRow, EarlyRow, HandleRow, Row, TenantRow
from streams.domain.state import Read
from streams.ports import Record
from streams.services.graph import ahead, batch, plans
from streams.services.graph.plans import Plan

_LATE = 5  # turns of the loop that the store takes to answer


class Diary:
    """What happens in which order, in a store that takes its time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lines: list[str] = []
        self.asked: list[Sequence[Read]] = []
        self.failing = 0
        self._load, self._begin = MemoryTransaction.load, MemoryStore.begin
        self._decide, self._plan = decide.decide_fact, plans.plan_of
        diary = self

        async def load(tx: MemoryTransaction, reads: Sequence[Read]) -> list[list[Row]]:
            return await diary.load(tx, reads)

        monkeypatch.setattr(MemoryTransaction, "load", load)
        monkeypatch.setattr(MemoryStore, "begin", lambda store, *place, **_: diary.begin(store, *place))
        monkeypatch.setattr(plans, "decide_fact", self.decide)
        monkeypatch.setattr(batch, "plan_of", self.plan)

    async def load(self, tx: MemoryTransaction, reads: Sequence[Read]) -> list[list[Row]]:
        if not reads:
            return []
        self.asked.append(reads)
        self.lines.append("asks")
        for _ in range(_LATE):
            await asyncio.sleep(0)
        if self.failing:
            self.failing -= 1
            raise StoreError("away")
        self.lines.append("hears")
        return await self._load(tx, list(reads))

    @contextlib.asynccontextmanager
    async def begin(self, store: MemoryStore, *place: int) -> AsyncGenerator[MemoryTransaction]:
        self.lines.append("begins")
        for _ in range(_LATE):
            await asyncio.sleep(0)
        async with self._begin(store, *place) as tx:
            self.lines.append("has begun")
            yield tx

    def about(self, table: type[Row]) -> list[Sequence[Read]]:
        """The questions that name a table."""
        return [reads for reads in self.asked if any(read.table is table for read in reads)]

    def decide(self, *arguments: Any) -> None:
        self.lines.append("decides")
        self._decide(*arguments)

    def plan(self, record: Record, *arguments: Any) -> Plan:
        self.lines.append("plans")
        return self._plan(record, *arguments)


@pytest.fixture
def diary(monkeypatch: pytest.MonkeyPatch) -> Diary:
    return Diary(monkeypatch)


BESIDE = ["begins", "plans", "has begun", "asks", "decides", "hears"]


async def test_a_block_over_what_is_remembered_is_one_question_beside_its_decision(
    world: GraphWorld, diary: Diary
) -> None:
    async with world.process() as process:
        await warm(world, process)
        sent(world)
        diary.lines.clear()
        diary.asked.clear()
        await world.publish(second("a", "b"))
        await process.settle()
        assert len(sent(world)) == 2
    assert diary.lines[: len(BESIDE)] == BESIDE
    assert len(diary.asked) == 1
    assert {read.table for read in diary.asked[0]} == {
        TenantRow,
        BlockRow,
        HandleRow,
        EarlyRow,
        CiphertextRow,
    }
    assert len(set(diary.asked[0])) == len(diary.asked[0])


async def test_what_is_not_remembered_is_asked_for_with_what_will_be_guessed(
    world: GraphWorld, diary: Diary
) -> None:
    async with world.process() as process:
        await warm(world, process)
    sent(world)
    diary.asked.clear()
    async with world.process() as process:
        await process.settle()
        diary.lines.clear()
        await world.publish(second("a"))
        await process.settle()
    assert diary.lines[: len(BESIDE)] == ["begins", "plans", "has begun", "asks", "hears", "decides"]
    assert diary.about(BlockRow) == diary.asked[:1]


async def test_a_store_that_fails_while_a_block_is_decided_costs_nothing_but_another_try(
    world: GraphWorld, diary: Diary
) -> None:
    async with world.process() as process:
        await warm(world, process)
        sent(world)
        diary.failing = 2
        await world.publish(second("a", "b"))
        for _ in range(4):
            await process.settle()
            await world.clock.advance(1)
        await process.settle()
        assert len(sent(world)) == 2
    assert not diary.failing
    assert diary.lines.count("decides") > 2


async def test_ciphertexts_are_not_asked_for_where_messages_have_to_wait(
    world: GraphWorld, diary: Diary
) -> None:
    async with world.process() as process:
        await warm(world, process)
        await world.publish(second(*(f"n{at}" for at in range(20))))  # more than there is credit for
        await process.settle()
        diary.asked.clear()
        await world.publish(second("a", number=3))
        await process.settle()
    assert diary.asked
    assert not diary.about(CiphertextRow)


async def test_ciphertexts_that_are_not_stored_yet_are_not_asked_for(world: GraphWorld, diary: Diary) -> None:
    async with world.process() as process:
        await warm(world, process)
        await world.publish(second("a"))
        await process.settle()
        diary.asked.clear()
        logs = Logs().add(h("a"), 1, h("b"), tx="b").allow(h("b"), tx="b")
        await world.publish(block("3", 3, "2", logs))
        await process.settle()
    assert diary.asked
    assert not diary.about(CiphertextRow)


async def test_of_many_transactions_each_is_one_question(
    world: GraphWorld, diary: Diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "SERIES_BYTES", 1)
    blocks = [_over_unknown(number) for number in range(1, 6)]
    async with world.process() as process:
        await world.publish(block("0", 0, "-1", anchor=True), KEY, CRS)
        await process.settle()
        diary.asked.clear()
        await world.publish(*blocks)
        await process.settle()
    assert {row.number for row in world.store.state.rows(BlockRow)} == set(range(6))
    about = [{read.table for read in reads} & {BlockRow, HandleRow} for reads in diary.asked]
    assert [tables for tables in about if tables] == [{BlockRow, HandleRow}] * 5


def _over_unknown(number: int) -> HostBlock:
    """A block that needs a handle that nobody has heard of."""
    logs = Logs().add(h(f"u{number}"), 1, h(f"v{number}")).allow(h(f"v{number}"))
    return block(str(number), number, str(number - 1), logs)
