"""The stages: each does its part and proves it, by decryption or on the chain."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Final

import httpx
import msgspec

from streams.adapters.ethereum import calls
from streams.adapters.kafka.positions import KafkaPositions
from streams.adapters.postgres.progress import Progress
from streams.devnet import activation, kms
from streams.devnet.chain_client import DevAccounts
from streams.devnet.client import decrypt_stored, open_decryptor, open_encryptor
from streams.devnet.demo import balances, evidence, ledger
from streams.devnet.demo.fleet import Fleet
from streams.devnet.demo.plan import MAIN_JOB, Plan, Stage
from streams.devnet.demo.traffic import Chains, Traffic
from streams.devnet.stack import Stack
from streams.devnet.state import State
from streams.devnet.up import bucket_url
from streams.domain.attestation import object_key_ct64, object_key_ct128
from streams.domain.digest import keccak256
from streams.domain.errors import Fatal
from streams.fhe.keyset import KeyStore, keys_of
from streams.fhe.suite import Encryptor
from streams.ports import Entropy
from streams.settings import KafkaSettings

# Services in the order in which the stages need them.
SERVICES: Final[dict[Stage, tuple[str, ...]]] = {
    Stage.INGEST: ("host-listener", "gw-listener", "graph"),
    Stage.COMPUTE: ("tfhe-worker",),
    Stage.SQUASH: ("sns-worker",),
    Stage.COMMIT: ("transaction-sender",),
    Stage.INPUTS: ("zkproof-worker",),
}
STEP_TIMEOUT_S: Final = 600.0  # in which some work must end
_LOOK_S: Final = 0.25
IN_FLIGHT_MAX: Final = 8  # transfers whose proofs are out at a time
_FORBIDDEN: Final = (401, 403)


class World(msgspec.Struct, frozen=True):
    """What the stages work with."""

    plan: Plan
    script: ledger.Script
    state: State
    servers: Stack
    accounts: DevAccounts
    chains: Chains
    traffic: Traffic
    fleet: Fleet
    progress: Progress
    http: httpx.AsyncClient
    keys: KeyStore
    entropy: Entropy


async def check_devnet(world: World) -> None:
    """Both chains answer with their own numbers, and the gateway knows our operator."""
    chains = world.chains
    found = (await chains.host.chain_id(), await chains.gateway.chain_id())
    if found != (world.servers.host_chain_id, world.servers.gateway_chain_id):
        raise Fatal(f"the chains say that they are {found}")
    signers = await calls.coprocessor_signers(chains.gateway, chains.deployment.gateway_config)
    if world.accounts.coprocessor_signers[0].address not in signers:
        raise Fatal("our operator is not registered on the gateway")


async def check_keys(world: World) -> None:
    """The key set is made and activated, and the bytes in the bucket are those that were activated."""
    seed = activation.machine_seed(world.entropy)
    await asyncio.to_thread(activation.generate, world.state, keys_of(world.plan.engine), seed, world.keys)
    keys = await activation.activate(world.state, world.servers, world.keys)
    url = f"{bucket_url(world.servers)}/PUB/CRS/{keys.crs_id.hex()}"
    response = await world.http.get(url)
    if keccak256(response.content) != keccak256(world.keys.crs(keys.crs_digest).read_bytes()):
        raise Fatal(f"{url} is not what was activated")


async def ingest(world: World) -> None:
    """Mints are mined, and their handles arrive in the graph.

    All services of the run start here, side by side: opening keys takes some of them a while.
    """
    world.fleet.launch(name for stage in world.plan.stages() for name in SERVICES.get(stage, ()))
    await _ready(world, Stage.INGEST)
    for mint in world.script.mints:
        await world.traffic.mint(mint)
    handles = await world.traffic.allowed_handles()
    await until(world, lambda: _known(world, handles))


async def compute(world: World) -> None:
    """Every allowed handle of the mints has a ciphertext, and that of the supply decrypts to the sum."""
    await _ready(world, Stage.COMPUTE)
    handles = await world.traffic.allowed_handles()
    await until(world, lambda: _computed(world, handles))
    supply = (await world.traffic.balance_handles())[-1]
    ct64 = await world.progress.ciphertext(supply)
    _require_supply(world, "computed", await asyncio.to_thread(_decrypted, world, ct64, supply[30]))


async def squash(world: World) -> None:
    """Every allowed handle of the mints is squashed, and the squashed supply decrypts to the sum."""
    await _ready(world, Stage.SQUASH)
    handles = await world.traffic.allowed_handles()
    await until(world, lambda: _squashed(world, handles))
    supply = (await world.traffic.balance_handles())[-1]
    body, _ = await kms.fetch(f"{bucket_url(world.servers)}/{object_key_ct128(supply)}", world.http)
    decryptor = open_decryptor(keys_of(world.plan.engine), activation.client_key_file(world.state))
    value = await asyncio.to_thread(decryptor.decrypt, body, supply[30])
    _require_supply(world, "squashed", value)


async def upload(world: World) -> None:
    """Both objects of a balance are readable without credentials, and nobody can write without them."""
    handle = (await world.traffic.balance_handles())[0]
    for key in (object_key_ct64(handle), object_key_ct128(handle)):
        url = f"{bucket_url(world.servers)}/{key}"
        await kms.fetch(url, world.http)
        refused = await world.http.put(url, content=b"forged")
        if refused.status_code not in _FORBIDDEN:
            raise Fatal(f"an unsigned PUT to {url} answers {refused.status_code}")


async def commit(world: World) -> None:
    """The digests of all handles are on the gateway, and the minted balances decrypt from there."""
    await _ready(world, Stage.COMMIT)
    await _until_committed(world)
    script = msgspec.structs.replace(world.script, transfers=())
    await _compare(world, script)


async def inputs(world: World) -> None:
    """The main job: every transfer with its proof, and all digests on the gateway."""
    await _ready(world, Stage.INPUTS)
    encryptor = await asyncio.to_thread(_encryptor, world)
    slots = asyncio.Semaphore(IN_FLIGHT_MAX)

    async def one(transfer: ledger.Transfer) -> None:
        async with slots:
            await world.traffic.transfer(transfer, encryptor)

    async with _together() as group:
        for transfer in world.script.transfers:
            group.create_task(one(transfer))
    await _until_committed(world)


async def inputs_with_kills(world: World) -> None:
    """The main job, while each service to be killed is killed once, one after the other, each while busy."""
    logs = KafkaPositions(KafkaSettings(bootstrap=world.servers.kafka_bootstrap))
    async with _together() as group:
        job = group.create_task(inputs(world))
        for name in world.plan.kills:
            await world.fleet.kill_while_busy(name, evidence.prover(name, logs, world.progress))
        await job


@contextlib.asynccontextmanager
async def _together() -> AsyncGenerator[asyncio.TaskGroup]:
    """A task group that raises its first failure as it is: people read it, in one line."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def final_balances(world: World) -> tuple[ledger.Line, ...]:
    """Expected and decrypted balances, and the supply."""
    script = world.script
    if not world.plan.includes(MAIN_JOB):
        script = msgspec.structs.replace(script, transfers=())
    # An account that never had a balance has no handle: that is zero.
    handles = [handle if any(handle) else b"" for handle in await world.traffic.balance_handles()]
    held = [handle for handle in handles if handle]
    values = await balances.decrypt(world.state, world.servers, world.chains.deployment, held)
    decrypted = dict(zip(held, values, strict=True))
    names = [f"user {number}" for number in range(script.users)] + ["supply"]
    shown = [decrypted.get(handle, 0) for handle in handles]
    return ledger.compare(names, handles, (*script.balances(), script.supply()), shown)


async def _ready(world: World, stage: Stage) -> None:
    await world.fleet.until_all_healthy(SERVICES[stage])


async def _compare(world: World, script: ledger.Script) -> None:
    for line in await final_balances(msgspec.structs.replace(world, script=script)):
        if not line.is_equal:
            raise Fatal(f"{line.name} decrypts to {line.decrypted} instead of {line.expected}")


def _require_supply(world: World, step: str, value: int) -> None:
    if value != world.script.supply():
        raise Fatal(f"the {step} supply decrypts to {value} instead of {world.script.supply()}")


def _decrypted(world: World, ct64: bytes, fhe_type: int) -> int:
    keys, client_key = activation.require(world.state), activation.client_key_file(world.state)
    files = world.keys.derive(keys.keyset_digest)
    return decrypt_stored(keys.engine, client_key, files, ct64, fhe_type)


def _encryptor(world: World) -> Encryptor:
    keys = activation.require(world.state)
    files = world.keys.derive(keys.keyset_digest)
    return open_encryptor(keys.engine, files, world.keys.crs(keys.crs_digest), world.entropy)


async def _until_committed(world: World) -> None:
    deployment = world.chains.deployment
    waiting = set(await world.traffic.allowed_handles())

    async def all_there() -> bool:
        for handle in tuple(waiting):
            if await calls.is_material_added(world.chains.gateway, deployment.ciphertext_commits, handle):
                waiting.discard(handle)
        return not waiting

    await until(world, all_there)


async def until(world: World, check: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a check as long as work ends; raises Fatal when a service dies, or nothing ended for long."""
    before, ended = -1, await _ended(world)
    # Not by the whole time: how long it takes is a matter of the machine, and of what else runs on it.
    while ended != before:
        if await _in_time(world, check):
            return
        before, ended = ended, await _ended(world)
    queues = ", ".join(f"{q.work_class} {q.waiting}+{q.in_flight}" for q in await world.progress.queues())
    raise Fatal(f"no work ended for {STEP_TIMEOUT_S:g} s; what is left: {queues}")


async def _in_time(world: World, check: Callable[[], Awaitable[bool]]) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STEP_TIMEOUT_S):
            while True:
                if not world.plan.kills:
                    world.fleet.require_alive()
                if await check():
                    return True
                await asyncio.sleep(_LOOK_S)
    return False


async def _ended(world: World) -> int:
    return sum(queue.done + queue.failed for queue in await world.progress.queues())


async def _known(world: World, handles: Sequence[bytes]) -> bool:
    return (await world.progress.steps(handles)).known == len(handles)


async def _computed(world: World, handles: Sequence[bytes]) -> bool:
    return (await world.progress.steps(handles)).computed == len(handles)


async def _squashed(world: World, handles: Sequence[bytes]) -> bool:
    return (await world.progress.steps(handles)).squashed == len(handles)


# What follows the devnet, whose start makes the world.
ACTIONS: Final[dict[Stage, Callable[[World], Awaitable[None]]]] = {
    Stage.KEYS: check_keys,
    Stage.INGEST: ingest,
    Stage.COMPUTE: compute,
    Stage.SQUASH: squash,
    Stage.UPLOAD: upload,
    Stage.COMMIT: commit,
    Stage.INPUTS: inputs,
    Stage.KILLS: inputs_with_kills,
}
