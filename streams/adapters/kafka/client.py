"""What every client of the broker has in common: settings, errors, headers."""

from typing import Any, Final

import structlog
from confluent_kafka import KafkaError, KafkaException, Message

from streams.domain.errors import BrokerError
from streams.ports import Headers, Record
from streams.settings import KafkaSettings

_log = structlog.get_logger(__name__)
REQUEST_TIMEOUT_S: Final = 10.0  # of one question to the broker that is not a produce or a fetch


def configuration(kafka: KafkaSettings, **more: Any) -> dict[str, Any]:
    """Configuration of a librdkafka client; `security` may hold any of its properties."""
    return {
        "bootstrap.servers": kafka.bootstrap,
        "log_level": 2,  # lost connections come through error_cb and would be told twice
        "error_cb": _on_error,
        "reconnect.backoff.max.ms": 2_000,
        "socket.nagle.disable": True,  # or a small request waits for the answer to the one before
        "topic.metadata.propagation.max.ms": 5_000,
        **kafka.properties(),
        **more,
    }


def broker_error(action: str, error: KafkaError | KafkaException) -> BrokerError:
    """The error of the tree for one of the client library."""
    cause = error.args[0] if isinstance(error, KafkaException) and error.args else error
    text = cause.str() if isinstance(cause, KafkaError) else str(cause)
    return BrokerError(f"{action}: {text}")


def as_record(message: Message, topic: str) -> Record:
    """A fetched message under its topic's name without prefix."""
    partition, offset = message.partition(), message.offset()
    if partition is None or offset is None:
        raise BrokerError(f"a record of {topic} came without its place")
    return Record(
        topic=topic,
        partition=partition,
        offset=offset,
        key=message.key(),
        value=message.value(),
        headers=_headers(message),
        timestamp_ms=max(message.timestamp()[1], 0),
    )


def _headers(message: Message) -> Headers:
    headers = message.headers()
    if not headers:
        return ()
    pairs = headers.items() if isinstance(headers, dict) else headers
    return tuple((name, _bytes(value)) for name, value in pairs)


def _bytes(value: str | bytes | None) -> bytes:
    if value is None:
        return b""
    return value.encode() if isinstance(value, str) else value


def _on_error(error: KafkaError) -> None:
    _log.warning(
        "the broker client reports an error", action="broker_error", error=error.str(), code=error.name()
    )
