"""What the tests ask of a development node beyond the protocol."""

from streams.adapters.ethereum.chain import ANYTHING, EthereumChain, Head


async def command(node: EthereumChain, method: str, *params: object) -> object:
    """A call that only a development node knows."""
    return await node.rpc.call(method, params, ANYTHING)


async def mined(node: EthereumChain, count: int) -> Head:
    """The head after that many more blocks."""
    await command(node, "anvil_mine", hex(count))
    return await node.head()
