"""The graph service on the real broker and database: whole runs, kills, rebalances, defects."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

import pytest
from live_graph import TENANT, Child, LiveGraph, facts, until
from unit.domain.worlds import Logs, block, h

from streams.domain.facts import Fact
from streams.messages import topics

pytestmark = pytest.mark.stack

POINTS = (
    "graph.decided",
    "graph.committed",
    "dispatcher.claimed",
    "dispatcher.produced",
    "dispatcher.reported",
)
OPEN_TRANSACTIONS = """
select 1 from pg_stat_activity
where datname = current_database() and backend_type = 'client backend' and xact_start is not null
  and pid <> pg_backend_pid()
"""


async def test_a_run_ends_with_the_tables_that_decisions_say(graph: LiveGraph) -> None:
    child = await graph.start()
    await graph.publish(*facts())
    await graph.until_done()
    await graph.check_whole()
    await child.stop()


async def killed_and_restarted(graph: LiveGraph, point: str) -> None:
    victim = await graph.start(crash_at=point)
    await graph.publish(*facts())
    await victim.must_end(-signal.SIGKILL)
    await graph.start()
    await graph.until_done()
    await graph.check_whole()


async def test_a_kill_between_two_steps_changes_nothing(
    new_graph: Callable[[], Awaitable[LiveGraph]],
) -> None:
    graphs = [await new_graph() for _ in POINTS]
    both = zip(graphs, POINTS, strict=True)
    await asyncio.gather(*(killed_and_restarted(graph, point) for graph, point in both))


@pytest.mark.parametrize("crash", [signal.SIGKILL, signal.SIGSTOP])
async def test_what_was_sent_and_not_committed_is_sent_again_and_done_once(
    graph: LiveGraph, crash: signal.Signals
) -> None:
    victim = await graph.start(crash_at="express.produced", crash=crash)
    victim.crashed.touch()  # not among the first facts: a quick graph is through with one before the next
    await graph.publish(*facts())
    await graph.until_done()  # from here on nothing waits, so what comes next goes out at once
    victim.crashed.unlink()
    more = block("3", 3, "2", Logs().add(h("c"), 9, h("e")).allow(h("e")))
    items = len(graph.seen)
    await graph.publish(more)

    async def is_out() -> bool:
        return victim.crashed.exists() and len(graph.seen) > items

    await until(is_out, "a message is out, and the transaction that makes its item is open")
    if crash is signal.SIGSTOP:
        # waits until the database ends that transaction
        await graph.store.claim(graph.shard(), "test-0", {})
        assert await graph.applied() == len(facts())
        victim.process.send_signal(signal.SIGCONT)
    else:
        await victim.must_end(-signal.SIGKILL)
        assert await graph.applied() == len(facts())
        await graph.start()
    await graph.until_done(more)
    await graph.check_whole(more)


async def test_a_second_process_joins_and_takes_over(graph: LiveGraph) -> None:
    first = await graph.start()
    await graph.until_owned(first)
    second = await graph.start(argv=("-m", "faust", "-A", "streams.app", "worker", "-l", "info"))
    await graph.until_owned(first, second)
    await graph.publish(*facts())
    await graph.until_done()
    await first.kill()
    await graph.until_owned(second)  # idle partitions too: no record comes to start an owner
    await graph.publish(block("3", 3, "2"))
    await graph.until_applied(len(facts()) + 1)
    await second.stop()


async def test_an_owner_that_slept_is_refused(graph: LiveGraph) -> None:
    zombie = await graph.start()
    await graph.until_served(zombie)
    for number, fact in enumerate(facts()):
        if await is_refused_after_sleep(graph, zombie, fact, number):
            await graph.publish(*facts()[number + 1 :])
            break
    else:
        raise AssertionError("the group rebalanced before every fact")
    await graph.until_done()  # it has the assignment still, and claims again after a while
    await graph.check_whole()


async def is_refused_after_sleep(graph: LiveGraph, zombie: Child, fact: Fact, number: int) -> bool:
    """Whether the fact met the old owner; after a rebalance it meets a new one, which may claim the shard."""
    shard = graph.shard()
    await sleep_between_transactions(graph, zombie)
    epoch = (await graph.store.claim(shard, "test-0", {})).epoch
    zombie.process.send_signal(signal.SIGCONT)
    await graph.publish(fact)

    async def is_decided() -> bool:
        # The offset first: whoever has applied the fact owned the shard before.
        is_applied = await graph.applied() > number
        owner = (await graph.owners())[shard]
        assert not is_applied or owner[0] > epoch
        return is_applied or b'"action": "fenced"' in zombie.log.read_bytes()

    await until(is_decided, "the old owner is refused, or a new one applies the fact")
    return b'"action": "fenced"' in zombie.log.read_bytes()


async def sleep_between_transactions(graph: LiveGraph, zombie: Child) -> None:
    """Not inside of one, which a claim waits for: Faust gives up after a sleep that long."""

    async def is_between() -> bool:
        zombie.process.send_signal(signal.SIGSTOP)
        if not await graph.fetch(OPEN_TRANSACTIONS):
            return True
        zombie.process.send_signal(signal.SIGCONT)
        return False

    await until(is_between, "a sleep between two transactions")


async def test_an_owner_that_sleeps_in_a_transaction_keeps_nobody_out(graph: LiveGraph) -> None:
    zombie = await graph.start(crash_at="graph.decided", crash=signal.SIGSTOP)
    await graph.publish(*facts())

    async def is_asleep() -> bool:
        return zombie.crashed.exists()

    await until(is_asleep, "the zombie sleeps")
    # The database ends the transaction: its locks are gone, and what it had decided too.
    await graph.store.claim(graph.shard(), "test-0", {})
    assert await graph.fetch("select 1 from blocks") == []
    zombie.process.send_signal(signal.SIGCONT)
    await graph.until_done()
    await graph.check_whole()


async def test_bytes_that_do_not_decode_end_in_the_dead_letter_topic(graph: LiveGraph) -> None:
    await graph.start()
    await graph.publish(*facts()[:3])
    await graph.broker.append(topics.EVENTS, key=TENANT.encode(), value=b"\xff")
    await graph.publish(*facts()[3:])
    await graph.until_applied(len(facts()) + 1)

    async def is_published() -> bool:
        bounds = [await graph.broker.bounds(topics.DLQ, partition) for partition in range(3)]
        return sum(end for _, end in bounds) == 1

    await until(is_published, "the dead letter is published")
    assert len(await graph.fetch("select 1 from dead_letters")) == 1
    assert len(await graph.fetch("select 1 from alarms where kind = 'undecodable'")) == 1
    assert len(await graph.fetch("select 1 from blocks")) == 3
