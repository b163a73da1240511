"""The real broker keeps the contract of every Log."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing

import pytest
from aiokafka.partitioner import murmur2 as other_murmur2
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from port_contracts.log import LogContract, records

from streams.adapters.kafka.log import KafkaLog
from streams.domain.errors import BrokerError, LogTruncated
from streams.domain.partition import murmur2
from streams.settings import KafkaSettings

pytestmark = pytest.mark.stack


@pytest.fixture
def topic(make_topic: Callable[[int], str]) -> str:
    return make_topic(3)


class TestContract(LogContract):
    """The sentences of every Log."""


async def test_500_keys_lie_where_every_producer_puts_them(
    log: KafkaLog, make_topic: Callable[[int], str]
) -> None:
    topic = make_topic(24)
    keys = [f"tenant/{number * 7919}".encode() for number in range(500)]
    await log.partitions(topic)
    positions = await asyncio.gather(*(log.append(topic, key=key, value=b"") for key in keys))
    assert [position.partition for position in positions] == [log.partition_of(topic, key) for key in keys]
    assert all(murmur2(key) == other_murmur2(key) & 0xFFFFFFFF for key in keys)


async def test_appends_without_waiting_keep_their_order(log: KafkaLog, topic: str) -> None:
    values = [str(number).encode() for number in range(2_000)]
    await asyncio.gather(*(log.append(topic, key=b"k", value=value, partition=0) for value in values))
    assert [record.value for record in await records(log, topic, 0, 0, 2_000)] == values


async def test_slow_reader_gets_everything_in_bounded_memory(log: KafkaLog, topic: str) -> None:
    size, count = 200_000, 60  # 12 MB, three times what is kept for a reader
    await asyncio.gather(*(log.append(topic, key=b"k", value=bytes(size), partition=0) for _ in range(count)))
    offsets: list[int] = []
    async for record in log.read(topic, 0, 0, count):
        offsets.append(record.offset)
        if record.offset == 0:  # others are read while this one waits
            assert len(await records(log, topic, 0, 0, count)) == count
    assert offsets == list(range(count))


async def test_who_reads_again_after_a_full_backlog_gets_the_rest(log: KafkaLog, topic: str) -> None:
    size, count = 200_000, 60
    await asyncio.gather(*(log.append(topic, key=b"k", value=bytes(size), partition=0) for _ in range(count)))
    async with aclosing(log.read(topic, 0, 0)) as reading:
        await anext(reading)
        # Long enough that what is fetched for the first one has become too much.
        assert len(await records(log, topic, 0, 0, count)) == count
    async with asyncio.timeout(60):
        assert len(await records(log, topic, 0, 1, count)) == count - 1


async def test_deleted_records_are_truncation(
    log: KafkaLog, topic: str, admin: AdminClient, kafka: KafkaSettings
) -> None:
    for _ in range(4):
        await log.append(topic, key=b"k", value=b"v", partition=0)
    for answer in admin.delete_records([TopicPartition(kafka.prefix + topic, 0, 3)]).values():
        answer.result()
    assert await log.bounds(topic, 0) == (3, 4)
    with pytest.raises(LogTruncated):
        await records(log, topic, 0, 1, 4)


async def test_append_to_a_missing_topic_fails(log: KafkaLog) -> None:
    with pytest.raises(BrokerError, match=r"nowhere\.v1"):
        await log.append("nowhere.v1", key=b"k", value=b"v")


async def test_too_large_a_record_fails_alone(log: KafkaLog, topic: str) -> None:
    with pytest.raises(BrokerError, match="large"):
        await log.append(topic, key=b"k", value=bytes(3_000_000))
    assert (await log.append(topic, key=b"k", value=b"v", partition=1)).offset == 0


async def test_close_waits_for_what_was_appended(kafka: KafkaSettings, log: KafkaLog, topic: str) -> None:
    other = KafkaLog(kafka)
    report = asyncio.create_task(other.append(topic, key=b"k", value=b"v", partition=0))
    await asyncio.sleep(0)  # until it waits for the broker
    await other.close()
    assert (await report).offset == 0
    assert await log.bounds(topic, 0) == (0, 1)
