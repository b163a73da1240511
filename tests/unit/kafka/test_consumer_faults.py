"""A consumer that the broker refuses says so, instead of looking like an idle topic."""

import asyncio
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError
from mock_broker import MockBroker, mock_broker

from streams.adapters.kafka import reader
from streams.adapters.kafka.log import KafkaLog
from streams.adapters.kafka.work_source import KafkaWorkSource
from streams.domain.errors import BrokerError
from streams.settings import KafkaSettings

TOPIC = "t.v1"
LIMIT_S = 60  # of a wait; far above what it takes
REFUSALS = [KafkaError.TOPIC_AUTHORIZATION_FAILED] * 3


@pytest.fixture
def broker() -> Iterator[MockBroker]:
    with mock_broker() as broker:
        broker.create_topic(TOPIC, 1)
        yield broker


async def test_a_reader_that_is_refused_ends(broker: MockBroker) -> None:
    log = KafkaLog(KafkaSettings(bootstrap=broker.bootstrap))
    await log.append(TOPIC, key=b"k", value=b"v")
    broker.spoil_fetch(*REFUSALS)
    async with asyncio.timeout(LIMIT_S):
        with pytest.raises(BrokerError, match=r"read t\.v1"):
            _ = [record async for record in log.read(TOPIC, 0, 0)]
    await log.close()


async def test_a_record_that_cannot_be_told_ends_its_reader_and_the_next_one_reads_on(
    broker: MockBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = KafkaLog(KafkaSettings(bootstrap=broker.bootstrap))
    await log.append(TOPIC, key=b"k", value=b"v")

    def refuse(*_: object) -> None:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "a header's name")

    with monkeypatch.context() as spoiled:
        spoiled.setattr(reader, "as_record", refuse)
        async with asyncio.timeout(LIMIT_S):
            with pytest.raises(BrokerError, match="UnicodeDecodeError"):
                _ = [record async for record in log.read(TOPIC, 0, 0, 1)]
    async with asyncio.timeout(LIMIT_S):
        assert [record.value async for record in log.read(TOPIC, 0, 0, 1)] == [b"v"]
    await log.close()


async def test_a_work_source_that_is_refused_tells_and_goes_on(broker: MockBroker) -> None:
    kafka = KafkaSettings(bootstrap=broker.bootstrap)
    log = KafkaLog(kafka)
    await log.append(TOPIC, key=b"k", value=b"v")
    broker.spoil_fetch(*REFUSALS)
    states: list[bool] = []
    source = KafkaWorkSource(kafka, TOPIC, "g", 1, on_state=lambda is_ok, _detail: states.append(is_ok))
    async with asyncio.timeout(LIMIT_S):
        work = await anext(source.items())
    work.done()
    await source.stop()
    await log.close()
    assert states == [False, True]
