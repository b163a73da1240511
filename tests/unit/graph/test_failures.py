"""What an owner does with records that fail, a database and a broker that are away, and a log that is cut."""

import contextlib
from collections.abc import AsyncGenerator

import pytest
from graph_world import TENANT, GraphWorld
from structlog.testing import capture_logs
from test_priorities import neighbour
from unit.domain import worlds
from unit.domain.worlds import CRS, KEY, Logs, block, h

from streams.adapters.memory.clock import FakeClock
from streams.adapters.memory.spans import MemorySpans
from streams.adapters.memory.store import MemoryStore, MemoryTransaction
from streams.adapters.telemetry.tracing import Tracing
from streams.domain import decide
from streams.domain.chain import Events
from streams.domain.errors import LogTruncated, StoreError
from streams.domain.facts import Fact, HostBlock, encode_fact
from streams.domain.lifecycle import WorkState
from streams.domain.results import (
    Ciphertext,
    Computed,
    Failed,
    Proven,
    Result,
    Squashed,
    Started,
    encode_result,
)
from streams.domain.rows import AlarmRow, BlockRow
from streams.messages import topics
from streams.services.graph import plans
from streams.services.graph.batch import FAILURES_MAX

POISON = 13


def chain(length: int) -> list[Fact]:
    """Blocks with one operation each after an anchor and keys."""
    facts: list[Fact] = [block("0", 0, "-1", anchor=True), KEY, CRS]
    for number in range(1, length):
        logs = Logs().trivial(h(f"v{number}"), number).allow(h(f"v{number}"))
        facts.append(block(str(number), number, str(number - 1), logs))
    return facts


class Poisoned:
    """A defect in the decision over block number POISON, which a new release may correct."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.attempts = 0
        self.is_there = True
        monkeypatch.setattr(plans, "decide_fact", self._decide)

    def _decide(
        self, state: decide.State, tenant: str, fact: Fact, rules: decide.Rules, events: Events
    ) -> None:
        if self.is_there and isinstance(fact, HostBlock) and fact.number == POISON and tenant == TENANT:
            self.attempts += 1
            raise ZeroDivisionError("a defect")
        decide.decide_fact(state, tenant, fact, rules, events)


async def test_bytes_that_do_not_decode_are_parked_and_published(world: GraphWorld) -> None:
    key, odd = TENANT.encode(), (("trace", b"\xff"),)
    async with world.process() as process:
        await world.publish(*chain(2))
        await world.log.append(topics.EVENTS, key=key, value=b"\xffnot a fact", headers=odd)
        await world.publish(block("2", 2, "1"))
        await process.live()
        assert world.next_off() == 6
    (letter,) = world.log.records(topics.DLQ)
    found = dict(letter.headers)
    assert (letter.key, letter.value, found["trace"]) == (key, b"\xffnot a fact", b"\xff")
    assert found["origin"] == f"events.v1/{world.shard}/4".encode()
    assert (found["error-class"], found["failed-by"]) == (b"Undecodable", b"graph")
    assert [row.kind for row in world.store.state.rows(AlarmRow)] == ["undecodable"]
    assert len(world.store.state.rows(BlockRow)) == 3
    assert world.items(WorkState.DONE) == world.items()


async def test_a_trace_that_is_no_text_holds_up_nobody() -> None:
    clock, sink = FakeClock(), MemorySpans()
    world = GraphWorld(clock=clock, tracing=Tracing(clock, sink))
    async with world.process() as process:
        (value,) = encode_fact(KEY)
        odd = (("traceparent", b"\xff"),)
        await world.log.append(topics.EVENTS, key=TENANT.encode(), value=value, headers=odd)
        await world.publish(*chain(2))
        await process.settle()  # no time passes: who is fenced pauses
        assert world.next_off() == 1 + len(chain(2))
        assert process.shards.owned == [world.shard]


async def test_a_result_that_does_not_decode_is_parked_too(world: GraphWorld) -> None:
    async with world.process() as process:
        await world.log.append(topics.RESULTS, key=TENANT.encode(), value=b"{}")
        await process.live()
    (letter,) = world.log.records(topics.DLQ)
    assert dict(letter.headers)["origin"] == f"results.v1/{world.shard}/0".encode()


def _malformed() -> list[Result]:
    base = {"item": "0" * 32, "attempt": 0, "worker": "w"}
    short = Ciphertext(handle=b"short", fhe_type=5, ct64=b"ct")
    squashed = {"key_id": b"", "ct64_digest": b"", "ct128_digest": b"", "signer": b"", "attestation": b""}
    return [
        Computed(**base, key_id=b"", ciphertexts=(short,)),
        Proven(**base, verified=True, key_id=b"", handles=(b"short",)),
        Proven(**base, verified=True, key_id=b"", ciphertexts=(short,)),
        Squashed(**base, **squashed, handle=b"short", format=11),
        Squashed(**base, **squashed, handle=h("v"), format=1 << 63),
        Started(**base, timeout_ms=1 << 63),
        Failed(**base | {"attempt": -1}, category="recoverable", error="E", message=""),
    ]


@pytest.mark.parametrize("result", _malformed(), ids=lambda result: type(result).__name__)
async def test_a_result_that_no_row_can_hold_is_parked_and_halts_nobody(
    world: GraphWorld, result: Result
) -> None:
    async with world.process() as process:
        await world.answer(result)
        for _ in range(FAILURES_MAX + 1):
            await process.live()
        await world.publish(*chain(2))
        await process.live()
    assert not world.store.tables.halted
    assert [dict(letter.headers)["error-class"] for letter in world.log.records(topics.DLQ)] == [
        b"Undecodable"
    ]
    assert world.items(WorkState.DONE) == world.items()


@pytest.mark.parametrize("key", [b"", b"\xff\xfe", b"a\0b", b"t" * 500])
async def test_a_key_that_is_no_tenant_is_parked(world: GraphWorld, key: bytes) -> None:
    async with world.process() as process:
        await world.log.append(topics.EVENTS, key=key, value=b"{}", partition=world.shard)
        await process.settle()
    assert world.next_off() == 1
    assert len(world.store.tables.letters) == 1


async def test_a_tenant_of_another_shard_is_parked_wherever_its_records_come_from(world: GraphWorld) -> None:
    foreign = neighbour(world, is_same_shard=False)
    (fact,) = encode_fact(chain(2)[0])
    told = Failed(item="i", attempt=0, worker="w", category="recoverable", error="E", message="")
    place = {"key": foreign.encode(), "partition": world.shard}
    async with world.process() as process:
        await world.log.append(topics.EVENTS, value=fact, **place)
        await world.log.append(topics.RESULTS, value=encode_result(told), **place)
        await process.live()
    home = world.log.partition_of(topics.EVENTS, foreign.encode())
    errors = {letter.error for letter in world.store.tables.letters.values()}
    assert errors == {f"the key belongs to partition {home}: another partitioner wrote it"}
    assert len(world.store.tables.letters) == 2
    assert _blocks(world, foreign) == []
    assert not world.store.tables.halted


async def test_a_defect_halts_its_tenant_and_nobody_else(
    world: GraphWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned = Poisoned(monkeypatch)
    other = neighbour(world, is_same_shard=True)
    async with world.process() as process:
        await world.publish(*chain(20))
        await world.publish(*chain(4), tenant=other)
        for _ in range(FAILURES_MAX + 1):
            await process.live()
        assert world.next_off() == len(chain(20)) + len(chain(4))
        assert poisoned.attempts >= FAILURES_MAX
        assert world.store.tables.halted[TENANT] == (world.shard, "ZeroDivisionError: a defect")
        assert _blocks(world, TENANT) == list(range(POISON))
        assert _blocks(world, other) == list(range(4))
        kept = [record.offset for name, record in world.store.tables.held if name == TENANT]
        assert kept[: 20 - POISON] == list(range(POISON + 2, len(chain(20))))
        assert [row.kind for row in world.store.state.rows(AlarmRow)] == ["halted"]


async def test_workers_do_not_compute_for_a_halted_tenant_until_it_is_resumed(
    world: GraphWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned = Poisoned(monkeypatch)
    computing = ("tfhe", "zkproof", "sns")
    async with world.process() as process:
        await world.publish(*chain(POISON + 1))
        await process.settle()
        await world.beat_all(slots=1)
        for _ in range(FAILURES_MAX + 1):
            await process.settle()
            await world.clock.advance(1)
        assert TENANT in world.store.tables.halted
        world.take_work(*computing)
        for _ in range(20):
            await world.clock.advance(10)
            await world.beat_all(slots=1)
            await process.settle()
        assert world.take_work(*computing) == []
        assert world.items(WorkState.READY)
        poisoned.is_there = False
        await world.command("request-1")
        await process.settle()
        await world.clock.advance(1.1)
        await world.beat_all()
        await process.settle()
        assert world.take_work(*computing)


async def test_resume_applies_what_was_kept_before_anything_newer(
    world: GraphWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned = Poisoned(monkeypatch)
    facts = chain(20)
    async with world.process() as process:
        await world.publish(*facts[:-1])
        for _ in range(FAILURES_MAX + 1):
            await process.live()
        poisoned.is_there = False
        await world.command("request-1")
        await world.publish(facts[-1])
        await process.live()
        assert TENANT not in world.store.tables.halted
    assert world.store.tables.held == []
    expected = worlds.run(facts)
    worlds.settle(expected)
    assert world.store.state.rows(AlarmRow) == []
    assert worlds.settled(world.store.state) == worlds.settled(expected)


async def test_resume_is_carried_out_again_where_a_standby_lost_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Flaky()
    world = GraphWorld(store=store)
    poisoned = Poisoned(monkeypatch)
    async with world.process() as process:
        await world.publish(*chain(20))
        for _ in range(FAILURES_MAX + 1):
            await process.live()
        halted, held = dict(store.tables.halted), list(store.tables.held)
        assert TENANT in halted
        poisoned.is_there = False
        await world.command("request-1")
        await process.live()
        assert store.tables.halted == {}
        # a standby takes over that has not heard of it
        store.tables.halted, store.tables.held = halted, held
        store.tables.requests.clear()
        store.before = 1
        await world.publish(*chain(2), tenant=neighbour(world, is_same_shard=True))
        for _ in range(5):
            await world.clock.advance(5)
            await process.live()
        assert store.tables.halted == {}
    assert store.tables.requests == {"request-1"}


async def test_resume_that_fails_again_halts_again_and_is_not_repeated(
    world: GraphWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned = Poisoned(monkeypatch)
    async with world.process() as process:
        await world.publish(*chain(16))
        for _ in range(FAILURES_MAX + 1):
            await process.live()
        await world.command("request-1")
        for _ in range(FAILURES_MAX + 1):
            await process.live()
        assert TENANT in world.store.tables.halted
        assert [row.kind for row in world.store.state.rows(AlarmRow)] == ["halted"]
        attempts = poisoned.attempts
    async with world.process() as process:  # reads control.v1 from its start
        for _ in range(FAILURES_MAX + 1):
            await process.live()
    assert poisoned.attempts == attempts
    assert world.store.tables.requests == {"request-1"}


class Flaky(MemoryStore):
    """A database that loses the connection when told to, before or after the commit."""

    def __init__(self) -> None:
        super().__init__()
        self.before = 0
        self.after = 0

    @contextlib.asynccontextmanager
    async def begin(self, *place: int, is_patient: bool = False) -> AsyncGenerator[MemoryTransaction]:
        if self.before:
            self.before -= 1
            raise StoreError("away")
        async with super().begin(*place, is_patient=is_patient) as tx:
            yield tx
        if self.after:
            self.after -= 1
            raise StoreError("lost while committing")


@pytest.mark.parametrize(("before", "after"), [(7, 0), (0, 1), (2, 3)])
async def test_a_database_that_is_away_is_waited_for(before: int, after: int) -> None:
    store = Flaky()
    world = GraphWorld(store=store)
    async with world.process() as process:
        store.before, store.after = before, after
        await world.publish(*chain(5))
        for _ in range(20):
            await process.settle()
            await world.clock.advance(5)
        await process.live()
        assert process.shards.owned == [world.shard]
        assert (store.before, store.after) == (0, 0)
    expected = worlds.run(chain(5))
    worlds.settle(expected)
    assert worlds.settled(store.state) == worlds.settled(expected)


class Full(MemoryStore):
    """A database that lets everybody claim and begin, and refuses whatever moves an offset."""

    is_full = True

    @contextlib.asynccontextmanager
    async def begin(self, *place: int, is_patient: bool = False) -> AsyncGenerator[MemoryTransaction]:
        async with super().begin(*place, is_patient=is_patient) as tx:
            before = dict(self.tables.offsets)
            yield tx
            if self.is_full and self.tables.offsets != before:
                raise StoreError("disk full")


async def test_a_turn_that_fails_is_repeated_less_and_less_often_although_each_claim_succeeds() -> None:
    store = Full()
    world = GraphWorld(store=store)
    async with world.process() as process:
        await world.publish(*chain(3))
        with capture_logs() as lines:
            for _ in range(4):
                await process.live()
                await world.clock.advance(1)
        waits = [line for line in lines if line["action"] == "wait_out"]
        assert all("disk full" in line["error"] for line in waits)
        # It is claimed again each time; that is no success yet.
        assert [line["seconds"] for line in waits[:3]] == [0.1, 0.2, 0.5]
        store.is_full = False
        for _ in range(5):
            await world.clock.advance(10)
            await process.live()
    assert _blocks(world, TENANT) == [0, 1, 2]


async def test_who_lost_the_database_takes_nothing_back_from_its_successor() -> None:
    store = Flaky()
    world = GraphWorld(store=store)
    async with world.process() as sleeper:
        await world.publish(*chain(5)[:2])
        await sleeper.settle()
        epoch = (await store.claim(world.shard, "successor", {})).epoch
        store.before = 1
        await world.publish(*chain(5)[2:])
        await sleeper.settle()
        await world.clock.advance(5)  # it tries again, and has not waited as long as a refused owner does
        await sleeper.settle()
        assert store.before == 0
        assert sleeper.shards.owned == []
        assert (await store.claim(world.shard, "next", {})).epoch == epoch + 1


async def test_a_log_that_begins_too_late_ends_the_service_and_names_the_command(world: GraphWorld) -> None:
    await world.publish(*chain(5))
    world.log.expire(topics.EVENTS, world.shard, 2)
    await _ends_with(world, f"begins at 2.*cipherstream control accept-loss events.v1 {world.shard}")


async def test_a_log_that_ends_too_early_ends_the_service(world: GraphWorld) -> None:
    await world.store.claim(world.shard, "me", {"events.v1": "memory-0"})
    topic_id = await world.log.topic_id(topics.EVENTS)
    await world.store.repair(topics.EVENTS, world.shard, topic_id, 9)
    await _ends_with(world, "ends at 0, and 9 is the next")


async def test_a_topic_made_anew_ends_the_service(world: GraphWorld) -> None:
    async with world.process() as process:
        await process.settle()
    world.log.recreate(topics.RESULTS)
    await _ends_with(world, "results.v1.*is another topic")


async def _ends_with(world: GraphWorld, message: str) -> None:
    async with world.process() as process:
        await process.settle()
        assert process.shards.owned == []
        with pytest.raises(LogTruncated, match=message):
            await process.shards.failure


def _blocks(world: GraphWorld, tenant: str) -> list[int]:
    return sorted(row.number for row in world.store.state.rows(BlockRow) if row.tenant == tenant)
