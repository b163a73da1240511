"""What a node's answers mean, in the words of several nodes, and what a replacement offers."""

import pytest

from streams.adapters.ethereum.errors import RpcRefused
from streams.adapters.ethereum.signer import Signer
from streams.domain.errors import IllegalTransition
from streams.domain.transactions import CallState, Signed, StoredCall, call_transition
from streams.services.sender.broadcast import Broadcast, broadcast, first_fees, raised_fees, sign

GWEI = 10**9
KEY = Signer(bytes(31) + b"\1")


class Answering:
    """A node with one answer to every broadcast."""

    def __init__(self, text: str) -> None:
        self._text = text

    async def send_raw(self, transaction: bytes) -> bytes:
        if self._text:
            raise RpcRefused("eth_sendRawTransaction", -32000, self._text)
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


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("", Broadcast.TAKEN),
        ("transaction already imported", Broadcast.TAKEN),
        ("already known", Broadcast.TAKEN),
        ("nonce too low: next nonce 5, tx nonce 4", Broadcast.TAKEN),
        ("replacement transaction underpriced", Broadcast.TAKEN),
        ("max fee per gas less than block base fee: address 0x1", Broadcast.CHEAP),
        ("transaction underpriced: tip needed 1", Broadcast.CHEAP),
        ("Insufficient funds for gas * price + value", Broadcast.REFUSED),
    ],
)
async def test_answers_by_their_meaning(text: str, meaning: Broadcast) -> None:
    assert await broadcast(Answering(text), a_call()) is meaning  # type: ignore[arg-type]


@pytest.mark.parametrize("price", [GWEI, 50 * GWEI])
def test_a_replacement_offers_at_least_a_tenth_more_and_the_present_price(price: int) -> None:
    max_fee, tip = first_fees(10 * GWEI)
    old = Signed(raw=b"", hash=b"", max_fee=max_fee, priority_fee=tip)
    fees = raised_fees(old, price)
    assert fees[0] * 10 > max_fee * 11
    assert fees[1] * 10 > tip * 11
    assert fees[0] >= first_fees(price)[0]


def test_the_same_call_is_signed_to_the_same_bytes() -> None:
    first, again = (sign(KEY, 54321, 7, 100_000, b"\1" * 20, b"data", (2 * GWEI, GWEI)) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("end", [CallState.CONFIRMED, CallState.REVERTED, CallState.LOST])
def test_a_call_ends_once(end: CallState) -> None:
    assert call_transition(CallState.SIGNED, end) is end
    for other in CallState:
        with pytest.raises(IllegalTransition):
            call_transition(end, other)
