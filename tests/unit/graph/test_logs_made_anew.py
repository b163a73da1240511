"""A log that was made anew, or cut, has other records at the places of those that were kept: no two meet."""

import msgspec
import pytest
from graph_world import TENANT, GraphWorld
from test_failures import chain
from test_priorities import neighbour
from test_skipping import TROUBLE, Poison, pass_time, skip
from unit.domain.worlds import block

from streams.domain.facts import Fact, HostBlock, KeyActivated
from streams.domain.lifecycle import WorkState
from streams.domain.rows import AlarmRow, BlockRow
from streams.messages.topics import DLQ, EVENTS, RESULTS
from streams.services.graph.truncation import accept_loss


async def make_anew(world: GraphWorld, topic: str) -> None:
    world.log.recreate(topic)
    await accept_loss(world.store, world.log, topic, world.shard)


@pytest.mark.parametrize("kind", [HostBlock, KeyActivated])
async def test_a_halted_tenant_of_an_earlier_log_holds_up_no_other_tenant(
    world: GraphWorld, monkeypatch: pytest.MonkeyPatch, kind: type[Fact]
) -> None:
    other, facts = neighbour(world, is_same_shard=True), chain(4)
    # the neighbour's blocks have no logs
    poison = Poison(monkeypatch, lambda fact: isinstance(fact, kind) and getattr(fact, "logs", True))
    async with world.process() as process:
        await world.publish(*facts[:-1])
        await pass_time(process)
    kept = len(world.store.tables.held)
    await make_anew(world, EVENTS)
    async with world.process() as process:
        # one record more at the beginning: each of the others has the place of another one
        await world.publish(block("0", 0, "-1", anchor=True), tenant=other)
        await world.publish(*facts)
        await world.publish(block("1", 1, "0"), tenant=other)
        await pass_time(process)
        assert world.next_off() == len(facts) + 2
        assert [row.number for row in world.store.state.rows(BlockRow) if row.tenant == other] == [0, 1]
        assert set(world.store.tables.halted) == {TENANT}
        assert len(world.store.tables.held) == kept + len(facts)
        poison.is_there = False
        await world.command("resume")
        await pass_time(process)
    assert (world.store.tables.halted, world.store.tables.held) == ({}, [])
    blocks = [row.number for row in world.store.state.rows(BlockRow) if row.tenant == TENANT]
    assert sorted(blocks) == [0, 1, 2, 3]
    assert world.items(WorkState.DONE) == world.items()


async def test_what_is_read_again_is_kept_once(world: GraphWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = chain(3)
    Poison(monkeypatch, lambda fact: isinstance(fact, KeyActivated))
    await world.publish(*facts)
    for _ in range(2):
        async with world.process() as process:
            await pass_time(process)
        await accept_loss(world.store, world.log, EVENTS, world.shard)
    values = [record.value for _, record in world.store.tables.held]
    assert (len(values), len(set(values))) == (len(facts), len(facts))


async def test_bytes_of_two_logs_become_two_letters_and_the_same_ones_one(world: GraphWorld) -> None:
    key = TENANT.encode()
    for value in (b"\xff", b"\xfe", b"\xff"):
        async with world.process() as process:
            await world.log.append(EVENTS, key=key, value=value)
            await process.live()
        await make_anew(world, EVENTS)
    letters = world.store.tables.letters
    assert [letter.record.value for letter in letters.values()] == [b"\xff", b"\xfe"]
    assert {row.subject for row in world.store.state.rows(AlarmRow)} == set(letters)
    assert {letter.value for letter in world.log.records(DLQ)} == {b"\xff", b"\xfe"}


async def test_a_command_about_a_record_of_an_earlier_log_gives_up_no_record_of_its_place(
    world: GraphWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    Poison(monkeypatch, lambda subject: getattr(subject, "worker", "") == "poison")
    second = msgspec.structs.replace(TROUBLE, message="of the new log")
    async with world.process() as process:
        await world.publish(*chain(2))
        await world.answer(TROUBLE)
        await pass_time(process)
    await make_anew(world, RESULTS)
    async with world.process() as process:
        await world.answer(second)
        await pass_time(process)
        old, new = (record for _, record in world.store.tables.held if record.topic == RESULTS)
        assert (old.offset, new.offset) == (0, 0)
        for request in ("r1", "of another operator, and late"):
            await skip(world, process, RESULTS, 0, request, old.identity)
            assert list(world.store.tables.letters) == [old.identity]
        assert TENANT in world.store.tables.halted
        await skip(world, process, RESULTS, 0, "r2", new.identity)
    assert set(world.store.tables.letters) == {old.identity, new.identity}
    assert not world.store.tables.halted
