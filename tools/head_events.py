"""Records what the compiler writes for every event of HeadEvents.sol, on a node of its own.

Run it after a change of the contract: `python -m tools.head_events > tests/fixtures/evm/head_events.json`.
"""

import asyncio
import hashlib
import json
import sys
import tempfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final, cast

from streams.adapters.ethereum import abi
from streams.adapters.ethereum.chain import EthereumChain, hex_text
from streams.adapters.ethereum.rpc import RpcClient
from streams.adapters.telemetry import logs
from streams.devnet import anvil, contracts, stack
from streams.devnet.chain_client import Wallet, dev_accounts
from streams.domain.facts import Log

NAME: Final = "HeadEvents"
_LENGTHS: Final = (3, 0, 1)  # of what has no length of its own, one recording each; odd ones show the padding
_SIZES: Final = (45, 0, 64)


async def record(wallet: Wallet) -> list[dict[str, Any]]:
    """Deploy the contract, emit every event with each length, and return the recording."""
    receipt = await wallet.transact(contracts.CREATE2_FACTORY, contracts.SALT + contracts.load_bytecode(NAME))
    assert receipt.is_success
    at = contracts.create2_address(contracts.load_bytecode(NAME))
    calls = [call for event in events() for call in _calls(event)]
    sent = [await wallet.send(at, data) for _, _, data in calls]  # in turn: nonces are taken in order
    found: list[dict[str, Any]] = []
    for (event, arguments, _), transaction in zip(calls, sent, strict=True):
        (log,) = (await wallet.wait(transaction)).logs
        found.append(_recorded(event, arguments, log))
    return [{"note": "every event of HeadEvents.sol as the compiler encodes it", "logs": found}]


def events() -> list[dict[str, Any]]:
    """The contract's events as the compiler describes them."""
    file = resources.files("streams.devnet").joinpath("artifacts", f"{NAME}.json")
    return [item for item in json.loads(file.read_bytes())["abi"] if item["type"] == "event"]


def kind_of(part: dict[str, Any]) -> str:
    """Type of an argument, structs as tuples."""
    if "components" not in part:
        return part["type"]
    return f"({','.join(map(kind_of, part['components']))}){part['type'].removeprefix('tuple')}"


def _calls(event: dict[str, Any]) -> list[tuple[dict[str, Any], list[Any], bytes]]:
    """The event with arguments and call data, once for each length that it can have."""
    kinds = {f"{event['name']}.{part['name']}": kind_of(part) for part in event["inputs"]}
    called = abi.function(f"emit{event['name']}({','.join(kinds.values())})")
    turns = len(_LENGTHS) if any(map(_is_dynamic, kinds.values())) else 1
    given = ([_sample(kind, seed, turn) for seed, kind in kinds.items()] for turn in range(turns))
    return [(event, arguments, abi.encode_call(called, *arguments)) for arguments in given]


def _is_dynamic(kind: str) -> bool:
    return kind.endswith("[]") or kind in ("bytes", "string")


def _sample(kind: str, seed: str, turn: int) -> Any:
    """A value of that type, the same in every run; numbers have their highest bit set."""
    digest = hashlib.sha256(f"{seed}.{turn}".encode()).digest()
    if kind.endswith("[]"):
        return [_sample(kind[:-2], f"{seed}[{at}]", turn) for at in range(_LENGTHS[turn])]
    if kind.startswith("("):
        return tuple(_sample(part, f"{seed}.{part}", turn) for part in abi.split_types(kind))
    if kind.startswith("uint"):
        bits = int(kind[4:])
        return int.from_bytes(digest, "big") >> (256 - bits) | 1 << (bits - 1)
    if kind == "string":
        return f"https://{digest.hex()[: _SIZES[turn]]}"
    if kind == "bytes":
        return (digest * 2)[: _SIZES[turn]]
    if kind == "bytes1":
        return b"\3" if seed.startswith("FheMulDiv") else bytes((digest[0] % 2,))
    return digest[: 20 if kind == "address" else int(kind.removeprefix("bytes"))]


def _recorded(event: dict[str, Any], arguments: list[Any], log: Log) -> dict[str, Any]:
    names = (part["name"] for part in event["inputs"])
    return {
        "event": event["name"],
        "topics": [hex_text(topic) for topic in log.topics],
        "data": hex_text(log.data),
        "args": {name: _text(value) for name, value in zip(names, arguments, strict=True)},
    }


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        return hex_text(value)
    if isinstance(value, list | tuple):
        return [_text(item) for item in cast(Sequence[Any], value)]
    return str(value)


async def _main(folder: Path) -> list[dict[str, Any]]:
    chain = await stack.start(folder, (anvil.HOST.name,))
    try:
        async with RpcClient(chain.host_http_url) as rpc:
            return await record(Wallet(EthereumChain(rpc), dev_accounts().owner))
    finally:
        await stack.remove(folder)


if __name__ == "__main__":
    logs.configure("head-events", "warning")  # to stderr
    with tempfile.TemporaryDirectory() as name:
        recording = asyncio.run(_main(Path(name) / "devnet"))
    sys.stdout.write(json.dumps(recording, indent=1) + "\n")
