"""A random script of transactions and reorganisations, and what a development node says at its end."""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgspec
from unit.domain import worlds

from streams.adapters.ethereum.chain import ANYTHING, BlockLog, EthereumChain
from streams.domain.digest import event_topic
from streams.settings import HostChainSettings

DEPTH_MAX = 20
REVERTED_MAX = 6  # blocks that are rolled back without a word
_EXECUTOR = bytes.fromhex("ee" * 20)
_CALLER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"  # the first account of a development node
_ALLOWED = event_topic("Allowed(address,address,bytes32)")
_GAS = hex(200_000)
# One event per call: the first word of the call is its topic, then the caller, the rest is its data.
# CALLER, (CALLER,) CALLDATALOAD(0), size = CALLDATASIZE - 32, CALLDATACOPY(0, 32, size), LOG2 or LOG3, STOP
_BODY = "5f3560203603806020" + "5f375f"
_EXECUTOR_CODE, _ACL_CODE = f"0x33{_BODY}a200", f"0x3333{_BODY}a300"

Request = dict[str, str]


def _request(to: bytes, call: bytes) -> Request:
    return {"from": _CALLER, "to": f"0x{to.hex()}", "data": f"0x{call.hex()}", "gas": _GAS}


def operation(logs: worlds.Logs) -> Request:
    """The transaction that emits this operation."""
    (log,) = logs.logs
    return _request(_EXECUTOR, log.topics[0] + log.data)


def allowance(handle: bytes) -> Request:
    """The transaction that allows this handle."""
    return _request(worlds.ACL, _ALLOWED + handle)


@dataclass
class Storm:
    """Thirty reorganisations and what happens between them, the same in every run with this seed."""

    node: EthereumChain
    seed: int
    roots: tuple[bytes, ...] = tuple(worlds.h(f"root{index}") for index in range(3))
    reorganisations: int = 0
    _sent: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._choose = random.Random(self.seed)

    async def command(self, method: str, *params: object) -> Any:
        return await self.node.rpc.call(method, params, ANYTHING)

    async def begin(self, http_url: str) -> HostChainSettings:
        """Contracts and operands, deeper than any reorganisation; what a listener has to know."""
        await self.command("evm_setAutomine", False)
        await self.command("anvil_setCode", f"0x{_EXECUTOR.hex()}", _EXECUTOR_CODE)
        await self.command("anvil_setCode", f"0x{worlds.ACL.hex()}", _ACL_CODE)
        start = (await self.node.head()).number
        for at, root in enumerate(self.roots):
            await self._transact([operation(worlds.Logs().trivial(root, at)), allowance(root)])
        await self.command("anvil_mine", hex(DEPTH_MAX + REVERTED_MAX + 2))
        return HostChainSettings(
            id=worlds.CHAIN,
            http_url=http_url,
            acl_address=f"0x{worlds.ACL.hex()}",
            executor_address=f"0x{_EXECUTOR.hex()}",
            start_block=start,
        )

    async def disturb(self) -> None:
        """One turn of the weather."""
        kind = self._choose.random()
        if kind < 0.35:
            await self._transact(self._some())
        elif kind < 0.5:
            await self.command("anvil_mine", hex(self._choose.randint(1, 5)))
        elif kind < 0.85:
            await self._reorganise()
        else:
            await self._revert()

    async def end(self) -> None:
        """The branch that is there now becomes the highest of all."""
        await self.command("anvil_mine", hex(DEPTH_MAX + REVERTED_MAX))

    async def _transact(self, requests: list[Request]) -> None:
        for request in requests:
            await self.command("eth_sendTransaction", request)
        await self.command("anvil_mine", "0x1")
        self._sent += requests

    def _some(self) -> list[Request]:
        """New values and old ones, allowed at once, later, or never."""
        requests: list[Request] = []
        for _ in range(self._choose.randint(1, 3)):
            handle = worlds.h(f"value{self._choose.randrange(60)}")
            if handle[0] % 3:
                left, right = (self.roots[byte % 3] for byte in handle[1:3])
                requests.append(operation(worlds.Logs().add(left, right, handle)))
            else:
                requests.append(operation(worlds.Logs().trivial(handle, handle[1])))
            if self._choose.random() < 0.7:
                requests.append(allowance(handle))
        if self._sent and self._choose.random() < 0.5:
            requests.append(self._choose.choice(self._sent))
        return requests

    async def _reorganise(self) -> None:
        """The last blocks are others now; some transactions are in them again, some others, many not."""
        depth = self._choose.randint(1, DEPTH_MAX)
        again = self._choose.sample(self._sent[-12:], k=min(4, len(self._sent)))
        placed = [[request, self._choose.randrange(depth)] for request in [*again, *self._some()]]
        await self.command("anvil_reorg", depth, placed)
        self._sent += [request for request, _ in placed if isinstance(request, dict)]
        self.reorganisations += 1

    async def _revert(self) -> None:
        snapshot = await self.command("evm_snapshot")
        for _ in range(self._choose.randint(1, REVERTED_MAX)):
            await self._transact(self._some())
        await self.command("evm_revert", snapshot)
        await self.command("anvil_mine", hex(REVERTED_MAX))
        self.reorganisations += 1


class Said(msgspec.Struct, frozen=True):
    """What a chain holds: its blocks, operations and allowances, each with the place of its log."""

    blocks: dict[int, bytes]
    operations: set[tuple[bytes, bytes, int, bytes]]  # block, transaction, log index, result
    allowances: set[tuple[bytes, bytes]]  # block, handle

    @property
    def reasons(self) -> Counter[bytes]:
        """In how many blocks each handle is allowed."""
        return Counter(handle for _, handle in self.allowances)


async def said_by(node: EthereumChain, start: int) -> Said:
    """By the node, from its own logs in one answer; read without the code that ingests them."""
    head = await node.head()
    found = await node.blocks(range(start, head.number + 1))
    logs = await node.logs_in_range(start, head.number, (worlds.ACL, _EXECUTOR))
    return Said(
        blocks={block.number: block.hash for block in found if block is not None},
        operations={_operation(entry) for entry in logs if _computes(entry)},
        allowances={(entry.block_hash, entry.log.data) for entry in logs if not _computes(entry)},
    )


def _operation(entry: BlockLog) -> tuple[bytes, bytes, int, bytes]:
    return entry.block_hash, entry.log.transaction_hash, entry.log.log_index, entry.log.data[-32:]


def _computes(entry: BlockLog) -> bool:
    return entry.log.address == _EXECUTOR
