"""A kept record that fails at every attempt is given up by an operator: what is lost, and what never is."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from graph_world import TENANT, GraphWorld, Process
from unit.domain import worlds
from unit.domain.worlds import CRS, KEY, Logs, block, h

from streams.domain import decide
from streams.domain.control import SKIP, TenantControl
from streams.domain.facts import Fact, FactPart, GatewayRange, HostBlock, KeyActivated, encode_fact
from streams.domain.lifecycle import WorkState
from streams.domain.results import Failed, Result
from streams.domain.rows import AlarmRow, BlockRow, ProofRow, TenantRow
from streams.messages import topics
from streams.services.graph import plans
from streams.services.graph.batch import FAILURES_MAX

REASON = "the vendor's defect 17"
LARGE = 400_000  # bytes of an input: its range takes several records
TROUBLE = Failed(item="0" * 32, attempt=0, worker="poison", category="recoverable", error="E", message="")


def chain(length: int) -> list[Fact]:
    facts: list[Fact] = [block("0", 0, "-1", anchor=True), KEY, CRS]
    for number in range(1, length):
        logs = Logs().trivial(h(f"v{number}"), number).allow(h(f"v{number}"))
        facts.append(block(str(number), number, str(number - 1), logs))
    return facts


class Poison:
    """A defect that every attempt at some facts or results meets, until a release without it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, of: Callable[[Any], bool]) -> None:
        self.is_there, self._of = True, of
        monkeypatch.setattr(plans, "decide_fact", self._fact)
        monkeypatch.setattr(plans, "decide_result", self._result)

    def _fact(self, state: decide.State, tenant: str, fact: Fact, *rest: Any) -> None:
        self._meet(fact)
        decide.decide_fact(state, tenant, fact, *rest)

    def _result(self, state: decide.State, tenant: str, result: Result, at_ms: int) -> None:
        self._meet(result)
        decide.decide_result(state, tenant, result, at_ms)

    def _meet(self, subject: Any) -> None:
        if self.is_there and self._of(subject):
            raise ZeroDivisionError("a defect")


async def pass_time(process: Process) -> None:
    for _ in range(FAILURES_MAX + 1):
        await process.live()


async def skip(
    world: GraphWorld,
    process: Process,
    topic: str,
    offset: int,
    request: str = "r1",
    identity: bytes = b"",
) -> None:
    """`control skip` of a record of the tenant's shard, and what follows."""
    command = TenantControl(
        tenant=TENANT,
        action=SKIP,
        request=request,
        topic=topic,
        partition=world.shard,
        offset=offset,
        record=identity,
        reason=REASON,
    )
    key = f"tenant/{TENANT}".encode()
    await world.log.append(topics.CONTROL, key=key, value=msgspec.json.encode(command))
    await pass_time(process)


def alarms(world: GraphWorld) -> list[tuple[str, str]]:
    return [(row.kind, row.detail) for row in world.store.state.rows(AlarmRow)]


def tip(world: GraphWorld) -> TenantRow:
    found = world.store.state.get(TenantRow, TENANT)
    assert found is not None
    return found


async def test_a_result_is_left_out_kept_as_a_letter_and_what_comes_after_it_is_applied(
    world: GraphWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    Poison(monkeypatch, lambda subject: getattr(subject, "worker", "") == "poison")
    async with world.process() as process:
        await world.publish(*chain(2))
        await world.answer(TROUBLE)
        await pass_time(process)
        await world.publish(block("2", 2, "1"))
        await world.command("resume alone")
        await pass_time(process)
        assert alarms(world) == [("halted", "ZeroDivisionError: a defect")]
        await skip(world, process, topics.RESULTS, 0)
    assert not world.store.tables.halted
    assert (world.store.tables.held, alarms(world)) == ([], [])
    assert {row.number for row in world.store.state.rows(BlockRow)} == {0, 1, 2}
    assert world.items(WorkState.DONE) == world.items()
    (letter,) = world.log.records(topics.DLQ)
    found = dict(letter.headers)
    assert (letter.key, msgspec.json.decode(letter.value or b"")["worker"]) == (TENANT.encode(), "poison")
    assert found["origin"] == f"results.v1/{world.shard}/0".encode()
    assert found["error-class"] == b"Skipped"
    told = f"{REASON} (request r1); it failed with ZeroDivisionError: a defect"
    assert found["error"] == told.encode()
    (kept,) = world.store.tables.letters.values()
    assert (kept.error, kept.record.offset) == (told, 0)


@pytest.mark.parametrize("body", [b"list", b"x" * LARGE], ids=["a record", "parts"])
async def test_of_a_range_its_end_counts_and_the_next_one_is_applied(
    world: GraphWorld, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    poisoned = worlds.gateway(0, 1, worlds.request_log(1, body))
    records = encode_fact(poisoned)

    def is_it(subject: Any) -> bool:
        if isinstance(subject, FactPart):
            return subject.index == subject.count - 1
        return isinstance(subject, GatewayRange) and bool(subject.logs) and subject.to_block == 1

    Poison(monkeypatch, is_it)
    async with world.process() as process:
        await world.publish(KEY, CRS, poisoned, worlds.gateway(1, 2, worlds.request_log(2, number=2)))
        await pass_time(process)
        assert TENANT in world.store.tables.halted
        await skip(world, process, topics.EVENTS, 1 + len(records))
    assert not world.store.tables.halted
    assert tip(world).gateway_number == 2
    assert [row.zk_proof_id for row in world.store.state.rows(ProofRow)] == [2]
    assert alarms(world) == []
    (letter,) = world.store.tables.letters.values()
    assert letter.record.value == records[-1]


@pytest.mark.parametrize("kind", [HostBlock, KeyActivated])
async def test_without_a_block_or_a_key_nothing_could_be_right_so_they_are_never_left_out(
    world: GraphWorld, monkeypatch: pytest.MonkeyPatch, kind: type[Fact]
) -> None:
    facts = chain(3)
    offset = next(at for at, fact in enumerate(facts) if isinstance(fact, kind))
    poison = Poison(monkeypatch, lambda subject: isinstance(subject, kind))
    async with world.process() as process:
        await world.publish(*facts)
        await pass_time(process)
        for request in ("r1", "r2"):
            await skip(world, process, topics.EVENTS, offset, request)
        ((named, detail),) = alarms(world)
        assert (named, world.store.tables.halted[TENANT]) == ("halted", (world.shard, detail))
        refusal = "not skipped: NotSkippable: Without this record, what comes after it"
        assert detail.startswith(f"ZeroDivisionError: a defect; {refusal}")
        assert detail.count("not skipped") == 1  # however often it is tried
        assert len(world.store.tables.held) == len(facts) - offset
        assert world.store.tables.letters == {}
        poison.is_there = False
        await world.command("resume")
        await pass_time(process)
    assert not world.store.tables.halted
    expected = worlds.run(facts)
    worlds.settle(expected)
    assert worlds.settled(world.store.state) == worlds.settled(expected)


async def test_a_command_gives_up_the_record_that_it_names_and_no_other(
    world: GraphWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    Poison(monkeypatch, lambda subject: getattr(subject, "worker", "") == "poison")
    async with world.process() as process:
        await world.publish(*chain(2))
        await world.answer(TROUBLE, TROUBLE)
        await pass_time(process)
        await skip(world, process, topics.RESULTS, 1, "of the second, which is not the first")
        assert world.store.tables.letters == {}
        await skip(world, process, topics.RESULTS, 0, "of the first")
        assert [letter.record.offset for letter in world.store.tables.letters.values()] == [0]
        assert TENANT in world.store.tables.halted
        (alarm,) = world.store.state.rows(AlarmRow)
        (_, second), *_ = world.store.tables.held
        assert (second.offset, alarm.subject) == (1, second.identity)  # which holds it up now
    async with world.process() as process:  # reads control.v1 again
        await pass_time(process)
        assert len(world.store.tables.letters) == 1
        await skip(world, process, topics.RESULTS, 1, "of the second")
    assert len(world.store.tables.letters) == 2
    assert not world.store.tables.halted


async def test_a_tenant_that_is_not_halted_loses_nothing(world: GraphWorld) -> None:
    async with world.process() as process:
        await world.publish(*chain(3))
        await skip(world, process, topics.EVENTS, 1)
    assert (world.store.tables.letters, world.store.tables.requests) == ({}, {"r1"})
    assert world.items(WorkState.DONE) == world.items()
