"""What the producer does when the broker misbehaves."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from confluent_kafka import KafkaError
from mock_broker import MockBroker, mock_broker

from streams.adapters.kafka.delivery import when_stored
from streams.adapters.kafka.producer import KafkaProducer
from streams.domain.errors import BrokerError, Undecodable
from streams.messages import dead_letter
from streams.ports import Position, Record
from streams.settings import KafkaSettings

TOPIC = "t.v1"


@pytest.fixture
def broker() -> Iterator[MockBroker]:
    with mock_broker() as broker:
        broker.create_topic(TOPIC, 1)
        yield broker


@pytest_asyncio.fixture
async def producer(broker: MockBroker) -> AsyncIterator[KafkaProducer]:
    producer = KafkaProducer(KafkaSettings(bootstrap=broker.bootstrap), delivery_timeout_s=2)
    yield producer
    await producer.close()


async def append(producer: KafkaProducer) -> Position:
    return await producer.append(TOPIC, b"k", b"v", (), None)


async def test_a_dead_letter_that_was_cut_is_taken_and_the_whole_one_never_is(
    producer: KafkaProducer,
) -> None:
    record = Record(topic=TOPIC, partition=0, offset=0, key=b"k" * 999, value=bytes(999_000))
    failure = dead_letter.failure_of(record, Undecodable("no"), "graph@1")
    for letter, is_taken in ((record, False), (dead_letter.shortened(record), True)):
        found = dead_letter.dead_letter(letter, failure)
        sent = producer.append(TOPIC, letter.key or b"", letter.value, found, None)
        with contextlib.nullcontext() if is_taken else pytest.raises(BrokerError, match="too large"):
            await sent


async def test_passing_errors_are_waited_out(broker: MockBroker, producer: KafkaProducer) -> None:
    broker.spoil_produce(KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.REQUEST_TIMED_OUT)
    assert await append(producer) == Position(0, 0)


async def test_refusal_is_a_broker_error_of_that_record(broker: MockBroker, producer: KafkaProducer) -> None:
    await append(producer)
    broker.spoil_produce(KafkaError.INVALID_RECORD)
    with pytest.raises(BrokerError, match=r"append to t\.v1"):
        await append(producer)
    assert (await append(producer)).offset == 1


async def test_broker_that_stays_away_is_a_broker_error(broker: MockBroker, producer: KafkaProducer) -> None:
    await append(producer)
    broker.down()
    with pytest.raises(BrokerError):
        await append(producer)
    broker.up()
    await _until_appended(producer)


async def test_lost_session_is_replaced(broker: MockBroker, producer: KafkaProducer) -> None:
    await append(producer)
    broker.spoil_produce(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER)
    reports = await asyncio.gather(*(append(producer) for _ in range(50)), return_exceptions=True)
    assert any(isinstance(report, BrokerError) for report in reports)
    assert all(isinstance(report, BrokerError | Position) for report in reports)
    await _until_appended(producer)


async def test_hook_is_called_for_what_is_stored_before_its_producer_hears(
    broker: MockBroker, producer: KafkaProducer
) -> None:
    appending: asyncio.Future[Position]
    heard: list[bool] = []
    with when_stored(lambda: heard.append(appending.done())):
        appending = asyncio.ensure_future(append(producer))
    assert await appending == Position(0, 0)
    assert heard == [False]
    broker.spoil_produce(KafkaError.INVALID_RECORD)
    with when_stored(lambda: heard.append(True)), pytest.raises(BrokerError):
        await append(producer)
    assert len(heard) == 1


async def test_full_queue_is_waited_for(broker: MockBroker) -> None:
    kafka = KafkaSettings(bootstrap=broker.bootstrap, security={"queue.buffering.max.messages": "10"})
    producer = KafkaProducer(kafka)
    positions = await asyncio.gather(*(append(producer) for _ in range(100)))
    assert {position.offset for position in positions} == set(range(100))
    await producer.close()


async def test_closed_producer_takes_nothing_and_closes_once(producer: KafkaProducer) -> None:
    await producer.close()
    await producer.close()
    with pytest.raises(BrokerError, match="closed"):
        await append(producer)


async def _until_appended(producer: KafkaProducer) -> None:
    """A report that came before the recovery may still be a failure, the next ones are not."""
    for _ in range(20):
        try:
            await append(producer)
        except BrokerError:
            continue
        return
    pytest.fail("the producer does not recover")


async def test_an_end_without_a_broker_gives_up_what_it_has_not_taken(broker: MockBroker) -> None:
    producer = KafkaProducer(KafkaSettings(bootstrap=broker.bootstrap), delivery_timeout_s=3600)
    await append(producer)
    broker.down()
    appending = asyncio.ensure_future(append(producer))
    await asyncio.sleep(0)
    await producer.close()
    with pytest.raises(BrokerError):
        await appending
