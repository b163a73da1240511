"""Facts of the measured tenant onto the log, as a listener publishes them."""

from typing import Final

from streams.adapters.kafka.log import KafkaLog
from streams.bench import traffic
from streams.domain.facts import (
    Fact,
    GatewayRange,
    HostBlock,
    KeyActivated,
    gateway_event_id,
    host_event_id,
)
from streams.services.listener.publish import Publisher

KEY_ID: Final = b"k" * 32


def event_id(fact: Fact) -> str:
    """The identity that a listener gives the fact."""
    match fact:
        case HostBlock():
            return host_event_id(fact.chain_id, fact.hash)
        case GatewayRange():
            return gateway_event_id(fact.chain_id, traffic.TENANT, fact.from_block, fact.to_hash)
        case _:
            return "key/bench"


async def publish(log: KafkaLog, *facts: Fact) -> None:
    """Append facts in order, each acknowledged before the next."""
    publisher = Publisher(log, "listener")
    for fact in facts:
        await publisher.publish(traffic.TENANT, fact, event_id(fact))


def activation(digest: bytes) -> KeyActivated:
    """The key set that all operations use."""
    return KeyActivated(key_id=KEY_ID, digest=digest, engine="clear", release="clear 1")
