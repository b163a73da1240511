"""Facts of the measured tenant onto the log, as a listener publishes them."""

from typing import Final

from streams.adapters.kafka.log import KafkaLog
from streams.bench import traffic
from streams.domain.facts import Fact, HostBlock, KeyActivated, host_event_id
from streams.services.listener.publish import Publisher

KEY_ID: Final = b"k" * 32


def event_id(fact: Fact) -> str:
    """The identity that a listener gives the fact."""
    return host_event_id(fact.chain_id, fact.hash) if isinstance(fact, HostBlock) else "key/bench"


async def publish(log: KafkaLog, *facts: Fact) -> None:
    """Append facts in order, each acknowledged before the next."""
    publisher = Publisher(log, "listener")
    for fact in facts:
        await publisher.publish(traffic.TENANT, fact, event_id(fact))


def activation(digest: bytes) -> KeyActivated:
    """The key set that all operations use."""
    return KeyActivated(key_id=KEY_ID, digest=digest, engine="clear", release="clear 1")
