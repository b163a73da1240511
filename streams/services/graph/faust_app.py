"""The Faust application without our logic: its settings, its one topic, its events as records."""

import getpass
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import faust
from faust.app.base import BootStrategy
from faust.types import TP
from faust.types.auth import AUTH_PROTOCOLS_SASL, AUTH_PROTOCOLS_SSL, AuthProtocol

from streams.domain.errors import ConfigurationError
from streams.messages.topics import EVENTS
from streams.ports import Record
from streams.services.graph import commit_cap
from streams.settings import KafkaSettings

# The comments give the reasons for the odd ones; what each is for, Faust's own reference tells.
_OPTIONS: Final[Mapping[str, Any]] = {
    "broker_max_poll_interval": 31_536_000.0,  # local to the client; one that exceeds it never comes back
    "broker_rebalance_timeout": 60.0,
    "broker_max_poll_records": 12,  # at most a fifth of the buffer, or a slow shard starves the others
    "stream_buffer_maxsize": 64,
    "stream_wait_empty": False,  # acknowledgement is by hand, so a cancelled event comes back
    "broker_commit_interval": 1.0,
    "stream_processing_timeout": 60.0,
    "broker_commit_livelock_soft_timeout": 60.0,
    "producer_request_timeout": 30.0,
    "producer_compression_type": "lz4",
    "topic_allow_declare": False,  # topics.yaml owns topics
    "topic_disable_leader": True,
    "processing_guarantee": "at_least_once",
    "consumer_auto_offset_reset": "earliest",
    "worker_redirect_stdouts": False,
    "key_serializer": "raw",
    "value_serializer": "raw",
}
_ACKS: Final = -1  # all in-sync replicas
# Faust makes this folder, for tables that we do not have; one per user, who alone may write there.
_DATA: Final = Path(tempfile.gettempdir()) / f"cipherstream-faust-{getpass.getuser()}"


class _Boot(BootStrategy):
    """The service has its own HTTP side door, so Faust's is off, whatever its command line says."""

    enable_web = False


class GraphApp(faust.App):
    """Faust's app with our boot strategy."""

    BootStrategy = _Boot


_HEARTBEAT_S: Final = 3.0
_BEATS_OF_SESSION: Final = 4  # as many may be lost but one


def make_app(kafka: KafkaSettings) -> Any:
    """An app that shares the group `graph` of the deployment."""
    # before the app makes a consumer
    commit_cap.install()
    brokers = ";".join(f"kafka://{server.strip()}" for server in kafka.bootstrap.split(","))
    credentials = {} if not kafka.security else {"broker_credentials": _credentials(kafka.properties())}
    silence: dict[str, Any] = {
        "broker_session_timeout": kafka.session_timeout_s,
        "broker_heartbeat_interval": min(_HEARTBEAT_S, kafka.session_timeout_s / _BEATS_OF_SESSION),
    }
    options = {**_OPTIONS, **silence, **credentials}
    return GraphApp(f"{kafka.prefix}graph", broker=brokers, producer_acks=_ACKS, datadir=_DATA, **options)


def events_topic(app: Any, kafka: KafkaSettings) -> Any:
    """events.v1 as bytes."""
    raw: dict[str, Any] = {"key_serializer": "raw", "value_serializer": "raw"}
    return app.topic(kafka.prefix + EVENTS, key_type=bytes, value_type=bytes, **raw)


def as_record(message: Any) -> Record:
    """A message of events.v1 as a record under its name without prefix."""
    headers = cast(Any, message.headers or ())
    pairs = headers.items() if hasattr(headers, "items") else headers
    return Record(
        topic=EVENTS,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        headers=tuple((_text(name), bytes(value or b"")) for name, value in pairs),
        timestamp_ms=int((message.timestamp or 0) * 1000),
    )


def _text(name: str) -> str:
    """A header's name as the store can hold it, should the record have to be kept."""
    return name.replace("\0", "\ufffd")


class FaustFeed:
    """Faust's consumer, as the owners need it."""

    def __init__(self, app: Any, kafka: KafkaSettings) -> None:
        self._app = app
        self._topic = kafka.prefix + EVENTS

    def assigned(self) -> set[int]:
        """Partitions of events.v1 that this worker has now."""
        return {tp.partition for tp in self._app.assignor.assigned_actives() if tp.topic == self._topic}

    async def seek(self, shard: int, offset: int) -> None:
        """Read the shard's events again from there."""
        await self._app.consumer.seek(TP(self._topic, shard), offset)

    def end(self, shard: int) -> int | None:
        """Offset after the last event that the broker has, as far as the consumer knows."""
        return cast("int | None", self._app.consumer.highwater(TP(self._topic, shard)))


def _credentials(security: Mapping[str, str]) -> Any:
    """Faust's credentials from librdkafka's properties; raises ConfigurationError for other methods."""
    protocol = AuthProtocol(security.get("security.protocol", "PLAINTEXT").upper())
    context = ssl.create_default_context(cafile=security.get("ssl.ca.location"))
    if protocol in AUTH_PROTOCOLS_SASL:
        return faust.SASLCredentials(
            username=security.get("sasl.username"),
            password=security.get("sasl.password"),
            mechanism=security.get("sasl.mechanism", security.get("sasl.mechanisms", "PLAIN")),
            ssl_context=context if protocol in AUTH_PROTOCOLS_SSL else None,
        )
    if protocol in AUTH_PROTOCOLS_SSL:
        return faust.SSLCredentials(context=context)
    raise ConfigurationError(f"kafka.security: {protocol} takes no other property; set security.protocol")
