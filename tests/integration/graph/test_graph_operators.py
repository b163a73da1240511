"""What an operator meets: a halted tenant, a log that was cut, and the commands for them."""

import asyncio
import json
import sys
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from live_graph import TENANT, LiveGraph, facts, until
from unit.domain.worlds import block, gateway, request_log

from streams.adapters.kafka import topics as administration
from streams.domain.facts import HostBlock, encode_fact
from streams.messages import topics
from streams.settings import load_settings

pytestmark = pytest.mark.stack


async def cipherstream(graph: LiveGraph, *arguments: str) -> str:
    """Output of a command that succeeds."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "streams.cli", "--config", str(graph.config), *arguments),
        env=graph.environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


def too_high() -> HostBlock:
    """A block whose number no column holds: stands for a defect that every attempt meets."""
    return HostBlock(chain_id=12345, number=2**70, hash=b"h" * 32, parent_hash=b"p" * 32, timestamp=1)


async def test_a_halted_tenant_is_listed_and_resume_tries_it_once(graph: LiveGraph) -> None:
    other = next(name for name in map(str, range(99)) if graph.shard(name) == graph.shard())
    child = await graph.start()
    await graph.publish(too_high())
    await graph.publish(*facts())
    await graph.publish(block("0", 0, "-1", anchor=True), tenant=other)
    await graph.until_applied(len(facts()) + 2)
    assert [row["tenant"] for row in await graph.fetch("select tenant from blocks")] == [other]
    (listed,) = json.loads(await cipherstream(graph, "control", "halted", "--json"))
    assert (listed["tenant"], listed["topic"], listed["off"]) == (TENANT, topics.EVENTS, 0)

    await cipherstream(graph, "control", "resume", TENANT)

    async def is_carried_out() -> bool:
        return bool(await graph.fetch("select 1 from control_requests where tenant = $1", TENANT))

    await until(is_carried_out, "the command is carried out")
    assert len(await graph.fetch("select 1 from halted_records")) == len(facts()) + 1
    assert len(await graph.fetch("select 1 from halted_tenants")) == 1
    assert child.process.returncode is None

    await cipherstream(graph, "control", "skip", TENANT, "--reason", "why", "--yes")

    async def is_refused() -> bool:
        rows = await graph.fetch("select error from halted_tenants")
        return all("; not skipped: NotSkippable: " in row["error"] for row in rows)

    await until(is_refused, "a block is not skipped")
    assert len(await graph.fetch("select 1 from halted_records")) == len(facts()) + 1


async def test_a_record_that_never_succeeds_is_given_up_and_kept(graph: LiveGraph) -> None:
    await graph.start()
    huge = gateway(0, 1, request_log(5, number=2**70))  # in a block whose number no column holds
    await graph.publish(huge, gateway(1, 2, request_log(7, number=2)))
    await graph.until_applied(2)
    (listed,) = json.loads(await cipherstream(graph, "control", "halted", "--json"))
    assert (listed["topic"], listed["off"]) == (topics.EVENTS, 0)

    said = await cipherstream(graph, "control", "skip", TENANT, "--reason", "nobody's number", "--yes")
    assert said.startswith(f"{topics.EVENTS}/{graph.shard()}/0  ")

    async def goes_on() -> bool:
        return not await graph.fetch("select 1 from halted_tenants")

    await until(goes_on, "the tenant is resumed without the record")
    assert [row["zk_proof_id"] for row in await graph.fetch("select zk_proof_id from verify_proofs")] == [7]
    (letter,) = await graph.fetch("select * from dead_letters")
    assert (letter["error_class"], letter["off"], letter["value"]) == ("Skipped", 0, *encode_fact(huge))
    assert letter["error"].startswith("nobody's number (request ")
    assert not await graph.fetch("select 1 from alarms where kind = 'halted'")


async def test_an_alarm_that_is_acknowledged_stands_no_more(graph: LiveGraph) -> None:
    await graph.start()
    await graph.broker.append(topics.EVENTS, key=TENANT.encode(), value=b"\xff")
    await graph.until_applied(1)
    said = await cipherstream(graph, "control", "acknowledge", TENANT, "undecodable", "--reason", "a test")
    assert "asked to acknowledge 1 undecodable" in said

    async def is_known() -> bool:
        return not await graph.fetch("select 1 from standing_alarms")

    await until(is_known, "the word is kept")
    assert len(await graph.fetch("select 1 from alarms")) == 1
    (word,) = await graph.fetch("select * from alarm_acknowledgements")
    assert (word["tenant"], word["kind"], word["reason"]) == (TENANT, "undecodable", "a test")
    assert word["request"] in said


async def test_a_cut_log_ends_the_service_until_the_loss_is_accepted(graph: LiveGraph) -> None:
    shard = graph.shard()
    await graph.publish(*facts())
    await _cut(graph.config, shard, 3)
    child = await graph.start()
    await child.must_end(1)
    command = f"cipherstream control accept-loss {topics.EVENTS} {shard}"
    assert command in child.log.read_text()
    output = await cipherstream(graph, "control", "accept-loss", topics.EVENTS, str(shard), "--yes")
    assert "goes on at offset 3" in output
    assert "does not go on by that" in " ".join(output.split())
    await graph.start()
    await graph.until_applied(len(facts()))


async def _cut(config: Path, shard: int, before: int) -> None:
    kafka = load_settings(config).kafka
    place = TopicPartition(kafka.prefix + topics.EVENTS, shard, before)
    admin = administration.connect(kafka)  # it must outlive its request
    (deleted,) = admin.delete_records([place]).values()
    await asyncio.wrap_future(deleted)
