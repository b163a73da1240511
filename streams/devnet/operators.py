"""Several operators on one devnet: one broker, one Postgres, one object store, one gateway.

Each has what an operator has to itself: topics and groups under a prefix, a database, a bucket, keys to send
and to sign with, a settings file. `c1` is the first.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from streams.adapters.ethereum.chain import ANYTHING, hex_text
from streams.devnet import chain_client, contracts, object_store, postgres, stack
from streams.devnet import up as devnet
from streams.devnet.stack import Stack
from streams.devnet.state import State
from streams.domain.errors import ConfigurationError
from streams.domain.gateway_events import Coprocessor

OPERATORS_MAX: Final = 5
# Short, so that one sees what is late; a network of machines needs the defaults.
GRACE_S: Final = 4

_MONEY: Final = 10**21  # wei; the node gives some to its first ten accounts only


class Operator(msgspec.Struct, frozen=True):
    """One of them: its number from 0, its folder, the servers as it sees them."""

    number: int
    state: State
    servers: Stack

    @property
    def name(self) -> str:
        """Of its folder, its database and its bucket; with a separator, prefix of topics and processes."""
        return f"c{self.number + 1}"

    @property
    def prefix(self) -> str:
        return f"{self.name}."


def majority(count: int) -> int:
    """How many equal answers the devnet's gateway asks for."""
    return count // 2 + 1


async def up(state: State, count: int, *, engine: str = "clear") -> tuple[Stack, tuple[Operator, ...]]:
    """Start the servers and make everything that these operators need but their services.

    Raises: ConfigurationError; Fatal with what could not be started.
    """
    if not 2 <= count <= OPERATORS_MAX:
        raise ConfigurationError(f"a devnet has 2 to {OPERATORS_MAX} coprocessors where it has several")
    servers = await stack.start(state.root)
    operators = tuple(describe(state, servers, number) for number in range(count))
    await _fund(servers, count)
    deployment, _ = await asyncio.gather(
        devnet.deploy(servers, devnet.BLOCK_TIME_S, network(servers, operators)),
        asyncio.gather(*map(_prepare, operators)),
    )
    state.write_deployment(deployment)
    for operator in operators:
        write_settings(operator, deployment, engine)
    return servers, operators


def network(servers: Stack, operators: Sequence[Operator]) -> contracts.Network:
    """All of them registered, and a majority decides."""
    accounts = chain_client.dev_accounts(coprocessors=len(operators))
    registered = tuple(
        Coprocessor(
            tx_sender=accounts.coprocessor_senders[operator.number].address,
            signer=accounts.coprocessor_signers[operator.number].address,
            bucket_url=devnet.bucket_url(operator.servers),
        )
        for operator in operators
    )
    threshold = majority(len(operators))
    return contracts.Network(coprocessors=registered, threshold=threshold, kms_signer=accounts.kms.address)


def describe(state: State, servers: Stack, number: int) -> Operator:
    """The operator of that number from 0, whether it was set up or not."""
    name = f"c{number + 1}"
    own = msgspec.structs.replace(
        servers,
        postgres_url=postgres.at_database(servers.postgres_url, name),
        postgres_sender_url=postgres.at_database(servers.postgres_sender_url, name),
        s3_bucket=f"{servers.s3_bucket}-{name}",
    )
    return Operator(number, State(state.root / "operators" / name), own)


async def _fund(servers: Stack, count: int) -> None:
    senders = chain_client.dev_accounts(coprocessors=count).coprocessor_senders
    async with devnet.chain_at(servers.gateway_http_url) as gateway:
        for sender in senders:
            money = (hex_text(sender.address), hex(_MONEY))
            await gateway.rpc.call("anvil_setBalance", money, ANYTHING)


async def _prepare(operator: Operator) -> None:
    servers = operator.servers
    await postgres.create_database(servers.postgres_url)
    await asyncio.gather(
        devnet.make_tables(servers.postgres_url),
        asyncio.to_thread(devnet.apply_topics, servers.kafka_bootstrap, operator.prefix),
        asyncio.to_thread(
            object_store.publish, servers.s3_endpoint, servers.s3_credentials, servers.s3_bucket
        ),
    )


def write_settings(operator: Operator, deployment: contracts.Deployment, engine: str) -> None:
    """Its settings file and its private keys."""
    devnet.write_secrets(operator.state, operator.servers, operator.number)
    tables = dict(devnet.settings_of(operator.state, operator.servers, deployment, engine, operator.number))
    changes: dict[str, dict[str, str | int]] = {
        "kafka": {"prefix": operator.prefix},
        "gateway": {"drift_post_consensus_grace_s": GRACE_S},
    }
    for section, values in changes.items():
        table = tables[section]
        assert not isinstance(table, Sequence)
        tables[section] = {**table, **values}
    operator.state.write_settings(tables)
