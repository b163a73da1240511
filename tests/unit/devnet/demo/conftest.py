"""A devnet on paper: where its servers would answer."""

from pathlib import Path

import msgspec
import pytest

from streams.devnet.contracts import Deployment
from streams.devnet.object_store import Credentials
from streams.devnet.stack import Stack

URL = "postgresql://me:secret@127.0.0.1:5433/cipherstream"


@pytest.fixture
def servers(tmp_path: Path) -> Stack:
    return Stack(
        state_dir=tmp_path,
        kafka_bootstrap="127.0.0.1:9092",
        postgres_url=URL,
        postgres_sender_url=URL.replace("me:", "sender:"),
        s3_endpoint="http://127.0.0.1:7070",
        s3_region="us-east-1",
        s3_bucket="ciphertexts",
        s3_credentials=Credentials("devnet", "hush"),
        host_chain_id=12345,
        host_http_url="http://127.0.0.1:8545",
        host_ws_url="ws://127.0.0.1:8545",
        gateway_chain_id=54321,
        gateway_http_url="http://127.0.0.1:8546",
        gateway_ws_url="ws://127.0.0.1:8546",
    )


@pytest.fixture
def deployment() -> Deployment:
    numbers = {"host_chain_id": 12345, "gateway_chain_id": 54321}
    names = [field.name for field in msgspec.structs.fields(Deployment) if field.name not in numbers]
    return Deployment(**numbers, **dict.fromkeys(names, b"\x01" * 20))
