"""Whether what the settings name can be reached from here and is as this version needs it."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx
from confluent_kafka import KafkaException

from streams.commands.machine import Need
from streams.domain.errors import BrokerError, CipherstreamError, ConfigurationError, ForeignRelease, RpcError
from streams.settings import (
    EngineSettings,
    GatewaySettings,
    HostChainSettings,
    KafkaSettings,
    ObjectStoreSettings,
    PostgresSettings,
    Settings,
)

if TYPE_CHECKING:
    from streams.adapters.ethereum.chain import EthereumChain

_TIMEOUT_S: Final = 5.0


def are_given(file: Path | None) -> bool:
    """Whether anybody has set anything."""
    variables = (name for name in os.environ if name.startswith("CIPHERSTREAM_"))
    return file is not None or "DATABASE_URL" in os.environ or any("__" in name for name in variables)


async def needs(settings: Settings) -> Sequence[Need]:
    """Every dependency of the services, asked side by side; none of the answers holds a secret."""
    checks: list[Coroutine[Any, Any, Need]] = [
        asyncio.to_thread(_broker, settings.kafka),
        _database(settings.postgres),
        _objects(settings.object_store),
        *(
            _node(f"host chain {host.id}", host.http_url, host.id, _contracts(host))
            for host in settings.host_chain
        ),
    ]
    if settings.gateway.http_url:
        checks.append(_gateway(settings.gateway))
    found = await asyncio.gather(*checks)
    return (*found, _device(settings.engine), *_keys(settings))


def _device(engine: EngineSettings) -> Need:
    """What tfhe-worker and sns-worker compute on; of GPUs nothing is asked but whether they would do."""
    from streams.fhe.device_choice import device_of
    from streams.fhe.devices import concrete_runtime
    from streams.fhe.devices.cuda import cupy_gpu

    use = "operations and squashing"
    looks: dict[str, Callable[[], object]] = {
        "cuda": cupy_gpu.fleet,
        "concrete": concrete_runtime.installed,
    }
    try:
        device = device_of(engine.name, engine.device, gpu_enabled=engine.gpu_enabled)
        if device in looks:
            looks[device]()
    except ConfigurationError as error:
        return _missing("device", use, error, "or set [engine] device to auto")
    return Need(name="device", is_here=True, use=use, found=device)


def _broker(kafka: KafkaSettings) -> Need:
    from streams.adapters.kafka import declaration, topics

    use = "facts, results, work"
    try:
        topics.require_topics(topics.connect(kafka), declaration.load().topics, kafka.prefix)
    except (BrokerError, KafkaException) as error:  # of properties that the library does not know
        return _missing("broker", use, error, "start Kafka, or set [kafka] bootstrap and security")
    except ConfigurationError as error:
        return _missing("topics", use, error, "see [kafka] prefix")
    return Need(name="broker", is_here=True, use=use, found="topics as declared")


async def _database(postgres: PostgresSettings) -> Need:
    from streams.adapters.postgres import migrate, pool

    use, connections = "the graph's state", None
    try:
        connections = await pool.open_pool(postgres, 1)
        await migrate.check(connections)
    except ConfigurationError as error:
        return _missing("database", use, error, "see [postgres] url and schema")
    except CipherstreamError as error:
        return _missing("database", use, error, "start Postgres, or set [postgres] url")
    finally:
        if connections is not None:
            connections.terminate()  # nothing is under way
    return Need(name="database", is_here=True, use=use, found="migrated")


async def _objects(store: ObjectStoreSettings) -> Need:
    """Any answer will do: what may be read or written is told by the workers' health."""
    use, url = "ciphertexts", store.endpoint or store.public_url
    if not url:
        return Need(
            name="object store", is_here=True, use=use, found="no endpoint is set: the provider's own"
        )
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False) as http:
            await http.get(url)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        why = ConfigurationError(type(error).__name__)  # its text may hold the address
        return _missing("object store", use, why, "start it, or set [object_store] endpoint")
    return Need(name="object store", is_here=True, use=use, found="answers")


def _contracts(host: HostChainSettings) -> dict[str, str | None]:
    """What the settings name on a host chain, by setting."""
    return {
        "acl_address": host.acl_address,
        "executor_address": host.executor_address,
        "input_verifier_address": host.input_verifier_address,
        "kms_generation_address": host.kms_generation_address,
        "bridge_address": host.bridge_address,
    }


async def _node(name: str, url: str, chain_id: int, contracts: Mapping[str, str | None]) -> Need:
    from streams.adapters.ethereum.chain import EthereumChain
    from streams.adapters.ethereum.rpc import RpcClient

    use = "events and calls"
    try:
        async with RpcClient(url, timeout_s=_TIMEOUT_S, attempts=1) as rpc:
            node = EthereumChain(rpc)
            found = await node.chain_id()
            empty = [setting for setting, address in contracts.items() if not await _is_there(node, address)]
    except (RpcError, httpx.InvalidURL) as error:
        return _missing(name, use, error, "start the node, or set its http_url")
    if found != chain_id:
        why = ConfigurationError(f"the node is of chain {found}")
        return _missing(name, use, why, "set its http_url, or its id")
    if empty:
        why = ConfigurationError(f"no contract at {', '.join(empty)}")
        return _missing(name, use, why, "set the addresses of its contracts")
    return Need(name=name, is_here=True, use=use, found="answers")


async def _is_there(node: "EthereumChain", address: str | None) -> bool:
    """Whether an address that is set has code."""
    return address is None or bool(await node.code(bytes.fromhex(address.removeprefix("0x"))))


async def _gateway(gateway: GatewaySettings) -> Need:
    from streams.adapters.ethereum.chain import EthereumChain
    from streams.adapters.ethereum.releases import require_spoken
    from streams.adapters.ethereum.rpc import RpcClient

    contracts = {"decryption_address": gateway.decryption_address}  # the others tell their release
    found = await _node("gateway", gateway.http_url, gateway.chain_id, contracts)
    if not found.is_here:
        return found
    try:
        async with RpcClient(gateway.http_url, timeout_s=_TIMEOUT_S, attempts=1) as rpc:
            await require_spoken(EthereumChain(rpc), gateway)
    except (RpcError, ForeignRelease) as error:
        return _missing("gateway", found.use, error, "set its contracts' addresses, or run another release")
    return found


def _keys(settings: Settings) -> Sequence[Need]:
    """Private keys that are named: whether this user may read them, nothing else."""
    named = {
        "sender's key": settings.sender.private_key_file,
        "signer's key": settings.signer.private_key_file,
    }
    return tuple(
        Need(
            name=name,
            is_here=file.is_file() and os.access(file, os.R_OK),
            use="calls and attestations",
            remedy=f"a file {file} that this user may read",
        )
        for name, file in named.items()
        if file is not None
    )


def _missing(name: str, use: str, error: Exception, remedy: str) -> Need:
    return Need(name=name, is_here=False, use=use, found=str(error), remedy=remedy)
