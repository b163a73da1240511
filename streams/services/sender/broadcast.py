"""Signing and sending bytes."""

import structlog

from streams.adapters.ethereum.errors import ContractReverted, RpcRefused
from streams.adapters.ethereum.signer import Signer, Transaction
from streams.domain.errors import ConfigurationError
from streams.domain.transactions import Signed, StoredCall
from streams.services.sender.answers import Answer, answer
from streams.services.sender.fees import Fees
from streams.services.sender.node import Node

_log = structlog.get_logger(__name__)


async def broadcast(node: Node, call: StoredCall) -> tuple[Answer, str]:
    """Give stored bytes to the node, once or once more; what it answers, and its words.

    Raises: RpcError when it does not answer, ConfigurationError when it is of another chain.
    """
    try:
        await node.send_raw(call.signed.raw)
    # some nodes execute before they take it: their text is judged like any other answer
    except ContractReverted as error:
        text = str(error)
    except RpcRefused as error:
        text = error.text
    else:
        return Answer.TAKEN, ""
    meaning = answer(text)
    if meaning is Answer.OTHER_CHAIN:
        raise ConfigurationError(f"gateway.http_url or gateway.chain_id is of another chain: {text}")
    if meaning is not Answer.TAKEN:
        _log.info(
            "broadcast answered", action="broadcast_answered", nonce=call.nonce, answer=text, meaning=meaning
        )
    return meaning, text


def sign(signer: Signer, chain_id: int, nonce: int, gas: int, to: bytes, data: bytes, fees: Fees) -> Signed:
    """The bytes of a call; the same arguments give the same bytes."""
    transaction = Transaction(
        chain_id=chain_id,
        nonce=nonce,
        gas=gas,
        max_fee_per_gas=fees.max_fee,
        max_priority_fee_per_gas=fees.tip,
        to=to,
        data=data,
    )
    signed = signer.sign_transaction(transaction)
    return Signed(raw=signed.raw, hash=signed.hash, max_fee=fees.max_fee, priority_fee=fees.tip)
