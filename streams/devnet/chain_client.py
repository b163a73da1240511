"""The user's side of the chains: accounts, transactions, tokens, encrypted inputs, key activation.

Development only: accounts come from the mnemonic that every local node knows.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar, cast

import msgspec

from streams.adapters.ethereum import abi, calls
from streams.adapters.ethereum.chain import EthereumChain, Receipt
from streams.adapters.ethereum.signer import Signer, Transaction
from streams.domain.errors import CallReverted, RpcError
from streams.domain.events import (
    KeyDigest,
    RejectProofResponse,
    VerifyProofRequest,
    VerifyProofResponse,
    decode_gateway_log,
)

DEV_MNEMONIC: Final = "test test test test test test test test test test test junk"
DEFAULT_EXTRA_DATA: Final = b"\0"
OPERATOR_BASE: Final = 6  # account of the first operator's sender; its signer is the next
GAS_MARGIN: Final = 1.3  # the cost of an answer depends on state that may change before it is mined
POLL_S: Final = 0.05

MINT: Final = abi.function("mint(address,uint64)")
CONFIDENTIAL_TRANSFER: Final = abi.function("confidentialTransfer(address,bytes32,bytes)")
BALANCE_OF: Final = abi.function("confidentialBalanceOf(address)", "(bytes32)")
TOTAL_SUPPLY: Final = abi.function("confidentialTotalSupply()", "(bytes32)")
ACTIVATE_KEY: Final = abi.function("activateKey(uint256,string[],(uint8,bytes)[])")
ACTIVATE_CRS: Final = abi.function("activateCrs(uint256,string[],bytes)")

T = TypeVar("T")


class DevAccounts(msgspec.Struct, frozen=True):
    """Who is who on the development chains. Operator `i` sends with one key and signs with another."""

    owner: Signer
    kms: Signer
    relayer: Signer
    users: tuple[Signer, ...]
    coprocessor_senders: tuple[Signer, ...]
    coprocessor_signers: tuple[Signer, ...]


class ProofOutcome(msgspec.Struct, frozen=True):
    """How the gateway answered a request; no handles when it was rejected."""

    zk_proof_id: int
    is_verified: bool
    handles: tuple[bytes, ...] = ()
    signatures: tuple[bytes, ...] = ()


def dev_secret(index: int, mnemonic: str = DEV_MNEMONIC) -> bytes:
    """Private key of the account of that number, as the node derives it."""
    from eth_account import Account  # takes seconds to load, and decryption does not need it

    Account.enable_unaudited_hdwallet_features()
    return bytes(Account.from_mnemonic(mnemonic, account_path=f"m/44'/60'/0'/0/{index}").key)


def dev_signer(index: int, mnemonic: str = DEV_MNEMONIC) -> Signer:
    """Signer of the account of that number."""
    return Signer(dev_secret(index, mnemonic))


def dev_accounts(*, coprocessors: int = 1, mnemonic: str = DEV_MNEMONIC) -> DevAccounts:
    """Roles over the node's accounts: 0 owner, 1 KMS, 2 relayer, 3 to 5 users, then a pair per operator."""

    def signer(index: int) -> Signer:
        return dev_signer(index, mnemonic)

    return DevAccounts(
        owner=signer(0),
        kms=signer(1),
        relayer=signer(2),
        users=tuple(signer(3 + i) for i in range(3)),
        coprocessor_senders=tuple(signer(OPERATOR_BASE + 2 * i) for i in range(coprocessors)),
        coprocessor_signers=tuple(signer(OPERATOR_BASE + 1 + 2 * i) for i in range(coprocessors)),
    )


class Wallet:
    """Sends transactions of one key on one chain, one nonce after the other."""

    def __init__(self, chain: EthereumChain, signer: Signer, *, timeout_s: float = 30.0) -> None:
        self.chain = chain
        self.signer = signer
        self._timeout_s = timeout_s
        self._lock = asyncio.Lock()
        self._next_nonce: int | None = None
        self._chain_id: int | None = None

    @property
    def address(self) -> bytes:
        return self.signer.address

    async def send(self, to: bytes | None, data: bytes) -> bytes:
        """Broadcasts a transaction and returns its hash.

        Raises:
            ContractReverted: it would fail now; nothing was sent.
            RpcError: the node is away or refused it.
        """
        gas = int(await self.chain.estimate_gas(self.address, to, data) * GAS_MARGIN)
        async with self._lock:
            nonce = await self._nonce()
            try:
                sent = await self.chain.send_raw(await self._signed(nonce, gas, to, data))
            except RpcError:
                self._next_nonce = None  # whether it was taken is unknown: ask the node again
                raise
            self._next_nonce = nonce + 1
            return sent

    async def transact(self, to: bytes | None, data: bytes) -> Receipt:
        """Sends and waits until it is mined.

        Raises:
            CallReverted: it was mined and failed.
            RpcError: it was not mined in time, and all of `send`.
        """
        return await self.wait(await self.send(to, data))

    async def wait(self, transaction_hash: bytes) -> Receipt:
        """Waits for a transaction that was sent; raises as `transact` does."""
        receipt = await poll(lambda: self.chain.receipt(transaction_hash), timeout_s=self._timeout_s)
        if not receipt.is_success:
            raise CallReverted(f"transaction 0x{transaction_hash.hex()} failed")
        return receipt

    async def _nonce(self) -> int:
        if self._next_nonce is None:
            self._next_nonce = await self.chain.nonce(self.address)
        return self._next_nonce

    async def _signed(self, nonce: int, gas: int, to: bytes | None, data: bytes) -> bytes:
        if self._chain_id is None:
            self._chain_id = await self.chain.chain_id()
        price = await self.chain.gas_price()
        transaction = Transaction(
            chain_id=self._chain_id,
            nonce=nonce,
            gas=gas,
            max_fee_per_gas=2 * price,
            max_priority_fee_per_gas=min(price, 1_000_000_000),
            to=to,
            data=data,
        )
        return self.signer.sign_transaction(transaction).raw


async def poll(ask: Callable[[], Awaitable[T | None]], *, timeout_s: float, every_s: float = POLL_S) -> T:
    """Asks until there is an answer.

    Raises:
        RpcError: there was none in time.
    """
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                found = await ask()
                if found is not None:
                    return found
                await asyncio.sleep(every_s)
    except TimeoutError as error:
        raise RpcError(f"no answer of the chain within {timeout_s} s") from error


async def mint(owner: Wallet, token: bytes, to: bytes, amount: int) -> Receipt:
    """New tokens; the amount is public."""
    return await owner.transact(token, abi.encode_call(MINT, to, amount))


async def confidential_transfer(
    sender: Wallet, token: bytes, to: bytes, handle: bytes, input_proof: bytes
) -> Receipt:
    """Moves an encrypted amount that the gateway verified for this sender and token."""
    return await sender.transact(token, abi.encode_call(CONFIDENTIAL_TRANSFER, to, handle, input_proof))


async def balance_handle(chain: EthereumChain, token: bytes, account: bytes) -> bytes:
    """Handle of a balance; 32 zeros where the account never had one."""
    return cast(bytes, (await chain.view(token, BALANCE_OF, account))[0])


async def total_supply_handle(chain: EthereumChain, token: bytes) -> bytes:
    """Handle of the sum of all balances."""
    return cast(bytes, (await chain.view(token, TOTAL_SUPPLY))[0])


async def request_proof(
    relayer: Wallet,
    input_verification: bytes,
    *,
    host_chain_id: int,
    contract: bytes,
    user: bytes,
    ciphertext: bytes,
    extra_data: bytes = DEFAULT_EXTRA_DATA,
) -> tuple[int, Receipt]:
    """Asks the gateway to have an encrypted input verified; the request's number and the receipt."""
    data = calls.verify_proof_request(host_chain_id, contract, user, ciphertext, extra_data)
    receipt = await relayer.transact(input_verification, data)
    for log in receipt.logs:
        event = decode_gateway_log(log.topics, log.data)
        if isinstance(event, VerifyProofRequest):
            return event.zk_proof_id, receipt
    raise RpcError("the receipt of a proof request holds no request")


async def wait_for_proof(
    gateway: EthereumChain,
    input_verification: bytes,
    zk_proof_id: int,
    *,
    from_block: int = 0,
    timeout_s: float = 120.0,
) -> ProofOutcome:
    """Waits for the gateway's answer to a request, whichever it is.

    Raises:
        RpcError: there was none in time.
    """

    async def ask() -> ProofOutcome | None:
        head = await gateway.head()
        logs = await gateway.logs_in_range(from_block, head.number, [input_verification])
        events = (decode_gateway_log(item.log.topics, item.log.data) for item in logs)
        answers = (_outcome(event, zk_proof_id) for event in events)
        return next((answer for answer in answers if answer is not None), None)

    return await poll(ask, timeout_s=timeout_s)


def _outcome(event: object, zk_proof_id: int) -> ProofOutcome | None:
    if isinstance(event, VerifyProofResponse) and event.zk_proof_id == zk_proof_id:
        return ProofOutcome(zk_proof_id, True, event.handles, event.signatures)
    if isinstance(event, RejectProofResponse) and event.zk_proof_id == zk_proof_id:
        return ProofOutcome(zk_proof_id, False)
    return None


def assemble_input_proof(
    handles: Sequence[bytes], signatures: Sequence[bytes], extra_data: bytes = DEFAULT_EXTRA_DATA
) -> bytes:
    """What the host chain's contracts take as the proof of an input."""
    return bytes((len(handles), len(signatures))) + b"".join((*handles, *signatures)) + extra_data


async def activate_key(
    owner: Wallet, kms_generation: bytes, key_id: bytes, urls: Sequence[str], digests: Sequence[KeyDigest]
) -> Receipt:
    """Announces a key set; the id as its 32 bytes."""
    rows = [(digest.key_type, digest.digest) for digest in digests]
    number = int.from_bytes(key_id, "big")
    return await owner.transact(kms_generation, abi.encode_call(ACTIVATE_KEY, number, list(urls), rows))


async def activate_crs(
    owner: Wallet, kms_generation: bytes, crs_id: bytes, urls: Sequence[str], digest: bytes
) -> Receipt:
    """Announces a common reference string; the id as its 32 bytes."""
    number = int.from_bytes(crs_id, "big")
    return await owner.transact(kms_generation, abi.encode_call(ACTIVATE_CRS, number, list(urls), digest))
