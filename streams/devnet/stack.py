"""The whole devnet as one value: started side by side, found again by its state directory, stopped by pid."""

import asyncio
import contextlib
import fcntl
import shutil
from collections.abc import AsyncGenerator, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Final, TextIO

import msgspec

from streams.devnet import anvil, kafka, object_store, ports, postgres
from streams.devnet.supervisor import Supervisor
from streams.domain.errors import ConfigurationError

PARTS = (kafka.NAME, postgres.NAME, object_store.NAME, anvil.HOST.name, anvil.GATEWAY.name)

_CHAINS = {chain.name: chain for chain in anvil.CHAINS}
_PORTS_OF = {kafka.NAME: kafka.PORTS}  # the other parts have one port, of their own name
_PORTS = "ports.json"
_MARK: Final = "made-by-devnet"  # the first file in a folder that we made, or found empty: all of it is ours
_LOCK = "lock"
_LOCK_POLL_S = 0.05


class Stack(msgspec.Struct, frozen=True):
    """Where the servers of one devnet answer. It holds credentials, so it has no readable form."""

    state_dir: Path
    kafka_bootstrap: str
    postgres_url: str
    postgres_sender_url: str
    s3_endpoint: str
    s3_region: str
    s3_bucket: str
    s3_credentials: object_store.Credentials
    host_chain_id: int
    host_http_url: str
    host_ws_url: str
    gateway_chain_id: int
    gateway_http_url: str
    gateway_ws_url: str

    def __repr__(self) -> str:
        return f"Stack(state_dir={str(self.state_dir)!r})"


class PartStatus(msgspec.Struct, frozen=True):
    """One process of a devnet."""

    name: str
    pid: int | None
    is_running: bool
    port: int | None
    log: Path


async def start(state_dir: Path, parts: Iterable[str] = PARTS, block_time_s: float | None = None) -> Stack:
    """Starts the parts that do not run yet, side by side, and returns when each answers a real client.

    Where one fails, those that this call has started are stopped again.

    Raises: ConfigurationError, ChildDied, NotReady.
    """
    wanted = tuple(parts)
    if unknown := set(wanted) - set(PARTS):
        raise ConfigurationError(
            f"the devnet has no part {', '.join(sorted(unknown))}; it has {', '.join(PARTS)}"
        )
    mark(state_dir)
    supervisor = Supervisor(state_dir)
    async with _locked(supervisor.state_dir / _LOCK):
        missing = [name for name in wanted if not supervisor.alive(name)]
        # Leftovers first: the rest of a dead part's session would still hold its port.
        await supervisor.stop(missing)
        chosen = await asyncio.to_thread(_choose_ports, supervisor.state_dir, missing)
        await _start_all(supervisor, missing, chosen, block_time_s)
    return describe(supervisor.state_dir)


async def stop(state_dir: Path) -> None:
    """Stops every process that was started below this state directory, services before servers."""
    if not _has_started(state_dir):
        return
    supervisor = Supervisor(state_dir)
    async with _locked(supervisor.state_dir / _LOCK):
        await supervisor.stop(name for name in supervisor.names() if name not in PARTS)
        await supervisor.stop()
        await postgres.end_leftovers(supervisor.state_dir)


async def remove(state_dir: Path) -> None:
    """Stops a devnet and deletes everything that it kept.

    Raises: ConfigurationError where the folder holds something and no devnet has made it.
    """
    _require_ours(state_dir)
    await stop(state_dir)
    await asyncio.to_thread(postgres.remove, state_dir)
    await asyncio.to_thread(shutil.rmtree, state_dir, ignore_errors=True)


def _has_started(state_dir: Path) -> bool:
    """Whether a start was ever tried there; where none was, a lock would be the first thing in the folder."""
    return (state_dir / _LOCK).exists()


def mark(state_dir: Path) -> None:
    """Make the folder of a devnet before anything else is in it; one that holds something is not marked."""
    state_dir.mkdir(parents=True, exist_ok=True)
    if not any(state_dir.iterdir()):
        (state_dir / _MARK).write_text("`cipherstream devnet down --delete` deletes this folder\n")


def _require_ours(state_dir: Path) -> None:
    """The whole folder will go, so nobody else may have put anything there before us."""
    if not state_dir.exists() or (state_dir / _MARK).exists() or not any(state_dir.iterdir()):
        return
    unmarked = (
        "; an older version started one there, or it was not empty: `cipherstream devnet down`, then rm -r"
    )
    raise ConfigurationError(
        f"{state_dir} was not made by a devnet, so nothing was deleted"
        + (unmarked if (state_dir / _PORTS).exists() else "")
    )


def status(state_dir: Path) -> tuple[PartStatus, ...]:
    """The servers and every other process of a devnet."""
    if not state_dir.exists():
        return ()
    supervisor, recorded = Supervisor(state_dir), ports.read(state_dir / _PORTS)
    others = [name for name in supervisor.names() if name not in PARTS]
    return tuple(_status(supervisor, name, recorded.get(name)) for name in (*PARTS, *others))


def describe(state_dir: Path) -> Stack:
    """Where the servers of a devnet that was started once answer.

    Raises: ConfigurationError where there is none.
    """
    state = state_dir.resolve()
    chosen = ports.read(state / _PORTS)
    if not chosen:
        raise ConfigurationError(f"there is no devnet in {state_dir}")
    return Stack(
        state_dir=state,
        kafka_bootstrap=kafka.bootstrap(chosen),
        postgres_url=postgres.url(state, chosen),
        postgres_sender_url=postgres.sender_url(state, chosen),
        s3_endpoint=object_store.endpoint(chosen),
        s3_region=object_store.REGION,
        s3_bucket=object_store.BUCKET,
        s3_credentials=object_store.credentials(state),
        host_chain_id=anvil.HOST.chain_id,
        host_http_url=anvil.http_url(anvil.HOST, chosen),
        host_ws_url=anvil.ws_url(anvil.HOST, chosen),
        gateway_chain_id=anvil.GATEWAY.chain_id,
        gateway_http_url=anvil.http_url(anvil.GATEWAY, chosen),
        gateway_ws_url=anvil.ws_url(anvil.GATEWAY, chosen),
    )


async def _start_all(
    supervisor: Supervisor, names: Sequence[str], chosen: dict[str, int], block_time_s: float | None
) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(_starter(supervisor, name, chosen, block_time_s))
    except ExceptionGroup as failures:
        await supervisor.stop(names)
        raise failures.exceptions[0] from failures
    except BaseException:
        await supervisor.stop(names)
        raise


def _starter(
    supervisor: Supervisor, name: str, chosen: dict[str, int], block_time_s: float | None
) -> Coroutine[None, None, None]:
    if name == kafka.NAME:
        return kafka.start(supervisor, chosen)
    if name == postgres.NAME:
        return postgres.start(supervisor, chosen)
    if name == object_store.NAME:
        return object_store.start(supervisor, chosen)
    return anvil.start(supervisor, _CHAINS[name], chosen, block_time_s)


def _choose_ports(state_dir: Path, names: Sequence[str]) -> dict[str, int]:
    """Ports for the parts that are to start and for those that never did: a devnet is described whole."""
    path = state_dir / _PORTS
    recorded = ports.read(path)
    wanted = [
        port
        for name in PARTS
        for port in _PORTS_OF.get(name, (name,))
        if name in names or port not in recorded
    ]
    return {**recorded, **ports.choose(path, wanted)}


def _status(supervisor: Supervisor, name: str, port: int | None) -> PartStatus:
    process = supervisor.process(name)
    return PartStatus(
        name=name,
        pid=None if process is None else process.pid,
        is_running=supervisor.alive(name),
        port=port,
        log=supervisor.log_path(name),
    )


@contextlib.asynccontextmanager
async def _locked(path: Path) -> AsyncGenerator[None]:
    """One `start` or `stop` of a devnet at a time; the kernel lets go when the holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        while not _try_lock(file):  # noqa: ASYNC110 - the holder may be another process
            await asyncio.sleep(_LOCK_POLL_S)
        yield


def _try_lock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
