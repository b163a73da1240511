"""A listener and a node that lies, forgets, cuts and dawdles: facts are the chain's, whatever it said."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from fake_chain import FakeChain, a_log, blocks_of, digest
from stormy_node import Busy, Cut, Fault, Late, Refused, StormyNode, Told, stormy, wire

from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.ethereum.errors import BlockUnknown, WrongLogs
from streams.adapters.ethereum.rpc import RpcClient
from streams.adapters.memory.clock import FakeClock
from streams.adapters.memory.log import MemoryLog
from streams.adapters.telemetry.metrics import Metrics
from streams.domain.errors import Recoverable, RpcError
from streams.domain.facts import Log
from streams.services.listener import reading
from streams.services.listener.follower import Behind, TooDeep
from streams.services.listener.host import HostFollower, tenant_of
from streams.services.listener.reading import Moved
from streams.settings import HostChainSettings

ACL, EXECUTOR, OTHER = bytes.fromhex("ac" * 20), bytes.fromhex("ee" * 20), b"\x01" * 20
DEPTH = 50  # reorg_depth_max where nothing is set
HEAD, BLOCK, LOGS = "eth_getBlockByNumber", "eth_getBlockByHash", "eth_getLogs"
TRIES = 200  # more steps than any weather here takes


class Rig:
    """A listener of a node in bad weather."""

    def __init__(self, node: StormyNode, rpc: RpcClient, log: MemoryLog, host: HostChainSettings) -> None:
        self.node, self.chain, self.log, self.host = node, node.chain, log, host
        self.source = EthereumChain(rpc)
        self.follower = self.listener()

    def listener(self) -> HostFollower:
        return HostFollower(self.source, self.log, self.host, FakeClock(), Metrics())

    async def follow(self) -> list[Recoverable]:
        """Step as the service does until the log has the head; what went wrong on the way."""
        errors: list[Recoverable] = []
        for _ in range(TRIES):
            try:
                if not await self.follower.step() and self.is_complete():
                    return errors
            except Recoverable as error:
                errors.append(error)
        raise AssertionError(f"not followed: {errors[-3:]}")

    def is_complete(self) -> bool:
        told = {block.hash for block in blocks_of(self.log, tenant_of(self.host))}
        return {head.hash for head in self.chain.branch[self.host.start_block :]} <= told

    async def check(self) -> None:
        """Parents come first, no block twice, and every block of the branch has exactly its logs."""
        told = blocks_of(self.log, tenant_of(self.host))
        by_hash = {block.hash: block for block in told}
        assert len(by_hash) == len(told)
        seen: set[bytes] = set()
        for block in told:
            assert block.anchor or block.parent_hash in seen
            seen.add(block.hash)
        for head in self.chain.branch[self.host.start_block :]:
            assert by_hash[head.hash].logs == await self.chain.logs_of_block(head.hash, (ACL, EXECUTOR))


PATIENCE_S = 30.0  # of the client: an honest node on a slow machine is never late
IMPATIENCE_S = 0.25


@contextlib.asynccontextmanager
async def weather(log: MemoryLog, host: HostChainSettings, timeout_s: float) -> AsyncIterator[Rig]:
    async with (
        stormy(FakeChain(length=4)) as node,
        RpcClient(node.http_url, timeout_s=timeout_s, attempts=2, wait_first_s=0.0) as rpc,
    ):
        rig = Rig(node, rpc, log, host)
        await rig.follow()
        yield rig


@pytest.fixture
async def rig(log: MemoryLog, host: HostChainSettings) -> AsyncIterator[Rig]:
    async with weather(log, host, PATIENCE_S) as rig:
        yield rig


def some(index: int, data: bytes = b"\x07") -> list[Log]:
    """Logs of one block: two of ours, one of somebody else."""
    return [
        a_log(ACL, 2 * index, data, (digest("allowed"),)),
        a_log(EXECUTOR, 2 * index + 1, data, (digest("add"), digest(index))),
        a_log(OTHER, 2 * index + 2, b"", (digest("stranger"),)),
    ]


def mine(rig: Rig, count: int) -> None:
    for index in range(count):
        rig.chain.mine(1, some(index))


@pytest.mark.parametrize("fault", [Cut(), Late(), Busy()], ids=["cut", "late", "busy"])
@pytest.mark.parametrize("method", [HEAD, LOGS])
async def test_an_answer_that_does_not_come_whole_is_asked_for_again(
    log: MemoryLog, host: HostChainSettings, method: str, fault: Fault
) -> None:
    async with weather(log, host, IMPATIENCE_S if isinstance(fault, Late) else PATIENCE_S) as rig:
        mine(rig, 2)
        rig.node.next[method] = [fault] * 3
        errors = await rig.follow()
        assert all(isinstance(error, RpcError) for error in errors)
        assert errors
        await rig.check()


def of_another_block(true: list[dict[str, Any]], _params: list[Any]) -> list[dict[str, Any]]:
    return [{**log, "blockHash": f"0x{digest('other').hex()}"} for log in true]


def doubled(true: list[dict[str, Any]], _params: list[Any]) -> list[dict[str, Any]]:
    return [*true, *true]


def removed(true: list[dict[str, Any]], _params: list[Any]) -> list[dict[str, Any]]:
    return [{**log, "removed": True} for log in true]


def nothing(_true: list[dict[str, Any]], _params: list[Any]) -> list[dict[str, Any]]:
    return []


def without_acl(true: list[dict[str, Any]], _params: list[Any]) -> list[dict[str, Any]]:
    return [log for log in true if log["address"] != f"0x{ACL.hex()}"]


def invented(true: list[dict[str, Any]], _params: list[Any]) -> list[dict[str, Any]]:
    return [{**log, "topics": [f"0x{digest('invented').hex()}"]} for log in true]


LIES = [of_another_block, doubled, removed, nothing, without_acl, invented]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
@pytest.mark.parametrize("count", [1, 6], ids=["at the head", "behind"])
async def test_logs_that_are_not_the_blocks_own_are_never_told(
    rig: Rig, lie: Callable[..., Any], count: int
) -> None:
    mine(rig, count)
    rig.node.next[LOGS] = [Told(lie)] * 9
    errors = await rig.follow()
    assert errors
    assert {type(error) for error in errors} <= {WrongLogs, Moved}
    await rig.check()


async def test_a_bloom_that_claims_too_much_is_refuted_by_the_blocks_own_logs(rig: Rig) -> None:
    strangers = [a_log(OTHER, at, b"", tuple(digest(at, n) for n in range(4))) for at in range(600)]
    for _ in range(5):
        rig.chain.mine(1, strangers)  # every bit of the bloom is set
    assert await rig.follow() == []
    await rig.check()


async def test_a_chain_without_true_blooms_is_followed_when_the_settings_say_so(rig: Rig) -> None:
    mine(rig, 5)
    rig.node.always[HEAD] = Told(lambda true, _: true and {**true, "logsBloom": "0x" + bytes(256).hex()})
    with pytest.raises(WrongLogs, match="logs_bloom = false"):
        await rig.follower.step()
    rig.source = EthereumChain(rig.source.rpc, has_blooms=False)
    rig.follower = rig.listener()
    assert await rig.follow() == []
    await rig.check()


async def test_a_head_that_goes_backwards_is_harmless(rig: Rig) -> None:
    mine(rig, 20)
    await rig.follow()
    older = [wire(rig.chain.branch[number]) for number in (15, 21, 4)]
    mine(rig, 3)
    rig.node.next[HEAD] = [Told(lambda _true, _params, head=head: head) for head in older]
    assert await rig.follow() == []
    await rig.check()


async def test_a_block_that_is_announced_and_cannot_be_given_is_waited_for(rig: Rig) -> None:
    announced = wire(rig.chain.mine(1, some(1)))
    (hidden,) = rig.chain.drop(1)
    rig.node.next[HEAD] = [Told(lambda _true, _params: announced)] * 3
    for _ in range(3):
        with pytest.raises(BlockUnknown):
            await rig.follower.step()
    rig.chain.restore([hidden])
    await rig.follow()
    await rig.check()


async def test_blocks_that_were_announced_and_never_come_leave_no_trace(rig: Rig) -> None:
    rig.chain.mine(5)
    ghosts = [wire(head) for head in rig.chain.drop(5)]
    rig.node.next[HEAD] = [Told(lambda _true, _params: ghosts[-1])]
    with pytest.raises(Moved):
        await rig.follower.step()
    mine(rig, 2)
    await rig.follow()
    await rig.check()


async def test_two_nodes_behind_one_address_are_both_followed(rig: Rig) -> None:
    """Each answer comes from one of two branches in turns, until one of the nodes gives in."""
    mine(rig, 3)
    await rig.follow()
    here, there = rig.chain, FakeChain()
    there.branch, there.logs = here.branch[:], here.logs.copy()
    there.drop(2)
    for index in range(4):
        there.mine(1, some(index, b"\x09"))
        here.mine(1, some(index))
    for step in range(40):
        rig.node.chain = there if step % 3 else here
        with contextlib.suppress(RpcError, Moved):
            await rig.follower.step()
    rig.node.chain = rig.chain = there
    there.mine(2)
    await rig.follow()
    await rig.check()


async def leave(rig: Rig, blocks: int, *, gradually: bool) -> None:
    """The chain leaves so many blocks for more others."""
    assert rig.host.reorg_depth_max == DEPTH
    mine(rig, 2 * DEPTH)
    await rig.follow()
    rig.chain.drop(blocks)
    for _ in range(blocks + 1):
        rig.chain.mine(1)
        if gradually:
            await rig.follow()
    await rig.follow()


@pytest.mark.parametrize("gradually", [False, True], ids=["in one step", "in many"])
async def test_a_reorganisation_as_deep_as_the_bound_is_followed(rig: Rig, gradually: bool) -> None:
    await leave(rig, DEPTH, gradually=gradually)
    await rig.check()


@pytest.mark.parametrize("gradually", [False, True], ids=["in one step", "in many"])
async def test_one_that_is_a_block_deeper_ends_the_process(rig: Rig, gradually: bool) -> None:
    with pytest.raises(TooDeep, match="raise reorg_depth_max") as raised:
        await leave(rig, DEPTH + 1, gradually=gradually)
    assert raised.value.category == "fatal"


async def test_a_raised_bound_goes_on_where_the_listener_stopped(rig: Rig) -> None:
    mine(rig, 2 * DEPTH)
    await rig.follow()
    rig.chain.drop(DEPTH + 20)
    rig.chain.mine(DEPTH + 25)
    with pytest.raises(TooDeep):
        await rig.follow()
    rig.host = rig.host.model_copy(update={"reorg_depth_max": DEPTH + 20})
    rig.follower = rig.listener()
    await rig.follow()
    await rig.check()


async def test_a_node_that_starts_over_is_waited_for(rig: Rig) -> None:
    """It has lost its data and synchronises again: that is no reorganisation, however far it stands back."""
    mine(rig, 700)
    await rig.follow()
    rig.follower = rig.listener()
    all_of_it = rig.chain.branch[:]
    del rig.chain.branch[10:]
    with pytest.raises(Behind, match="stands at 9"):
        await rig.follower.step()
    rig.chain.restore(all_of_it[10:])
    mine(rig, 1)
    assert await rig.follow() == []
    await rig.check()


def range_of(params: list[Any]) -> int:
    query = params[0]
    return int(query["toBlock"], 16) - int(query["fromBlock"], 16) + 1 if "toBlock" in query else 1


async def test_a_range_that_is_refused_is_halved_until_it_is_answered(rig: Rig) -> None:
    mine(rig, 90)
    rig.node.always[LOGS] = Refused("query exceeds max results", lambda params: range_of(params) > 11)
    assert await rig.follow() == []
    await rig.check()
    assert rig.node.asked[LOGS] < 20


async def test_a_node_without_ranges_is_read_block_by_block(rig: Rig) -> None:
    mine(rig, 20)
    rig.node.always[LOGS] = Refused("ranges are not served", lambda params: "toBlock" in params[0])
    assert await rig.follow() == []
    await rig.check()


async def test_a_block_with_more_than_the_node_gives_at_once_is_read_by_contract(rig: Rig) -> None:
    mine(rig, 2)
    rig.node.always[LOGS] = Refused("response too large", lambda params: len(params[0]["address"]) > 1)
    assert await rig.follow() == []
    await rig.check()


@pytest.mark.parametrize("count", [1, 6], ids=["at the head", "behind"])
async def test_a_cap_that_is_not_told_is_noticed(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(reading, "LARGE_LOGS", 8)
    for _ in range(count):
        topics = (digest("add"),)
        rig.chain.mine(1, [a_log((ACL, EXECUTOR)[at % 2], at, bytes((at,)), topics) for at in range(12)])
    rig.node.always[LOGS] = Told(lambda true, _: true[:9])
    assert await rig.follow() == []
    await rig.check()


async def test_a_contract_whose_logs_alone_exceed_the_cap_is_never_told_in_part(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LARGE_LOGS", 8)
    logs = [a_log(EXECUTOR, at, bytes((at,))) for at in range(12)]
    rig.chain.mine(1, [*logs, a_log(ACL, 12)])
    rig.node.next[LOGS] = [Told(lambda true, _: true[:9])] * 6
    errors = await rig.follow()
    assert any("cuts answers" in str(error) or "lacks logs" in str(error) for error in errors)
    await rig.check()


async def test_pages_grow_again_after_a_while(rig: Rig) -> None:
    mine(rig, 60)
    reader = reading.LogReader(rig.source, (ACL, EXECUTOR), 32)
    rig.node.always[LOGS] = Refused("too many", lambda params: range_of(params) > 2)
    await reader.of_range(4, 60)
    rig.node.always.clear()
    for _ in range(20):
        await reader.of_range(4, 60)
    before = rig.node.asked[LOGS]
    found = await reader.of_range(4, 35)
    assert rig.node.asked[LOGS] == before + 1
    assert [entry.block_number for entry in found] == [n for n in range(4, 36) for _ in range(2)]


async def test_an_error_that_a_shorter_range_does_not_help_is_raised(rig: Rig) -> None:
    rig.node.always[LOGS] = Refused("internal error")
    with pytest.raises(RpcError, match="internal error"):
        await reading.LogReader(rig.source, (ACL,), 32).of_range(1, 3)
