"""Two EVM chains by anvil from npm: the host and the gateway."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import httpx
import msgspec

from streams.devnet import install as cache
from streams.devnet import ports
from streams.devnet.supervisor import Supervisor
from streams.fhe.keyset import cache_root

_PINS = ("npm/package.json", "npm/package-lock.json")
_BINARY = "node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
_ANSWER_S = 1.0
# What a killed chain may lose; old states are not dumped, which would grow to gigabytes.
_DUMP_EVERY_S = 10


class Chain(msgspec.Struct, frozen=True):
    """One chain of the devnet; its name is also that of its process and its port."""

    name: str
    chain_id: int


HOST = Chain("host", 12345)
GATEWAY = Chain("gateway", 54321)
CHAINS = (HOST, GATEWAY)


def install() -> Path:
    """The anvil binary.

    Raises: ConfigurationError where npm is missing or the download failed.
    """
    pins = _pins()
    return cache.once(_folder(pins), lambda draft: _download(pins, draft)) / _BINARY


def is_installed() -> bool:
    """Whether `install` has nothing to do."""
    return _folder(_pins()).is_dir()


def _pins() -> list[Path]:
    return [cache.resource(name) for name in _PINS]


def _folder(pins: list[Path]) -> Path:
    return cache_root() / "anvil" / cache.pin(*(path.read_bytes() for path in pins))


def http_url(chain: Chain, chosen: dict[str, int]) -> str:
    """The address of the JSON-RPC interface; the WebSocket one shares the port."""
    return f"http://{ports.LOOPBACK}:{chosen[chain.name]}"


def ws_url(chain: Chain, chosen: dict[str, int]) -> str:
    """The address for subscriptions."""
    return f"ws://{ports.LOOPBACK}:{chosen[chain.name]}"


async def start(
    supervisor: Supervisor, chain: Chain, chosen: dict[str, int], block_time_s: float | None
) -> None:
    """Starts a chain from its last dump and waits until it answers with its id."""
    binary = await asyncio.to_thread(install)
    dump = supervisor.state_dir / "chains" / f"{chain.name}.json"
    dump.parent.mkdir(parents=True, exist_ok=True)
    drop_torn(dump)
    supervisor.spawn(chain.name, _argv(binary, chain, chosen[chain.name], dump, block_time_s))
    url = http_url(chain, chosen)
    await supervisor.until(chain.name, lambda: answers(url, chain))


async def answers(url: str, chain: Chain) -> bool:
    """Whether this chain is what listens there."""
    request: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
    async with httpx.AsyncClient(timeout=_ANSWER_S, trust_env=False) as client:
        reply = await client.post(url, json=request)
    return int(reply.json()["result"], 16) == chain.chain_id


def _argv(binary: Path, chain: Chain, port: int, dump: Path, block_time_s: float | None) -> list[str]:
    argv = [str(binary), "--host", ports.LOOPBACK, "--port", str(port), "--chain-id", str(chain.chain_id)]
    argv += ["--hardfork", "prague", "--slots-in-an-epoch", "1", "--quiet"]
    argv += ["--state", str(dump), "--state-interval", str(_DUMP_EVERY_S)]
    argv += ["--cache-path", str(dump.parent / "cache")]
    if block_time_s is not None:
        argv += ["--block-time", f"{block_time_s:g}"]
    return argv


def drop_torn(dump: Path) -> None:
    """Sets aside a dump that a killed anvil left half written, since anvil would refuse to start on it."""
    kept = dump.with_suffix(".last-good")
    try:
        msgspec.json.decode(dump.read_bytes())
    except FileNotFoundError:
        return
    except msgspec.DecodeError:
        dump.replace(dump.with_suffix(".torn"))
        if kept.exists():
            shutil.copyfile(kept, dump)
        return
    shutil.copyfile(dump, kept)


def _download(pins: list[Path], draft: Path) -> None:
    npm = cache.tool("npm", "the download of the EVM node")
    for path in pins:
        shutil.copyfile(path, draft / path.name)
    cache.execute(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], "downloading anvil (43 MB)", draft
    )
    (draft / _BINARY).chmod(0o755)
