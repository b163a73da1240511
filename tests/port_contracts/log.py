"""What every Log promises; the memory twin and the real broker run the same sentences."""

import asyncio
from contextlib import aclosing

import pytest

from streams.domain.errors import BrokerError, LogTruncated
from streams.ports import Log, Position, Record


async def records(log: Log, topic: str, partition: int, start: int, end: int) -> list[Record]:
    return [record async for record in log.read(topic, partition, start, end)]


class LogContract:
    """Subclasses give the fixtures `log` and `topic`, an empty topic of three partitions."""

    async def test_records_come_back_as_they_were(self, log: Log, topic: str) -> None:
        headers = (("event-id", b"1"), ("tenant", b"t"), ("tenant", b"twice"))
        position = await log.append(topic, key=b"k", value=b"\x00\xff", headers=headers)
        (record,) = await records(log, topic, position.partition, 0, 1)
        assert (record.topic, record.partition, record.offset) == (topic, position.partition, 0)
        assert (record.key, record.value, record.headers) == (b"k", b"\x00\xff", headers)
        assert record.timestamp_ms > 0

    async def test_tombstone_has_no_value(self, log: Log, topic: str) -> None:
        position = await log.append(topic, key=b"k", value=None)
        (record,) = await records(log, topic, position.partition, 0, 1)
        assert record.value is None
        assert record.headers == ()

    async def test_offsets_count_from_zero_in_order(self, log: Log, topic: str) -> None:
        for number in range(5):
            position = await log.append(topic, key=b"k", value=str(number).encode(), partition=2)
            assert position == Position(2, number)
        found = await records(log, topic, 2, 1, 4)
        assert [record.value for record in found] == [b"1", b"2", b"3"]

    async def test_key_chooses_the_partition(self, log: Log, topic: str) -> None:
        assert await log.partitions(topic) == 3
        for number in range(20):
            key = f"tenant-{number}".encode()
            position = await log.append(topic, key=key, value=b"")
            assert position.partition == log.partition_of(topic, key)

    async def test_bounds_follow_the_appends(self, log: Log, topic: str) -> None:
        assert await log.bounds(topic, 1) == (0, 0)
        await log.append(topic, key=b"k", value=b"v", partition=1)
        assert await log.bounds(topic, 1) == (0, 1)

    async def test_empty_range_reads_nothing(self, log: Log, topic: str) -> None:
        assert await records(log, topic, 0, 0, 0) == []

    async def test_reader_without_end_waits_for_more(self, log: Log, topic: str) -> None:
        await log.append(topic, key=b"k", value=b"0", partition=0)
        async with aclosing(log.read(topic, 0, 0)) as found:
            assert (await anext(found)).value == b"0"
            later = asyncio.ensure_future(anext(found))
            await log.append(topic, key=b"k", value=b"1", partition=0)
            assert (await later).value == b"1"

    async def test_two_readers_of_a_partition_do_not_disturb_each_other(self, log: Log, topic: str) -> None:
        for number in range(4):
            await log.append(topic, key=b"k", value=str(number).encode(), partition=0)
        async with aclosing(log.read(topic, 0, 0)) as one, aclosing(log.read(topic, 0, 2)) as other:
            seen = [(await anext(one)).offset, (await anext(other)).offset]
            seen += [(await anext(one)).offset, (await anext(other)).offset]
        assert seen == [0, 2, 1, 3]

    async def test_reading_again_starts_where_it_is_told(self, log: Log, topic: str) -> None:
        for number in range(3):
            await log.append(topic, key=b"k", value=str(number).encode(), partition=0)
        for start in (2, 0, 1):
            (record,) = await records(log, topic, 0, start, start + 1)
            assert record.offset == start

    async def test_offset_outside_of_the_log_is_truncation(self, log: Log, topic: str) -> None:
        with pytest.raises(LogTruncated, match="offset 7"):
            await records(log, topic, 0, 7, 9)

    async def test_unknown_topic_and_partition_are_broker_errors(self, log: Log, topic: str) -> None:
        with pytest.raises(BrokerError):
            await records(log, "nowhere.v1", 0, 0, 1)
        with pytest.raises(BrokerError):
            await records(log, topic, 3, 0, 1)
        with pytest.raises(BrokerError):
            await log.partitions("nowhere.v1")

    async def test_topic_keeps_its_identity(self, log: Log, topic: str) -> None:
        first = await log.topic_id(topic)
        await log.append(topic, key=b"k", value=b"v")
        assert first == await log.topic_id(topic) != ""

    async def test_closed_log_takes_nothing(self, log: Log, topic: str) -> None:
        await log.append(topic, key=b"k", value=b"v")
        await log.close()
        with pytest.raises(BrokerError):
            await log.append(topic, key=b"k", value=b"v")

    async def test_reader_that_waits_ends_with_the_log(self, log: Log, topic: str) -> None:
        await log.append(topic, key=b"k", value=b"v", partition=0)
        async with aclosing(log.read(topic, 0, 0)) as found:
            await anext(found)
            later = asyncio.ensure_future(anext(found))
            await asyncio.sleep(0)
            await log.close()
            with pytest.raises(BrokerError, match="closed"):
                await later
