"""Signing and sending bytes: fees, and what a node's answer to a broadcast means."""

from enum import StrEnum
from typing import Final

import structlog

from streams.adapters.ethereum.errors import ContractReverted, RpcRefused
from streams.adapters.ethereum.signer import Signer, Transaction
from streams.domain.transactions import Signed, StoredCall
from streams.services.sender.node import Node

_log = structlog.get_logger(__name__)

TIP_WEI: Final = 1_000_000_000  # a rollup ignores it, others want to see one
_HEADROOM: Final = 2  # times the present price: the base fee may double before the call is replaced
_REPLACE_PERCENT: Final = 10  # what nodes want at least on both fees
# Nodes word and number these differently.
_KNOWN: Final = ("already imported", "already known", "known transaction", "already exists")
_USED: Final = ("nonce too low", "nonce is too low", "replacement transaction underpriced")
_CHEAP: Final = ("less than block base fee", "fee cap less than", "underpriced", "max fee per gas")


class Broadcast(StrEnum):
    """What became of a broadcast."""

    TAKEN = "taken"  # now or before; or its nonce is used, which the receipt will tell
    CHEAP = "cheap"  # the fees are too low
    REFUSED = "refused"


async def broadcast(node: Node, call: StoredCall) -> Broadcast:
    """Give stored bytes to the node, once or once more; raises RpcError when it does not answer."""
    try:
        await node.send_raw(call.signed.raw)
    except ContractReverted as error:
        text = str(error)
    except RpcRefused as error:
        text = error.text
    else:
        return Broadcast.TAKEN
    outcome = _meaning(text.lower())
    if outcome is not Broadcast.TAKEN:
        _log.warning("broadcast refused", action="broadcast_refused", nonce=call.nonce, answer=text)
    return outcome


def _meaning(text: str) -> Broadcast:
    if any(phrase in text for phrase in (*_KNOWN, *_USED)):
        return Broadcast.TAKEN
    return Broadcast.CHEAP if any(phrase in text for phrase in _CHEAP) else Broadcast.REFUSED


def first_fees(price: int) -> tuple[int, int]:
    """Highest fee and tip per gas of a new transaction at that price."""
    return _HEADROOM * price + TIP_WEI, TIP_WEI


def raised_fees(signed: Signed, price: int) -> tuple[int, int]:
    """Fees of a replacement: at least so much more that every node takes it."""
    max_fee, tip = first_fees(price)
    return max(max_fee, _more(signed.max_fee)), max(tip, _more(signed.priority_fee))


def _more(fee: int) -> int:
    return fee * (100 + _REPLACE_PERCENT) // 100 + 1


def sign(
    signer: Signer, chain_id: int, nonce: int, gas: int, to: bytes, data: bytes, fees: tuple[int, int]
) -> Signed:
    """The bytes of a call; the same arguments give the same bytes."""
    max_fee, tip = fees
    transaction = Transaction(
        chain_id=chain_id,
        nonce=nonce,
        gas=gas,
        max_fee_per_gas=max_fee,
        max_priority_fee_per_gas=tip,
        to=to,
        data=data,
    )
    signed = signer.sign_transaction(transaction)
    return Signed(raw=signed.raw, hash=signed.hash, max_fee=max_fee, priority_fee=tip)
