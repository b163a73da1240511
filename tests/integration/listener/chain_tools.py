"""What the tests ask of a development node beyond the protocol."""

from streams.adapters.ethereum.chain import ANYTHING, EthereumChain, Head
from streams.domain.digest import event_topic

CALLER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"  # the first account of a development node
THRESHOLD_TOPIC = event_topic("UpdateCoprocessorThreshold(uint256)")
_GAS = 29_000_000
_PROGRAM_BYTES = 52


async def command(node: EthereumChain, method: str, *params: object) -> object:
    """A call that only a development node knows."""
    return await node.rpc.call(method, params, ANYTHING)


async def mined(node: EthereumChain, count: int) -> Head:
    """The head after that many more blocks."""
    await command(node, "anvil_mine", hex(count))
    return await node.head()


async def place_emitter(
    node: EthereumChain, address: bytes, topic: bytes, size_bytes: int, data: bytes = b""
) -> None:
    """A contract that answers every call with one event: these data, then zeros up to the size."""
    # PUSH4 length, PUSH1 start, PUSH1 0, CODECOPY, PUSH32 topic, PUSH4 size, PUSH1 0, LOG1, STOP
    copy = b"\x63" + len(data).to_bytes(4, "big") + b"\x60" + bytes((_PROGRAM_BYTES,)) + b"\x60\x00\x39"
    program = copy + b"\x7f" + topic + b"\x63" + size_bytes.to_bytes(4, "big") + b"\x60\x00\xa1\x00"
    assert len(program) == _PROGRAM_BYTES
    await command(node, "anvil_setCode", f"0x{address.hex()}", f"0x{(program + data).hex()}")


async def emit(node: EthereumChain, address: bytes) -> Head:
    """The head after a block with an event of that contract."""
    call = {"from": CALLER, "to": f"0x{address.hex()}", "gas": hex(_GAS)}
    await command(node, "eth_sendTransaction", call)
    return await node.head()
