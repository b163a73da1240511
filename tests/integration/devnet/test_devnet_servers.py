"""Each server of a running devnet answers its real client."""

import asyncpg
import httpx
import pytest
from botocore.exceptions import ClientError
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from devnet_clients import consume, create_topic, object_url, produce, rpc, s3_client

from streams.devnet import object_store
from streams.devnet.stack import PARTS, Stack, start, status

pytestmark = pytest.mark.stack


def test_records_go_through_the_broker(stack: Stack, fresh: str) -> None:
    create_topic(stack, fresh)
    produce(stack, fresh, b"one", b"two")
    assert consume(stack, fresh, 2) == [b"one", b"two"]


def test_the_broker_makes_no_topic_by_itself(stack: Stack, fresh: str) -> None:
    producer = Producer({"bootstrap.servers": stack.kafka_bootstrap, "allow.auto.create.topics": True})
    assert producer.list_topics(fresh, timeout=30).topics[fresh].error is not None
    assert fresh not in producer.list_topics(timeout=30).topics


def test_group_members_are_moved_quickly(stack: Stack) -> None:
    admin = AdminClient({"bootstrap.servers": stack.kafka_bootstrap})
    broker = ConfigResource(ResourceType.BROKER, "1")
    settings = admin.describe_configs([broker])[broker].result(30)
    assert settings["group.initial.rebalance.delay.ms"].value == "0"
    assert settings["group.consumer.heartbeat.interval.ms"].value == "500"


async def test_the_database_answers_and_refuses_a_wrong_password(stack: Stack) -> None:
    connection = await asyncpg.connect(stack.postgres_url)
    version = await connection.fetchval("show server_version_num")
    assert await connection.fetchval("select current_database()") == "cipherstream"
    await connection.close()
    assert int(version) >= 180_000
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(stack.postgres_url, password="guessed")


def test_signed_writes_and_reads_keep_bytes_and_metadata(stack: Stack, fresh: str) -> None:
    client = s3_client(stack)
    client.put_object(Bucket=stack.s3_bucket, Key=fresh, Body=b"bytes", Metadata={"format": "11"})
    found = client.get_object(Bucket=stack.s3_bucket, Key=fresh)
    assert found["Body"].read() == b"bytes"
    assert found["Metadata"] == {"format": "11"}


def test_an_object_is_readable_without_credentials(stack: Stack, fresh: str) -> None:
    s3_client(stack).put_object(Bucket=stack.s3_bucket, Key=f"a/{fresh}", Body=b"public", Metadata={"m": "1"})
    reply = httpx.get(object_url(stack, f"a/{fresh}"), trust_env=False)
    assert (reply.status_code, reply.content) == (200, b"public")
    assert reply.headers["x-amz-meta-m"] == "1"
    assert httpx.head(object_url(stack, f"a/{fresh}"), trust_env=False).status_code == 200
    assert httpx.get(object_url(stack, f"b/{fresh}"), trust_env=False).status_code in {403, 404}


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_nothing_is_written_without_credentials(stack: Stack, fresh: str, method: str) -> None:
    client = s3_client(stack)
    client.put_object(Bucket=stack.s3_bucket, Key=fresh, Body=b"ours")
    for key in (fresh, f"{fresh}-new"):
        assert httpx.request(method, object_url(stack, key), trust_env=False).status_code == 403
    assert client.get_object(Bucket=stack.s3_bucket, Key=fresh)["Body"].read() == b"ours"
    assert client.list_objects_v2(Bucket=stack.s3_bucket, Prefix=fresh)["KeyCount"] == 1


def test_the_bucket_is_not_listed_without_credentials(stack: Stack) -> None:
    assert httpx.get(f"{stack.s3_endpoint}/{stack.s3_bucket}", trust_env=False).status_code == 403


def test_a_wrong_key_is_refused(stack: Stack, fresh: str) -> None:
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        s3_client(stack, "guessed").put_object(Bucket=stack.s3_bucket, Key=fresh, Body=b"evil")


def test_another_bucket_can_be_made_public_again_and_again(stack: Stack, fresh: str) -> None:
    for _ in range(2):
        object_store.publish(stack.s3_endpoint, stack.s3_credentials, fresh)
    s3_client(stack).put_object(Bucket=fresh, Key="key", Body=b"public")
    assert httpx.get(f"{stack.s3_endpoint}/{fresh}/key", trust_env=False).content == b"public"


def test_the_chains_answer_with_their_ids(stack: Stack) -> None:
    assert int(rpc(stack.host_http_url, "eth_chainId"), 16) == stack.host_chain_id == 12345
    assert int(rpc(stack.gateway_http_url, "eth_chainId"), 16) == stack.gateway_chain_id == 54321


def test_blocks_are_final_two_behind_the_head(stack: Stack) -> None:
    rpc(stack.gateway_http_url, "anvil_mine", "0x5")
    head = int(rpc(stack.gateway_http_url, "eth_blockNumber"), 16)
    final = rpc(stack.gateway_http_url, "eth_getBlockByNumber", "finalized", False)
    assert int(final["number"], 16) == head - 2


def test_the_status_names_every_server(stack: Stack) -> None:
    parts = status(stack.state_dir)
    assert tuple(part.name for part in parts) == PARTS
    assert all(part.is_running and part.port and part.log.exists() for part in parts)


async def test_starting_a_running_devnet_changes_nothing(stack: Stack) -> None:
    before = status(stack.state_dir)
    assert await start(stack.state_dir) == stack
    assert status(stack.state_dir) == before
