"""Clients of the servers, and a look at what runs."""

from pathlib import Path
from typing import Any

import boto3
import httpx
from botocore.config import Config
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from streams.devnet import postgres
from streams.devnet.stack import Stack

_WAIT_S = 30


def s3_client(stack: Stack, secret_key: str | None = None) -> Any:
    """A client that signs, with the right key unless another one is given."""
    return boto3.client(
        "s3",
        endpoint_url=stack.s3_endpoint,
        region_name=stack.s3_region,
        aws_access_key_id=stack.s3_credentials.access_key,
        aws_secret_access_key=secret_key or stack.s3_credentials.secret_key,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )


def object_url(stack: Stack, key: str) -> str:
    return f"{stack.s3_endpoint}/{stack.s3_bucket}/{key}"


def create_topic(stack: Stack, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": stack.kafka_bootstrap})
    for done in admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)]).values():
        done.result(_WAIT_S)


def produce(stack: Stack, topic: str, *values: bytes) -> None:
    producer = Producer({"bootstrap.servers": stack.kafka_bootstrap})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(_WAIT_S) == 0


def consume(stack: Stack, topic: str, count: int) -> list[bytes | None]:
    """The first records of a topic, read as a member of a new group."""
    config = {"bootstrap.servers": stack.kafka_bootstrap, "group.id": topic, "auto.offset.reset": "earliest"}
    consumer = Consumer(config)
    try:
        consumer.subscribe([topic])
        return [message.value() for message in consumer.consume(count, timeout=_WAIT_S)]
    finally:
        consumer.close()


def rpc(url: str, method: str, *params: Any) -> Any:
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    reply = httpx.post(url, json=request, trust_env=False).json()
    assert "error" not in reply, reply
    return reply["result"]


def processes_of(state_dir: Path) -> list[str]:
    """The command lines of all processes of this machine that belong to a devnet.

    They are known by anything but its own records: arguments, environment and working directory.
    """
    marks = (str(state_dir), str(postgres.existing_home(state_dir)))
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            environment = (entry / "environ").read_bytes().decode(errors="replace")
            where = str((entry / "cwd").readlink())
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if any(mark in text for mark in marks for text in (command, environment, where)):
            found.append(command)
    return found
