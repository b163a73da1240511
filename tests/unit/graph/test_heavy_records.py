"""A transaction that takes too long is not repeated as it was: fewer records, more time, a halted tenant."""

import contextlib
from collections.abc import AsyncGenerator

import pytest
from graph_world import TENANT, GraphWorld, Process
from structlog.testing import capture_logs
from test_failures import chain
from test_priorities import neighbour
from unit.domain import worlds

from streams.adapters.memory.store import MemoryStore, MemoryTransaction
from streams.domain.errors import RecordTooHeavy, TransactionTooLong
from streams.domain.rows import AlarmRow, BlockRow
from streams.domain.state import Changes
from streams.messages import topics
from streams.messages.topics import EVENTS, RESULTS
from streams.ports import Record
from streams.services.graph.room import BATCH, Room

HEAVY = 20  # offset of the record that is heavy, where one is
COUNT = "cipherstream_heavy_records"


class Slow(MemoryStore):
    """A database that ends transactions over events: of too many records, and of one that is too heavy."""

    def __init__(self) -> None:
        super().__init__()
        self.records_max = BATCH
        self.is_heavy = False
        self.patience_helps = True
        self.taken: list[tuple[range, bool]] = []  # offsets, and whether patiently

    @contextlib.asynccontextmanager
    async def begin(self, *place: int, is_patient: bool = False) -> AsyncGenerator[MemoryTransaction]:
        async with super().begin(*place, is_patient=is_patient) as tx:
            yield _Slow(tx, self, is_patient=is_patient)

    def weigh(self, offsets: range, is_patient: bool) -> None:
        """Whether the transaction comes to its end."""
        self.taken.append((offsets, is_patient))
        is_heavy = self.is_heavy and HEAVY in offsets and not (is_patient and self.patience_helps)
        if is_heavy or len(offsets) > self.records_max:
            raise TransactionTooLong

    @property
    def patient(self) -> list[range]:
        """Offsets of the patient transactions."""
        return [offsets for offsets, is_patient in self.taken if is_patient]


class _Slow(MemoryTransaction):
    def __init__(self, tx: MemoryTransaction, store: Slow, *, is_patient: bool) -> None:
        vars(self).update(vars(tx))
        self._store, self._is_patient, self._decides = store, is_patient, False

    async def write(self, changes: Changes) -> None:
        self._decides = bool(changes.rows(BlockRow))
        await super().write(changes)

    async def advance(self, topic: str, partition: int, start: int, next_off: int) -> None:
        if topic == topics.EVENTS and self._decides:
            self._store.weigh(range(start, next_off), self._is_patient)
        await super().advance(topic, partition, start, next_off)

    async def drop_held(self, records: list[Record]) -> None:
        self._store.weigh(range(records[0].offset, records[-1].offset + 1), self._is_patient)
        await super().drop_held(records)


@pytest.fixture
def store() -> Slow:
    return Slow()


@pytest.fixture
def world(store: Slow) -> GraphWorld:
    return GraphWorld(store=store)


async def live(world: GraphWorld, process: Process) -> None:
    """Until it has waited out whatever it may."""
    for _ in range(40):
        await process.settle()
        await world.clock.advance(5)
    await process.live()


async def test_what_is_too_much_for_one_transaction_is_applied_in_parts(
    world: GraphWorld, store: Slow
) -> None:
    facts = chain(50)
    store.records_max = 5
    await world.publish(*facts[:-2])
    async with world.process() as process:
        await live(world, process)
        assert world.next_off() == len(facts) - 2
        assert max(len(offsets) for offsets, _ in store.taken) > 16
        assert len(store.taken) < 20
        store.taken.clear()
        store.records_max = BATCH
        await world.publish(*facts[-2:])
        await process.live()
    assert store.patient == []
    expected = worlds.run(facts)
    worlds.settle(expected)
    assert worlds.settled(store.state) == worlds.settled(expected)


async def test_afterwards_a_transaction_has_as_many_records_as_before(world: GraphWorld, store: Slow) -> None:
    store.records_max = 5
    await world.publish(*chain(40))
    async with world.process() as process:
        await live(world, process)
    store.records_max = BATCH
    store.taken.clear()
    await world.publish(*[worlds.block(f"{at}", at, f"{at - 1}") for at in range(40, 80)])
    async with world.process() as process:
        await live(world, process)
    assert max(len(offsets) for offsets, _ in store.taken) > 30


async def test_a_record_that_is_too_heavy_alone_gets_a_long_transaction_and_is_told(
    world: GraphWorld, store: Slow
) -> None:
    store.is_heavy = True
    await world.publish(*chain(40))
    with capture_logs() as logs:
        async with world.process() as process:
            await live(world, process)
            assert process.runtime.metrics.value(COUNT, {"tenant": TENANT}) == 1
    assert world.next_off() == len(chain(40))
    assert store.patient == [range(HEAVY, HEAVY + 1)]
    assert not store.tables.halted
    told = [line for line in logs if line.get("action") == "record_heavy"]
    assert [(line["log_level"], line["offset"], line["tenant"]) for line in told] == [
        ("error", HEAVY, TENANT)
    ]


async def test_a_record_that_is_too_heavy_for_that_too_halts_its_tenant_and_nobody_else(
    world: GraphWorld, store: Slow
) -> None:
    other = neighbour(world, is_same_shard=True)
    store.is_heavy, store.patience_helps = True, False
    await world.publish(*chain(40))
    await world.publish(*chain(4), tenant=other)
    async with world.process() as process:
        await live(world, process)
        assert world.next_off() == len(chain(40)) + len(chain(4))
        assert store.tables.halted[TENANT] == (world.shard, f"RecordTooHeavy: {RecordTooHeavy()}")
        assert [row.kind for row in store.state.rows(AlarmRow)] == ["halted"]
        assert len([row for row in store.state.rows(BlockRow) if row.tenant == other]) == 4
        assert len(store.patient) == 1
        # it is kept, and tried again from the start when an operator says so
        await world.command("again")
        await live(world, process)
        assert TENANT in store.tables.halted
        assert len(store.patient) == 2
        store.patience_helps = True
        await world.command("once more")
        await live(world, process)
    assert not store.tables.halted
    assert len([row for row in store.state.rows(BlockRow) if row.tenant == TENANT]) == 40


def record(offset: int, topic: str = EVENTS) -> Record:
    return Record(topic=topic, partition=0, offset=offset, key=b"t", value=b"", headers=(), timestamp_ms=0)


def records(count: int, topic: str = EVENTS) -> list[Record]:
    return [record(offset, topic) for offset in range(count)]


def test_there_is_less_room_until_the_last_record_of_the_batch_is_over() -> None:
    room = Room()
    room.narrow(records(64))
    assert room.most == 16
    room.narrow(records(16))
    assert room.most == 4
    for end in range(4, 64, 4):
        room.widen(records(end)[-4:])
        assert room.most == 4
    room.widen(records(64)[-4:])
    assert room.most == BATCH


def test_records_of_the_other_topic_take_no_patience_away() -> None:
    room = Room()
    for count in (64, 16, 4, 1):
        room.narrow(records(count))
    room.widen(records(64, RESULTS))
    assert room.most == 1
    assert room.is_patient([record(0)])
    assert not room.is_patient([record(0, RESULTS)])
    assert not room.is_patient([record(1)])


def test_a_record_that_was_heavy_and_is_over_is_like_any_other() -> None:
    room = Room()
    assert room.narrow([record(3)])
    assert not room.narrow([record(3)])
    with pytest.raises(RecordTooHeavy):
        room.is_patient([record(3)])
    room.widen([record(3)])
    assert not room.is_patient([record(3)])
    assert room.most == BATCH
