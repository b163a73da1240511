"""What is answered about a topic when the broker misbehaves."""

from confluent_kafka import KafkaError
from mock_broker import mock_broker

from streams.adapters.kafka.metadata import KafkaMetadata
from streams.settings import KafkaSettings

TOPIC = "t.v1"


async def test_bounds_whose_question_died_with_its_connection_are_asked_for_again() -> None:
    with mock_broker() as broker:
        broker.create_topic(TOPIC, 1)
        metadata = KafkaMetadata(KafkaSettings(bootstrap=broker.bootstrap))
        assert await metadata.bounds(TOPIC, 0) == (0, 0)
        broker.spoil_list_offsets(KafkaError._TRANSPORT, KafkaError._TRANSPORT)
        assert await metadata.bounds(TOPIC, 0) == (0, 0)
