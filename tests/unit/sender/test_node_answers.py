"""What nodes say to a broadcast, each row of the table in the words of some node."""

import pytest

from streams.adapters.ethereum.errors import ContractReverted, RpcRefused
from streams.adapters.ethereum.signer import Signer
from streams.domain.errors import ConfigurationError
from streams.domain.transactions import Signed, StoredCall
from streams.services.sender.answers import ANSWERS, Answer, answer
from streams.services.sender.broadcast import broadcast, sign
from streams.services.sender.fees import Fees

GWEI = 10**9
KEY = Signer(bytes(31) + b"\1")
WORDS = [
    ("transaction already imported", Answer.TAKEN),
    ("already known", Answer.TAKEN),
    ("AlreadyKnown", Answer.TAKEN),
    ("known transaction: 0xabcd", Answer.TAKEN),
    ("unknown transaction type: 2", Answer.REFUSED),
    ("transaction already exists in the pool", Answer.TAKEN),
    ("nonce too low: next nonce 5, tx nonce 4", Answer.USED),
    ("Transaction nonce is too low. Try incrementing the nonce.", Answer.USED),
    ("OldNonce", Answer.USED),
    ("replacement transaction underpriced", Answer.OUTBID),
    ("replacement not allowed", Answer.OUTBID),
    ("ReplacementNotAllowed", Answer.OUTBID),
    ("max fee per gas less than block base fee: address 0x1", Answer.CHEAP),
    ("err: fee cap less than block base fee", Answer.CHEAP),
    ("fee cap less than the minimum", Answer.CHEAP),
    ("max fee per gas too low", Answer.CHEAP),
    ("transaction underpriced: tip needed 1", Answer.CHEAP),
    ("gas price too low to be included", Answer.CHEAP),
    ("FeeTooLow, MaxFeePerGas too low", Answer.CHEAP),
    ("Insufficient funds for gas * price + value", Answer.NO_FUNDS),
    ("InsufficientFunds, Account balance: 0", Answer.NO_FUNDS),
    ("upfront cost exceeds account: insufficient balance", Answer.NO_FUNDS),
    ("invalid chain id for signer: have 1 want 2", Answer.OTHER_CHAIN),
    ("InvalidTxChainId", Answer.OTHER_CHAIN),
    ("nonce too high", Answer.LATER),
    ("NonceGap, Future nonce", Answer.LATER),
    ("txpool is full", Answer.LATER),
    ("exceeds the pool limit of the account", Answer.LATER),
    ("too many pending transactions", Answer.LATER),
    ("gas required exceeds allowance (30000000)", Answer.GAS),
    ("exceeds block gas limit", Answer.GAS),
    ("intrinsic gas too high -- CallGasCostMoreThanGasLimit", Answer.GAS),
    ("out of gas: gas limit", Answer.GAS),
    ("something that no table knows", Answer.REFUSED),
]


class Answering:
    """A node with one answer to every broadcast."""

    def __init__(self, error: Exception | None) -> None:
        self._error = error

    async def send_raw(self, transaction: bytes) -> bytes:
        if self._error is not None:
            raise self._error
        return bytes(32)


def a_call() -> StoredCall:
    signed = Signed(raw=b"raw", hash=bytes(32), max_fee=1, priority_fee=1)
    return StoredCall(
        address=KEY.address,
        nonce=0,
        call_hash=bytes(32),
        item="i",
        tenant="t",
        to=bytes(20),
        data=b"",
        gas=1,
        signed=signed,
    )


@pytest.mark.parametrize(("words", "meaning"), WORDS)
def test_each_answer_has_one_meaning(words: str, meaning: Answer) -> None:
    assert answer(words) is meaning


def test_every_phrase_of_the_table_is_tried() -> None:
    said = [words.lower() for words, _ in WORDS]
    assert [phrase for phrase, _ in ANSWERS if not any(phrase in words for words in said)] == []


async def test_a_broadcast_gives_the_meaning_and_the_words() -> None:
    assert await broadcast(Answering(None), a_call()) == (Answer.TAKEN, "")  # type: ignore[arg-type]
    refused = Answering(RpcRefused("eth_sendRawTransaction", -32000, "nonce too low"))
    assert await broadcast(refused, a_call()) == (Answer.USED, "nonce too low")  # type: ignore[arg-type]


async def test_a_revert_at_a_broadcast_is_a_refusal() -> None:
    reverted = Answering(ContractReverted("Unknown", (), b""))
    assert await broadcast(reverted, a_call()) == (Answer.REFUSED, "Unknown()")  # type: ignore[arg-type]


async def test_a_node_of_another_chain_stops_the_process() -> None:
    refused = Answering(RpcRefused("eth_sendRawTransaction", -32000, "invalid chain id for signer"))
    with pytest.raises(ConfigurationError, match="of another chain"):
        await broadcast(refused, a_call())  # type: ignore[arg-type]


def test_the_same_call_is_signed_to_the_same_bytes() -> None:
    fees = Fees(2 * GWEI, GWEI)
    first, again = (sign(KEY, 54321, 7, 100_000, b"\1" * 20, b"data", fees) for _ in range(2))
    assert first == again
