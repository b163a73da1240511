"""A range of blocks is asked for in parts that the node takes, each block once and in order."""

import pytest

from streams.adapters.ethereum.errors import BlockUnknown, RpcRefused, TooMuch
from streams.adapters.ethereum.span import Span, pages
from streams.domain.errors import RpcError

TOO_MUCH = TooMuch("an answer of 20 MiB")


class BoundedNode:
    """Tells the numbers of so many blocks at once."""

    def __init__(self, blocks_max: int, refusal: RpcError = TOO_MUCH) -> None:
        self._blocks_max = blocks_max
        self._refusal = refusal
        self.asked: list[int] = []

    async def ask(self, first: int, last: int) -> range:
        self.asked.append(last - first + 1)
        if self.asked[-1] > self._blocks_max:
            raise self._refusal
        return range(first, last + 1)


@pytest.mark.parametrize("refusal", [TOO_MUCH, RpcRefused("eth_getLogs", -32005, "range is too large")])
@pytest.mark.parametrize("blocks_max", [1, 3, 20])
async def test_each_block_is_told_once_and_in_order(blocks_max: int, refusal: RpcError) -> None:
    node = BoundedNode(blocks_max, refusal)
    found = [number async for page in pages(Span(20), 5, 24, node.ask) for number in page]
    assert found == list(range(5, 25))


async def test_a_span_that_is_kept_remembers_what_the_node_takes() -> None:
    node, span = BoundedNode(5), Span(20)
    for _ in range(2):
        node.asked.clear()
        _ = [page async for page in pages(span, 1, 20, node.ask)]
    assert node.asked == [5, 5, 5, 5]


async def test_one_block_that_is_refused_is_the_caller_s() -> None:
    with pytest.raises(TooMuch):
        _ = [page async for page in pages(Span(20), 1, 20, BoundedNode(0).ask)]


async def test_a_block_that_has_gone_is_no_matter_of_the_range() -> None:
    async def ask(first: int, last: int) -> None:
        raise BlockUnknown("eth_getLogs", -32000, f"unknown block {first}")

    span = Span(20)
    with pytest.raises(BlockUnknown):
        _ = [page async for page in pages(span, 1, 20, ask)]
    assert span.length == 20
