"""A gateway in memory: a pool, blocks, reorganisations, and a contract that takes each call once."""

import asyncio
from collections.abc import Sequence

from streams.adapters.ethereum import abi
from streams.adapters.ethereum.chain import Head, Receipt
from streams.adapters.ethereum.errors import ContractReverted, RpcRefused
from streams.adapters.memory.sender_store import SenderTable
from streams.domain.digest import keccak256
from streams.domain.errors import RpcError
from streams.domain.facts import Log
from streams.domain.gateway_events import VERIFY_PROOF_REQUEST_TOPIC, VerifyProofRequest
from streams.domain.transactions import StoredCall

PRICE = 1_000_000_000


def refusal(name: str) -> ContractReverted:
    return ContractReverted(name, (), b"")


def _refused(text: str) -> RpcRefused:
    return RpcRefused("eth_sendRawTransaction", -32003, text)


def _log_of(request: VerifyProofRequest) -> Log:
    asked = request.contract, request.user, request.ciphertext, request.extra_data
    numbers = request.zk_proof_id, request.contract_chain_id
    return Log(
        address=b"\xaa" * 20,
        topics=(VERIFY_PROOF_REQUEST_TOPIC, *(number.to_bytes(32, "big") for number in numbers)),
        data=abi.encode_arguments(("address", "address", "bytes", "bytes"), asked),
        transaction_hash=bytes(32),
        log_index=0,
    )


class FakeGateway:
    """Finds a transaction's content in the sender's table: what is broadcast must have been stored before."""

    def __init__(self, table: SenderTable) -> None:
        self._table = table
        self._known: dict[bytes, StoredCall] = {}  # by hash, everything that was ever broadcast
        self._failed: set[bytes] = set()  # mined and refused by the contract
        self.pool: dict[int, bytes] = {}  # hash by nonce
        self.chain: list[list[bytes]] = [[]]
        self._salt = 0
        self.is_mining = True
        self.minimum_fee = 0
        self.base_fee = 0  # below this nothing is mined
        self.price = PRICE
        self.failures = 0  # requests to answer with RpcError
        self.is_away = False  # every request is answered so
        self.says = ""  # to every broadcast
        self.estimates: dict[bytes, RpcRefused] = {}  # by call data
        self.gas_used = 1
        self.gas = 100_000  # that any call takes now
        self.gas_limit = 60_000_000  # of a block
        self.hidden: set[int] = set()  # nonces of the pool that the node does not count as pending
        self.refuses: dict[bytes, ContractReverted] = {}  # by call data
        self.reverts: set[bytes] = set()  # call data of what is mined and fails
        self.made: list[bytes] = []  # call data, in the order of the chain
        self.broadcasts: list[bytes] = []
        self.slow: dict[bytes, asyncio.Event] = {}  # by call data: when its estimate may be answered
        self.requests: dict[int, VerifyProofRequest] = {}  # by number, of blocks that may still go
        self.range_max = 1_000_000  # blocks whose logs it tells at once
        self.receipts = 0  # that were asked for
        self.counts: int | None = None  # what it says to be pending, whatever it has
        self.foreign = 0  # nonces that another transaction used

    async def head(self) -> Head:
        self._answer()
        return self._head(len(self.chain) - 1)

    async def block(self, number: int) -> Head | None:
        self._answer()
        return self._head(number) if 0 <= number < len(self.chain) else None

    async def blocks(self, numbers: Sequence[int]) -> list[Head | None]:
        return [await self.block(number) for number in numbers]

    async def logs_since(
        self, first: int, address: bytes, topics: Sequence[bytes], last: int | None = None
    ) -> tuple[Log, ...]:
        self._answer()
        to = (await self.head()).number if last is None else last
        if to - first >= self.range_max:
            raise RpcRefused("eth_getLogs", -32005, "block range is too large")
        number = int.from_bytes(topics[1], "big")
        # every request is in the newest block
        return (_log_of(self.requests[number]),) if last is None and number in self.requests else ()

    async def nonce(self, address: bytes, tag: str = "pending") -> int:
        self._answer()
        nonce = sum(map(len, self.chain)) + self.foreign
        if tag == "pending" and self.counts is not None:
            return self.counts
        while tag == "pending" and nonce in self.pool and nonce not in self.hidden:
            nonce += 1
        return nonce

    async def gas_price(self) -> int:
        self._answer()
        return self.price

    async def estimate_gas(self, sender: bytes, to: bytes | None, data: bytes) -> int:
        self._answer()
        if data in self.slow:
            await self.slow[data].wait()
        if data in self.estimates:
            raise self.estimates[data]
        if data in self.refuses:
            raise self.refuses[data]
        if data in self.made:
            raise refusal("CoprocessorAlreadyAdded")
        return self.gas

    async def send_raw(self, transaction: bytes) -> bytes:
        self._answer()
        if self.says:
            raise _refused(self.says)
        call = next(row for row in self._table.rows.values() if row.signed.raw == transaction)
        self.broadcasts.append(call.signed.hash)
        self._known[call.signed.hash] = call
        if call.nonce < await self.nonce(call.address, "latest"):
            raise _refused("nonce too low")
        if self.pool.get(call.nonce) == call.signed.hash:
            raise _refused("transaction already imported")
        if call.gas > self.gas_limit:
            raise _refused("exceeds block gas limit")
        if call.gas < self.gas:
            raise _refused("intrinsic gas too low: have less, want more")
        if call.signed.max_fee < self.minimum_fee:
            raise _refused("max fee per gas less than block base fee")
        if call.nonce in self.pool and not self._outbids(call):
            raise _refused("replacement transaction underpriced")
        self.pool[call.nonce] = call.signed.hash
        if self.is_mining:
            self.mine()
        return call.signed.hash

    async def receipt(self, transaction_hash: bytes) -> Receipt | None:
        self._answer()
        self.receipts += 1
        for number, block in enumerate(self.chain):
            if transaction_hash in block:
                return Receipt(
                    transaction_hash=transaction_hash,
                    block_number=number,
                    block_hash=self._head(number).hash,
                    is_success=transaction_hash not in self._failed,
                    gas_used=self.gas_used,
                    logs=(),
                )
        return None

    def mine(self, empty: int = 0) -> None:
        """A block with everything that is next in line, then so many empty ones."""
        block: list[bytes] = []
        nonce = sum(map(len, self.chain)) + self.foreign
        while nonce in self.pool and self._pays(self.pool[nonce]):
            block.append(self.pool.pop(nonce))
            nonce += 1
        self.chain.append(block)
        self.chain += [[] for _ in range(empty)]
        for found in block:
            self._execute(found)

    def forget(self, depth: int) -> None:
        """A reorganisation: the last blocks and their transactions are gone."""
        for block in self.chain[-depth:]:
            for found in block:
                if found in self._failed:
                    self._failed.discard(found)
                else:
                    self.made.remove(self._known[found].data)
        del self.chain[-depth:]
        self._salt += 1

    def use_next_nonce(self) -> None:
        """Somebody else sends with our key: what waits under that nonce is dropped."""
        self.pool.pop(sum(map(len, self.chain)) + self.foreign, None)
        self.foreign += 1

    def _execute(self, found: bytes) -> None:
        data = self._known[found].data
        if data in self.reverts or data in self.made:
            self._failed.add(found)
        else:
            self.made.append(data)

    def _pays(self, found: bytes) -> bool:
        return found in self._known and self._known[found].signed.max_fee >= self.base_fee

    def _outbids(self, call: StoredCall) -> bool:
        """A tenth more on both fees, as nodes want it; a foreign transaction is never outbid here."""
        known = self._known.get(self.pool[call.nonce])
        if known is None:
            return False
        old, new = known.signed, call.signed
        return new.max_fee * 10 >= old.max_fee * 11 and new.priority_fee * 10 >= old.priority_fee * 11

    def _head(self, number: int) -> Head:
        content = b"".join(self.chain[number])
        return Head(
            number, keccak256(bytes((number % 256, self._salt)) + content), bytes(32), 0, b"", self.gas_limit
        )

    def _answer(self) -> None:
        if self.is_away:
            raise RpcError("the node is away")
        if self.failures:
            self.failures -= 1
            raise RpcError("the node is away")
