"""A chain as its node shows it: blocks, logs, views, accounts; typed, raw bytes throughout."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Final

import msgspec

from streams.adapters.ethereum import abi
from streams.adapters.ethereum.bloom import BLOOM_BYTES
from streams.adapters.ethereum.errors import NoCode, WrongLogs
from streams.adapters.ethereum.rpc import RpcClient
from streams.domain.errors import RpcError
from streams.domain.facts import Log


class Head(msgspec.Struct, frozen=True):
    """A block without its content."""

    number: int
    hash: bytes
    parent_hash: bytes
    timestamp: int
    logs_bloom: bytes = b""  # empty where the chain has none that one can rely on
    gas_limit: int = 0  # of all its transactions; 0 where the node does not tell


class BlockLog(msgspec.Struct, frozen=True):
    """A log with the block that it was found in."""

    block_number: int
    block_hash: bytes
    log: Log


class Receipt(msgspec.Struct, frozen=True):
    """A mined transaction."""

    transaction_hash: bytes
    block_number: int
    block_hash: bytes
    is_success: bool
    gas_used: int
    logs: tuple[Log, ...]


class WireHead(msgspec.Struct, frozen=True, rename="camel"):
    """A block's header as nodes write it."""

    number: str
    hash: str
    parent_hash: str
    timestamp: str
    logs_bloom: str | None = None  # not of every chain
    gas_limit: str | None = None

    def read(self) -> Head:
        """In bytes and numbers; raises RpcError."""
        number, timestamp = quantity(self.number), quantity(self.timestamp)
        bloom = unhex(self.logs_bloom or "")
        if len(bloom) not in (0, BLOOM_BYTES):
            raise RpcError(f"a logs bloom of {len(bloom)} bytes")
        gas_limit = _bounded(self.gas_limit or "0x0")
        return Head(number, _word(self.hash), _word(self.parent_hash), timestamp, bloom, gas_limit)


class _WireLog(msgspec.Struct, frozen=True, rename="camel"):
    address: str
    topics: tuple[str, ...]
    data: str
    transaction_hash: str
    log_index: str
    block_number: str
    block_hash: str
    removed: bool = False

    def read(self) -> Log:
        index = quantity(self.log_index)
        if index > _LOG_INDEX_MAX:
            raise RpcError(f"a log with index {index}")
        return Log(
            address=_address(self.address),
            topics=tuple(map(_word, self.topics)),
            data=unhex(self.data),
            transaction_hash=_word(self.transaction_hash),
            log_index=index,
        )


class _WireReceipt(msgspec.Struct, frozen=True, rename="camel"):
    transaction_hash: str
    block_number: str
    block_hash: str
    status: str
    gas_used: str
    logs: tuple[_WireLog, ...]


_WORD_BYTES: Final = 32
_ADDRESS_BYTES: Final = 20
_QUANTITY_MAX: Final = 2**63 - 1
_LOG_INDEX_MAX: Final = 2**32 - 1  # four bytes of the subject of an alarm
TEXT: Final = msgspec.json.Decoder(str)
ANYTHING: Final[msgspec.json.Decoder[object]] = msgspec.json.Decoder(object)
_HEAD: Final[msgspec.json.Decoder[WireHead | None]] = msgspec.json.Decoder(WireHead | None)
_LOG_INDEX: Final = attrgetter("log_index")
_LOGS: Final = msgspec.json.Decoder(list[_WireLog])
_RECEIPT: Final[msgspec.json.Decoder[_WireReceipt | None]] = msgspec.json.Decoder(_WireReceipt | None)


def unhex(text: str) -> bytes:
    """Bytes of a node's hex text.

    Raises:
        RpcError: it is none.
    """
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise RpcError(f"not hex: {text[:20]!r}") from error


# Contracts, events, accounts and transactions come again and again in the logs of a block.
@lru_cache(1024)
def _word(text: str) -> bytes:
    return _sized(text, _WORD_BYTES)


@lru_cache(256)
def _address(text: str) -> bytes:
    return _sized(text, _ADDRESS_BYTES)


def _sized(text: str, size_bytes: int) -> bytes:
    value = unhex(text)
    if len(value) != size_bytes:
        raise RpcError(f"{len(value)} bytes instead of {size_bytes}: {text[:20]!r}")
    return value


def quantity(text: str) -> int:
    """Number of a node's hex text; none that a chain counts or a column holds is larger than 63 bits.

    Raises:
        RpcError: it is none.
    """
    try:
        number = int(text, 16)
    except ValueError as error:
        raise RpcError(f"not a number: {text[:20]!r}") from error
    if not 0 <= number <= _QUANTITY_MAX:
        raise RpcError(f"not a number of a chain: {text[:20]!r}")
    return number


def _bounded(text: str) -> int:
    """A number of which some chains write the highest that 64 bits hold, meaning none."""
    try:
        return max(0, min(int(text, 16), _QUANTITY_MAX))
    except ValueError as error:
        raise RpcError(f"not a number: {text[:20]!r}") from error


def hex_text(value: bytes) -> str:
    """As nodes want bytes: 0x and all digits."""
    return f"0x{value.hex()}"


class EthereumChain:
    """Reads of one chain over one node."""

    def __init__(self, rpc: RpcClient, *, has_blooms: bool = True) -> None:
        """Args: has_blooms: whether the blooms of this chain's headers say what logs there are."""
        self.rpc = rpc
        self._has_blooms = has_blooms

    async def chain_id(self) -> int:
        """The chain that the node is on."""
        return quantity(await self.rpc.call("eth_chainId", (), TEXT))

    async def head(self) -> Head:
        """The newest block."""
        found = await self.rpc.call("eth_getBlockByNumber", ("latest", False), _HEAD)
        head = self._head(found)
        if head is None:
            raise RpcError("the node has no newest block")
        return head

    async def block(self, number: int) -> Head | None:
        """The canonical block of that number, or None beyond the head."""
        found = await self.rpc.call("eth_getBlockByNumber", (hex(number), False), _HEAD)
        return _of_number(number, self._head(found))

    async def blocks(self, numbers: Sequence[int]) -> list[Head | None]:
        """The canonical blocks of those numbers in one request."""
        calls = [("eth_getBlockByNumber", (hex(number), False)) for number in numbers]
        found = await self.rpc.batch(calls, _HEAD)
        return [_of_number(number, self._head(head)) for number, head in zip(numbers, found, strict=True)]

    async def block_by_hash(self, block_hash: bytes) -> Head | None:
        """That block, or None where it was reorganised away or never seen."""
        found = await self.rpc.call("eth_getBlockByHash", (hex_text(block_hash), False), _HEAD)
        head = self._head(found)
        if head is not None and head.hash != block_hash:
            raise RpcError(f"another block than {hex_text(block_hash)}, which was asked for")
        return head

    async def logs_of_block(self, block_hash: bytes, addresses: Iterable[bytes] = ()) -> tuple[Log, ...]:
        """Logs of exactly that block in order; all addresses where none is given.

        Raises:
            BlockUnknown: the node does not have the block (any more).
            WrongLogs: the answer holds a log of another block or contract, or one twice.
        """
        wanted = tuple(addresses)
        query = {"blockHash": hex_text(block_hash), **_addresses(wanted)}
        found = await self.rpc.call("eth_getLogs", (query,), _LOGS)
        expected = hex_text(block_hash)
        if any(log.block_hash.lower() != expected or log.removed for log in found):
            raise WrongLogs(f"logs of another block than {expected}")
        logs = {log.log_index: log for log in (log.read() for log in found)}
        if len(logs) < len(found):
            raise WrongLogs(f"a log twice in block {expected}")
        _require_of(wanted, logs.values())
        return tuple(logs[index] for index in sorted(logs))

    async def logs_in_range(
        self, first: int, last: int, addresses: Iterable[bytes] = ()
    ) -> tuple[BlockLog, ...]:
        """Logs of the canonical blocks first to last, both included, in order.

        Raises:
            RpcRefused: the range is too long for the node, or ends beyond its head.
            WrongLogs: the answer holds a log of a block outside of the range, of another contract, or one
                twice.
        """
        wanted = tuple(addresses)
        query = {"fromBlock": hex(first), "toBlock": hex(last), **_addresses(wanted)}
        found = await self.rpc.call("eth_getLogs", (query,), _LOGS)
        logs = [BlockLog(quantity(log.block_number), unhex(log.block_hash), log.read()) for log in found]
        removed = any(log.removed for log in found)
        if removed or not all(first <= entry.block_number <= last for entry in logs):
            raise WrongLogs(f"logs of blocks outside of {first} to {last}")
        if len({(entry.block_hash, entry.log.log_index) for entry in logs}) < len(logs):
            raise WrongLogs(f"a log twice in blocks {first} to {last}")
        _require_of(wanted, (entry.log for entry in logs))
        return tuple(sorted(logs, key=lambda item: (item.block_number, item.log.log_index)))

    async def logs_since(
        self, first: int, address: bytes, topics: Sequence[bytes], last: int | None = None
    ) -> tuple[Log, ...]:
        """Logs of a contract with these first topics, in canonical blocks from `first` on, in order.

        Args: last: block; without it the head.

        Raises:
            RpcRefused: the range is too long for the node.
            WrongLogs: the answer holds other logs.
        """
        to = "latest" if last is None else hex(last)
        query = {"fromBlock": hex(first), "toBlock": to, **_addresses((address,))}
        asked = query | {"topics": [hex_text(topic) for topic in topics]}
        found = await self.rpc.call("eth_getLogs", (asked,), _LOGS)
        logs = [(quantity(log.block_number), log.read()) for log in found]
        _require_of((address,), (log for _, log in logs))
        if any(log.topics[: len(topics)] != tuple(topics) for _, log in logs):
            raise WrongLogs("a log of an event that was not asked for")
        ordered = sorted(logs, key=lambda entry: (entry[0], entry[1].log_index))
        return tuple(log for number, log in ordered if number >= first)

    def _head(self, found: WireHead | None) -> Head | None:
        head = None if found is None else found.read()
        if head is None or self._has_blooms:
            return head
        return msgspec.structs.replace(head, logs_bloom=b"")

    async def view(self, address: bytes, called: abi.Function, *arguments: object) -> tuple[object, ...]:
        """Result of a view at the head.

        Raises:
            NoCode: there is no contract, or not yet.
            ContractReverted: the contract refused.
            Undecodable: what came back is not what the function returns.
        """
        data = abi.encode_call(called, *arguments)
        request = {"to": hex_text(address), "data": hex_text(data)}
        found = unhex(await self.rpc.call("eth_call", (request, "latest"), TEXT))
        # A node answers so as well while it has not come to the contract's deployment.
        if not found and not await self.code(address):
            raise NoCode(f"no contract at {hex_text(address)}: the node is below it, or the address is wrong")
        return abi.decode_result(called, found)

    async def estimate_gas(self, sender: bytes, to: bytes | None, data: bytes) -> int:
        """Gas that a transaction takes now; raises ContractReverted where it would fail."""
        request = {"from": hex_text(sender), "data": hex_text(data)}
        if to is not None:
            request["to"] = hex_text(to)
        return quantity(await self.rpc.call("eth_estimateGas", (request,), TEXT))

    async def nonce(self, address: bytes, tag: str = "pending") -> int:
        """Next nonce of an account; `latest` counts only what is mined."""
        return quantity(await self.rpc.call("eth_getTransactionCount", (hex_text(address), tag), TEXT))

    async def gas_price(self) -> int:
        """What a unit of gas costs now, in wei."""
        return quantity(await self.rpc.call("eth_gasPrice", (), TEXT))

    async def code(self, address: bytes) -> bytes:
        """Code at an address; empty where there is no contract."""
        return unhex(await self.rpc.call("eth_getCode", (hex_text(address), "latest"), TEXT))

    async def send_raw(self, transaction: bytes) -> bytes:
        """Broadcast a signed transaction; its hash. Raises RpcRefused with the node's words."""
        return unhex(await self.rpc.call("eth_sendRawTransaction", (hex_text(transaction),), TEXT))

    async def receipt(self, transaction_hash: bytes) -> Receipt | None:
        """Receipt of a mined transaction, or None while it is not (or no longer) mined."""
        found = await self.rpc.call("eth_getTransactionReceipt", (hex_text(transaction_hash),), _RECEIPT)
        if found is None:
            return None
        if _word(found.transaction_hash) != transaction_hash:
            raise RpcError(f"the receipt of another transaction than {hex_text(transaction_hash)}")
        return Receipt(
            transaction_hash=transaction_hash,
            block_number=quantity(found.block_number),
            block_hash=_word(found.block_hash),
            is_success=quantity(found.status) == 1,
            gas_used=quantity(found.gas_used),
            logs=tuple(log.read() for log in found.logs),
        )


def _of_number(number: int, head: Head | None) -> Head | None:
    if head is not None and head.number != number:
        raise RpcError(f"block {head.number} instead of {number}, which was asked for")
    return head


def _require_of(contracts: Sequence[bytes], logs: Iterable[Log]) -> None:
    """Anybody can emit an event that looks like one of ours: what counts is by whom."""
    if contracts and not all(log.address in contracts for log in logs):
        raise WrongLogs("a log of a contract that was not asked for")


def _addresses(addresses: Iterable[bytes]) -> dict[str, list[str]]:
    listed = [hex_text(address) for address in addresses]
    return {"address": listed} if listed else {}
