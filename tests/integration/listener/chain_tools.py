"""What the tests ask of a development node beyond the protocol."""

import asyncio

from eth_abi.abi import encode

from streams.adapters.ethereum.chain import ANYTHING, TEXT, EthereumChain, Head, unhex
from streams.domain.digest import event_topic

CALLER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"  # the first account of a development node
THRESHOLD_TOPIC = event_topic("UpdateCoprocessorThreshold(uint256)")
_GAS = 29_000_000
_MINED_POLL_S = 0.02
_EVENT_BYTES = 52
_ANSWER_BYTES = 96
_PROGRAM_BYTES = 4 + _EVENT_BYTES + 13


async def command(node: EthereumChain, method: str, *params: object) -> object:
    """A call that only a development node knows."""
    return await node.rpc.call(method, params, ANYTHING)


async def mined(node: EthereumChain, count: int) -> Head:
    """The head after that many more blocks."""
    await command(node, "anvil_mine", hex(count))
    return await node.head()


async def place_emitter(
    node: EthereumChain,
    address: bytes,
    topic: bytes,
    size_bytes: int,
    data: bytes = b"",
    version: str = "InputVerification v0.6.0",
) -> None:
    """A contract that answers a bare call with one event: these data, then zeros up to the size.

    A call with data is taken for `getVersion()`.
    """
    start = bytes((_PROGRAM_BYTES + _ANSWER_BYTES,))
    # CALLDATASIZE, PUSH1 view, JUMPI
    program = b"\x36\x60" + bytes((4 + _EVENT_BYTES,)) + b"\x57"
    # PUSH4 length, PUSH1 start, PUSH1 0, CODECOPY, PUSH32 topic, PUSH4 size, PUSH1 0, LOG1, STOP
    program += b"\x63" + len(data).to_bytes(4, "big") + b"\x60" + start + b"\x60\x00\x39"
    program += b"\x7f" + topic + b"\x63" + size_bytes.to_bytes(4, "big") + b"\x60\x00\xa1\x00"
    # view: JUMPDEST, PUSH1 length, PUSH1 start, PUSH1 0, CODECOPY, PUSH1 length, PUSH1 0, RETURN
    program += b"\x5b\x60\x60\x60" + bytes((_PROGRAM_BYTES,)) + b"\x60\x00\x39\x60\x60\x60\x00\xf3"
    answer = encode(["string"], [version])
    assert (len(program), len(answer)) == (_PROGRAM_BYTES, _ANSWER_BYTES)
    await command(node, "anvil_setCode", f"0x{address.hex()}", f"0x{(program + answer + data).hex()}")


async def emit(node: EthereumChain, address: bytes) -> Head:
    """The head after a block with an event of that contract."""
    call = {"from": CALLER, "to": f"0x{address.hex()}", "gas": hex(_GAS)}
    sent = unhex(await node.rpc.call("eth_sendTransaction", (call,), TEXT))
    # The node answers once the transaction is in its pool: a busy machine mines the block a moment later.
    while await node.receipt(sent) is None:  # noqa: ASYNC110 - the node announces nothing to a client of HTTP
        await asyncio.sleep(_MINED_POLL_S)
    return await node.head()
