"""A devnet that services can be pointed at: servers, contracts, topics, tables, and one settings file."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from streams.adapters.ethereum.chain import ANYTHING, EthereumChain
from streams.adapters.ethereum.rpc import RpcClient
from streams.adapters.kafka import topics
from streams.adapters.postgres import grants, migrate
from streams.devnet import chain_client, contracts, postgres, stack
from streams.devnet.stack import Stack
from streams.devnet.state import State, Table
from streams.domain.gateway_events import Coprocessor
from streams.fhe.keyset import DEVNET_ENGINE
from streams.settings import KafkaSettings

BLOCK_TIME_S: Final = 1
FINALITY_LAG: Final = 2  # blocks; nobody but us mines here
SESSION_TIMEOUT_S: Final = 10  # no network between us and the broker: silence is a death
_POLL_S: Final = 0.25
_HOST_POLL_MS: Final = 1000


async def up(state: State, *, engine: str = DEVNET_ENGINE, block_time_s: int = BLOCK_TIME_S) -> Stack:
    """Start what does not run, put on it what is not there, and write the settings file.

    Raises: Fatal with what could not be started.
    """
    servers = await stack.start(state.root)
    deployment, _, _ = await asyncio.gather(
        deploy(servers, block_time_s, network(servers)),
        asyncio.to_thread(apply_topics, servers.kafka_bootstrap),
        make_tables(servers.postgres_url),
    )
    state.write_deployment(deployment)
    write_secrets(state, servers)
    state.write_settings(settings_of(state, servers, deployment, engine))
    return servers


async def make_tables(url: str, schema: str = "public") -> None:
    """The tables of a deployment, and the sender's role allowed to its own; raises ConfigurationError."""
    await migrate.migrate(url, schema)
    await grants.grant_sender(url, schema, postgres.SENDER)


async def down(state: State, *, delete: bool = False) -> None:
    """Stop every process of the devnet; its data stays unless `delete` is set.

    Raises: ConfigurationError where there is something to delete that no devnet made.
    """
    if delete:
        await stack.remove(state.root)
        return
    state.forget()
    await stack.stop(state.root)


@asynccontextmanager
async def chain_at(url: str) -> AsyncGenerator[EthereumChain]:
    """A client of one chain, closed at the end."""
    async with RpcClient(url) as rpc:
        yield EthereumChain(rpc)


def bucket_url(servers: Stack) -> str:
    """Root URL of the public bucket, as it is registered on the gateway."""
    return f"{servers.s3_endpoint}/{servers.s3_bucket}"


def network(servers: Stack) -> contracts.Network:
    """One operator, whose vote decides."""
    accounts = chain_client.dev_accounts()
    operator = Coprocessor(
        tx_sender=accounts.coprocessor_senders[0].address,
        signer=accounts.coprocessor_signers[0].address,
        bucket_url=bucket_url(servers),
    )
    return contracts.Network(coprocessors=(operator,), threshold=1, kms_signer=accounts.kms.address)


async def deploy(servers: Stack, block_time_s: int, operators: contracts.Network) -> contracts.Deployment:
    """Contracts first, while each transaction is mined at once; then blocks come by the clock."""
    owner = chain_client.dev_accounts().owner
    async with chain_at(servers.host_http_url) as host, chain_at(servers.gateway_http_url) as gateway:
        for chain in (host, gateway):
            await chain.rpc.call("evm_setAutomine", (True,), ANYTHING)
        deployment = await contracts.deploy(host, gateway, owner=owner, network=operators)
        for chain in (host, gateway):
            await chain.rpc.call("evm_setIntervalMining", (block_time_s,), ANYTHING)
    return deployment


def apply_topics(bootstrap: str, prefix: str = "") -> None:
    """The declared topics under a prefix."""
    admin = topics.connect(KafkaSettings(bootstrap=bootstrap))
    topics.apply(admin, topics.plan(admin, prefix), prefix)


def write_secrets(state: State, servers: Stack, operator: int = 0) -> None:
    """The private keys of an operator, and what it writes to the object store with."""
    first = chain_client.OPERATOR_BASE + 2 * operator
    state.write_secret(state.sender_key_file, _secret(first))
    state.write_secret(state.signer_key_file, _secret(first + 1))
    state.write_secret(state.object_store_key_file, servers.s3_credentials.secret_key.encode())


def _secret(index: int) -> bytes:
    return chain_client.dev_secret(index).hex().encode()


def settings_of(
    state: State, servers: Stack, deployment: contracts.Deployment, engine: str, operator: int = 0
) -> Mapping[str, Table | Sequence[Table]]:
    """What a service of this devnet is told."""
    host: Table = {
        "id": servers.host_chain_id,
        "http_url": servers.host_http_url,
        "ws_url": servers.host_ws_url,
        "acl_address": _hex(deployment.acl),
        "executor_address": _hex(deployment.executor),
        "input_verifier_address": _hex(deployment.input_verifier),
        "kms_generation_address": _hex(deployment.kms_generation),
        "finality_lag": FINALITY_LAG,
        "poll_interval_ms": _HOST_POLL_MS,
    }
    gateway: Table = {
        "chain_id": servers.gateway_chain_id,
        "http_url": servers.gateway_http_url,
        "ws_url": servers.gateway_ws_url,
        "input_verification_address": _hex(deployment.input_verification),
        "ciphertext_commits_address": _hex(deployment.ciphertext_commits),
        "gateway_config_address": _hex(deployment.gateway_config),
        "decryption_address": _hex(deployment.decryption),
        "poll_interval_s": _POLL_S,
    }
    object_store: Table = {
        "endpoint": servers.s3_endpoint,
        "region": servers.s3_region,
        "bucket": servers.s3_bucket,
        "access_key": servers.s3_credentials.access_key,
        "secret_key_file": _path(state.object_store_key_file),
        "public_url": bucket_url(servers),
    }
    return {
        "kafka": {"bootstrap": servers.kafka_bootstrap, "session_timeout_s": SESSION_TIMEOUT_S},
        "postgres": {"url": servers.postgres_url},
        "object_store": object_store,
        "host_chain": [host],
        "gateway": gateway,
        "sender": {
            "private_key_file": _path(state.sender_key_file),
            "address": _hex(chain_client.dev_signer(chain_client.OPERATOR_BASE + 2 * operator).address),
            "postgres_url": servers.postgres_sender_url,
        },
        "signer": {"private_key_file": _path(state.signer_key_file)},
        "engine": {"name": engine},
        "devnet": {"chains": [servers.host_chain_id] if engine == "clear" else []},
    }


def _path(path: Path) -> str:
    return str(path.resolve())


def _hex(address: bytes) -> str:
    return f"0x{address.hex()}"
