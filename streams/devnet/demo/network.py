"""Several coprocessors as the demonstration has them: their services, and what each of them knows."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from typing import Final

import httpx
import msgspec
from pydantic import SecretStr

from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.ethereum.rpc import RpcClient
from streams.adapters.kafka.log import KafkaLog
from streams.adapters.postgres import pool
from streams.adapters.postgres.progress import Progress, Standing
from streams.adapters.system import SystemEntropy
from streams.devnet import activation, chain_client
from streams.devnet.activation import DevnetKeys
from streams.devnet.chain_client import DevAccounts, poll
from streams.devnet.client import open_encryptor
from streams.devnet.demo.fleet import Fleet
from streams.devnet.demo.stages import SERVICES
from streams.devnet.demo.traffic import Chains, Traffic
from streams.devnet.operators import Operator
from streams.devnet.stack import Stack
from streams.devnet.state import State
from streams.domain.errors import Fatal, RpcError
from streams.domain.facts import host_tenant
from streams.domain.results import Result, encode_result
from streams.fhe.keyset import EngineName, KeyStore, keys_of
from streams.fhe.suite import Encryptor
from streams.messages.topics import RESULTS
from streams.settings import KafkaSettings, PostgresSettings

STEP_TIMEOUT_S: Final = 600.0
ALL: Final = tuple(name for names in SERVICES.values() for name in names)
_LOOK_S: Final = 0.25


class Member(msgspec.Struct, frozen=True):
    """One coprocessor."""

    operator: Operator
    fleet: Fleet
    progress: Progress
    sender: bytes  # its address on the gateway

    @property
    def name(self) -> str:
        return self.operator.name

    async def start(self, services: Sequence[str] = ALL) -> None:
        """Start these services and wait until they are healthy; raises ChildDied, NotReady."""
        self.fleet.launch(services)
        await self.fleet.until_all_healthy(self.operator.prefix + service for service in services)

    async def hear(self, tenant: str, results: Iterable[Result]) -> None:
        """Give its graph these results, as workers of its own would; raises BrokerError."""
        servers = self.operator.servers
        log = KafkaLog(KafkaSettings(bootstrap=servers.kafka_bootstrap, prefix=self.operator.prefix))
        try:
            for result in results:
                await log.append(RESULTS, key=tenant.encode(), value=encode_result(result))
        finally:
            await log.close()

    async def metric(self, metric: str) -> float:
        """What its graph service says."""
        return await self.fleet.metric(f"{self.operator.prefix}graph", metric)


class Network(msgspec.Struct, frozen=True):
    """All of them, the chains and everybody else's traffic."""

    members: tuple[Member, ...]
    chains: Chains
    traffic: Traffic
    keys: DevnetKeys
    encryptor: Encryptor

    @property
    def tenant(self) -> str:
        """Everybody's name for the host chain's contracts."""
        return host_tenant(self.chains.deployment.host_chain_id, self.chains.deployment.acl)

    async def until(self, says: Callable[[Member], Awaitable[bool]], members: Iterable[Member]) -> None:
        """Wait until each of these members says so; raises Fatal when a service dies or time is over."""
        for member in members:
            await self._until(member, says)

    async def _until(self, member: Member, says: Callable[[Member], Awaitable[bool]]) -> None:
        async def ask() -> bool | None:
            for other in self.members:
                other.fleet.require_alive()
            return True if await says(member) else None

        try:
            await poll(ask, timeout_s=STEP_TIMEOUT_S, every_s=_LOOK_S)
        except RpcError as error:
            raise Fatal(f"{member.name} does not come to it within {STEP_TIMEOUT_S:g} s") from error

    async def until_standing(
        self, handles: Sequence[bytes], is_right: Callable[[Standing], bool], members: Iterable[Member]
    ) -> None:
        """Wait until the detectors of these members say so of every handle; raises Fatal."""

        async def says(member: Member) -> bool:
            found = await member.progress.drift(handles)
            return len(found) == len(handles) and all(map(is_right, found.values()))

        await self.until(says, members)


@contextlib.asynccontextmanager
async def opened(
    state: State, servers: Stack, operators: Sequence[Operator], engine: EngineName
) -> AsyncGenerator[Network]:
    """The network over servers that run: keys made and activated, no service started yet."""
    accounts = chain_client.dev_accounts(coprocessors=len(operators))
    store, entropy = KeyStore(), SystemEntropy()
    seed = activation.machine_seed(entropy)
    await asyncio.to_thread(activation.generate, state, keys_of(engine), seed, store)
    keys = await activation.activate(state, servers, store)
    files = await asyncio.to_thread(store.derive, keys.keyset_digest)
    async with (
        RpcClient(servers.host_http_url) as host,
        RpcClient(servers.gateway_http_url) as gateway,
        httpx.AsyncClient(trust_env=False) as http,
        contextlib.AsyncExitStack() as closing,
    ):
        chains = Chains(EthereumChain(host), EthereumChain(gateway), state.deployment())
        members = [await _member(state, operator, accounts, http, closing) for operator in operators]
        yield Network(
            members=tuple(members),
            chains=chains,
            traffic=Traffic(chains, accounts),
            keys=keys,
            encryptor=open_encryptor(keys_of(engine), files, store.crs(keys.crs_digest), entropy),
        )


async def _member(
    state: State,
    operator: Operator,
    accounts: DevAccounts,
    http: httpx.AsyncClient,
    closing: contextlib.AsyncExitStack,
) -> Member:
    connections = await pool.open_pool(PostgresSettings(url=SecretStr(operator.servers.postgres_url)), 1)
    closing.push_async_callback(connections.close)
    return Member(
        operator=operator,
        fleet=Fleet(operator.state, http, state.root, operator.prefix),
        progress=Progress(connections),
        sender=accounts.coprocessor_senders[operator.number].address,
    )
