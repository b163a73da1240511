"""Ranges of the gateway: contiguous for each tenant, empty ones too, repaired after a reorganisation."""

from collections.abc import Callable, Iterator

import pytest
from eth_abi.abi import encode
from fake_chain import FakeChain, a_log, ranges_of

from streams.adapters.ethereum.chain import Head
from streams.adapters.memory.clock import FakeClock
from streams.adapters.memory.log import MemoryLog
from streams.adapters.telemetry.metrics import Metrics
from streams.domain.digest import event_topic
from streams.domain.errors import BrokerError, RpcError
from streams.domain.facts import FACT_WHOLE_BYTES_MAX, GATEWAY_TENANT, GatewayRange, Log
from streams.messages.topics import EVENTS
from streams.services.listener.audit import AUDIT_S
from streams.services.listener.follower import Moved, TooDeep
from streams.services.listener.gateway import (
    BLOCKS_MAX,
    EVENTS_MAX,
    QUIET_S,
    RANGE_BYTES_MAX,
    GatewayFollower,
    contracts_of,
)
from streams.services.listener.gateway_ends import End, fold
from streams.services.listener.gateway_routes import Router
from streams.settings import GatewaySettings

CONTRACT = bytes.fromhex("aa" * 20)
OURS, OTHER, STRANGER = 12345, 777, 999
TENANTS = {OURS: "ours", OTHER: "other"}
KillAt = Callable[[str], type[BaseException]]


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def request(zk_proof_id: int, chain_id: int, index: int = 0, extra_data: bytes = b"\0") -> Log:
    topic = event_topic("VerifyProofRequest(uint256,uint256,address,address,bytes,bytes)")
    types = ["address", "address", "bytes", "bytes"]
    data = encode(types, ["0x" + "11" * 20, "0x" + "22" * 20, b"list", extra_data])
    return a_log(CONTRACT, index, data, (topic, word(zk_proof_id), word(chain_id)))


def rejection(zk_proof_id: int, index: int = 0) -> Log:
    return a_log(CONTRACT, index, b"", (event_topic("RejectProofResponse(uint256)"), word(zk_proof_id)))


def material(chain_id: int, index: int = 0) -> Log:
    topic = event_topic("AddCiphertextMaterial(bytes32,uint256,bytes32,bytes32,address)")
    handle = bytes(22) + chain_id.to_bytes(8, "big") + bytes((5, 0))
    data = word(1) + bytes(32) + bytes(32) + word(7)
    return a_log(CONTRACT, index, data, (topic, handle))


def threshold() -> Log:
    return a_log(CONTRACT, 0, word(1), (event_topic("UpdateCoprocessorThreshold(uint256)"),))


class Rig:
    """A gateway, a log, and listeners that come and go."""

    def __init__(self, log: MemoryLog, clock: FakeClock) -> None:
        self.log, self.clock = log, clock
        self.chain = FakeChain(length=6)
        self.metrics = Metrics()
        self.router = Router(TENANTS)
        self.settings = GatewaySettings(input_verification_address="0x" + CONTRACT.hex(), start_block=4)

    def listener(self) -> GatewayFollower:
        return GatewayFollower(self.chain, self.log, self.settings, self.router, self.clock, self.metrics)

    def counted(self) -> tuple[float, float]:
        """Requests told and failed, as /metrics has them."""
        name = "coprocessor_gw_listener_verify_proof"
        lines = dict(line.rsplit(" ", 1) for line in self.metrics.text().decode().splitlines())
        return float(lines[f"{name}_success_counter"]), float(lines[f"{name}_fail_counter"])

    async def drain(self, follower: GatewayFollower | None = None) -> GatewayFollower:
        follower = follower or self.listener()
        while await follower.step():
            pass
        return follower

    async def later(self, follower: GatewayFollower) -> GatewayFollower:
        await self.clock.advance(QUIET_S)
        return await self.drain(follower)

    def spans(self, tenant: str) -> list[tuple[int, int]]:
        return [(found.from_block, found.to_block) for found in ranges_of(self.log, tenant)]

    def topics(self, tenant: str) -> list[tuple[int, bytes]]:
        """Every event that a tenant was told of, once: as its reader counts them."""
        told: list[tuple[int, bytes]] = []
        tip = -1
        for found in ranges_of(self.log, tenant):
            told += [(log.block_number, log.log.topics[1]) for log in found.logs if log.block_number > tip]
            tip = max(tip, found.to_block)
        return told


@pytest.fixture
def rig(log: MemoryLog, clock: FakeClock) -> Rig:
    return Rig(log, clock)


def routed(*logs: Log) -> Iterator[tuple[str, ...]]:
    router = Router(TENANTS)
    return (router.route(log) for log in logs)


def test_requests_go_to_the_tenant_of_their_chain_and_answers_follow() -> None:
    assert list(routed(request(1, OURS), request(2, STRANGER), rejection(1), rejection(2))) == [
        ("ours",),
        (GATEWAY_TENANT,),
        ("ours",),
        (GATEWAY_TENANT,),
    ]


def test_an_answer_to_an_unknown_request_goes_to_every_tenant() -> None:
    assert list(routed(rejection(9))) == [("ours", "other", GATEWAY_TENANT)]


def test_commits_go_to_the_tenant_of_the_handle_and_configuration_to_the_gateway() -> None:
    assert list(routed(material(OTHER), material(STRANGER), threshold())) == [
        ("other",),
        (GATEWAY_TENANT,),
        (GATEWAY_TENANT,),
    ]


def test_rights_of_an_old_network_are_listened_to_where_it_is_named_and_go_to_the_handles_tenant() -> None:
    topic = event_topic("AllowPublicDecrypt(bytes32,address,bytes)")
    handle = bytes(22) + OTHER.to_bytes(8, "big") + bytes((5, 0))
    right = a_log(CONTRACT, 0, word(7) + word(64) + word(0), (topic, handle))
    assert list(routed(right)) == [("other",)]
    named = GatewaySettings(multichain_acl_address="0x" + "cc" * 20)
    assert (contracts_of(GatewaySettings()), contracts_of(named)) == ((), (b"\xcc" * 20,))


def test_the_set_of_operators_goes_to_everybody_who_expects_their_commits() -> None:
    topic = event_topic("UpdateCoprocessors((address,address,string)[],uint256)")
    nobody = (64).to_bytes(32, "big") + (1).to_bytes(32, "big") + bytes(32)
    assert list(routed(a_log(CONTRACT, 0, nobody, (topic,)))) == [("ours", "other", GATEWAY_TENANT)]


def test_what_does_not_decode_goes_to_the_gateway_and_strangers_to_nobody() -> None:
    broken = a_log(CONTRACT, 0, b"short", (event_topic("UpdateCoprocessorThreshold(uint256)"),))
    assert list(routed(broken, a_log(CONTRACT))) == [(GATEWAY_TENANT,), ()]


def a_range(from_block: int, to_block: int, salt: str = "a", from_salt: str = "a") -> GatewayRange:
    return GatewayRange(
        chain_id=1,
        from_block=from_block,
        from_hash=f"{from_salt}{from_block}".encode(),
        to_block=to_block,
        to_hash=f"{salt}{to_block}".encode(),
    )


def ends(*texts: str) -> list[End]:
    return [End(int(text[1:]), text.encode()) for text in texts]


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ([], []),
        ([a_range(3, 5), a_range(5, 9)], ["a3", "a5", "a9"]),
        ([a_range(3, 5), a_range(3, 4), a_range(4, 8)], ["a3", "a5", "a8"]),
        ([a_range(3, 5), a_range(5, 9), a_range(3, 5, "b"), a_range(5, 7, "b", "b")], ["a3", "b5", "b7"]),
        ([a_range(3, 5), a_range(5, 9, from_salt="b")], ["a3", "a5"]),
        ([a_range(3, 5), a_range(7, 9)], ["a3", "a5"]),
        ([a_range(3, 9), a_range(5, 9, "b")], ["a3"]),
        ([a_range(3, 5), a_range(5, 9), a_range(9, 12), a_range(5, 9, "b")], ["a3", "a5", "b9"]),
    ],
    ids=[
        "nothing",
        "contiguous",
        "overlapping",
        "reorganised",
        "foreign start",
        "gap",
        "inner start",
        "deep",
    ],
)
def test_ranges_add_up_to_ends(ranges: list[GatewayRange], expected: list[str]) -> None:
    assert fold(ranges) == ends(*expected)


async def test_each_tenant_gets_its_events_and_everybody_a_contiguous_sequence(rig: Rig) -> None:
    follower = await rig.drain()
    rig.chain.mine(1, [request(1, OURS), material(OTHER, 1)])
    await rig.later(follower)
    for tenant in ("ours", "other", GATEWAY_TENANT):
        assert rig.spans(tenant) == [(3, 5), (5, 6)]
    assert rig.topics("ours") == [(6, word(1))]
    assert len(rig.topics("other")) == 1
    assert rig.topics(GATEWAY_TENANT) == []


async def test_a_range_tells_the_time_of_its_last_block(rig: Rig) -> None:
    await rig.drain()
    (found,) = ranges_of(rig.log, "ours")
    head = await rig.chain.head()
    assert (found.to_block, found.to_timestamp) == (head.number, head.timestamp)
    assert found.to_timestamp > 0


async def test_only_what_begins_where_the_listener_does_says_so(rig: Rig) -> None:
    follower = await rig.drain()
    rig.chain.mine()
    await rig.later(follower)
    assert [found.anchor for found in ranges_of(rig.log, "ours")] == [True, False]


async def test_empty_ranges_come_once_a_second_and_events_at_once(rig: Rig) -> None:
    follower = await rig.drain()
    rig.chain.mine(1)
    await rig.drain(follower)
    assert rig.spans("ours") == [(3, 5)]
    rig.chain.mine(1, [request(1, OURS)])
    await rig.drain(follower)
    assert rig.spans("ours") == [(3, 5), (5, 7)]
    assert rig.spans("other") == [(3, 5)]
    await rig.later(follower)
    assert rig.spans("other") == [(3, 5), (5, 7)]


async def test_a_long_absence_is_caught_up_in_bounded_ranges(rig: Rig) -> None:
    rig.chain.mine(250)
    await rig.later(await rig.drain())
    assert rig.spans("ours") == [(3, 103), (103, 203), (203, 255)]
    assert max(to - start for start, to in rig.spans("ours")) == BLOCKS_MAX


async def test_a_tenant_that_catches_up_holds_up_no_other(rig: Rig) -> None:
    rig.router = Router({OTHER: "other"})
    follower = await rig.drain()
    rig.chain.mine(250)
    await rig.later(follower)
    rig.chain.mine(1, [material(OTHER)])
    rig.router = Router(TENANTS)  # a host chain more, whose tenant begins where the gateway began
    follower = rig.listener()
    await follower.step()
    assert rig.spans("ours") == [(3, 103)]
    assert rig.spans("other")[-1][1] == 256
    assert len(rig.topics("other")) == 1
    await rig.later(await rig.later(follower))
    assert rig.spans("ours") == [(3, 103), (103, 203), (203, 256)]


async def test_a_range_has_at_most_so_many_events_cut_at_whole_blocks(rig: Rig) -> None:
    rig.chain.mine(1, [request(i, OURS, i) for i in range(200)])
    rig.chain.mine(1, [request(200 + i, OURS, i) for i in range(200)])
    rig.chain.mine(1, [request(400 + i, OURS, i) for i in range(EVENTS_MAX + 5)])
    follower = await rig.drain()
    for _ in range(2):
        await rig.later(follower)
    found = [
        (to, len(r.logs)) for r, (_, to) in zip(ranges_of(rig.log, "ours"), rig.spans("ours"), strict=True)
    ]
    assert found == [(6, 200), (7, 200), (8, EVENTS_MAX + 5)]
    assert len(rig.topics("ours")) == 400 + EVENTS_MAX + 5


async def test_a_range_has_at_most_so_many_bytes_cut_at_whole_blocks(rig: Rig) -> None:
    """Anybody may ask the gateway with calldata of any length: a fact that is too large halts its tenant."""
    assert RANGE_BYTES_MAX * 4 // 3 + EVENTS_MAX * 1_000 < FACT_WHOLE_BYTES_MAX / 2
    large = RANGE_BYTES_MAX // 3
    for count in (2, 2, 1, 4):
        first = len(rig.chain.branch) * 10
        rig.chain.mine(1, [request(first + i, OURS, i, bytes(large)) for i in range(count)])
    follower = await rig.drain()
    for _ in range(3):
        await rig.later(follower)
    told = [(found.to_block, len(found.logs)) for found in ranges_of(rig.log, "ours")]
    assert told == [(6, 2), (7, 2), (8, 1), (9, 4)]


async def test_a_restarted_listener_goes_on_where_each_tenants_log_ends(rig: Rig) -> None:
    await rig.drain()
    rig.chain.mine(2, [request(1, OURS)])
    await rig.drain()
    assert rig.spans("ours") == [(3, 5), (5, 7)]


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_a_reorganisation_is_read_again_up_to_the_orphaned_end(rig: Rig, is_restarted: bool) -> None:
    follower = await rig.drain()
    rig.chain.mine(4, [request(1, OURS)])
    await rig.later(follower)
    rig.chain.drop(3)
    rig.chain.mine(1, [request(2, OURS)])
    follower = await rig.later(rig.listener() if is_restarted else follower)
    assert rig.spans("ours") == [(3, 5), (5, 9)], "the new branch is not as long yet"
    rig.chain.mine(4, [request(3, OURS)])
    await rig.later(follower)
    await rig.later(follower)
    assert rig.spans("ours") == [(3, 5), (5, 9), (5, 9), (9, 11)]
    *_, again, newest = ranges_of(rig.log, "ours")
    assert [log.log.topics[1] for log in again.logs] == [word(2)]
    assert [log.log.topics[1] for log in newest.logs] == [word(3)]
    assert again.to_hash == rig.chain.branch[9].hash


async def test_a_branch_without_any_known_range_stops_the_process(rig: Rig) -> None:
    rig.settings = rig.settings.model_copy(update={"reorg_ranges_max": 2})
    follower = await rig.drain()
    for _ in range(2):
        rig.chain.mine(1, [request(1, OURS)])
        await rig.later(follower)
    rig.chain.drop(4)
    rig.chain.mine(10)
    with pytest.raises(TooDeep, match=r"none of the last 3 ends .* raise gateway\.reorg_ranges_max"):
        await follower.step()
    rig.settings = rig.settings.model_copy(update={"reorg_ranges_max": 3})
    await rig.later(await rig.drain())
    assert fold(ranges_of(rig.log, "ours"))[-1].hash == rig.chain.branch[-1].hash


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_a_tenants_beginning_that_is_reorganised_goes_a_block_lower(
    rig: Rig, is_restarted: bool
) -> None:
    rig.chain.mine(1, [request(1, OURS)])
    follower = await rig.drain()
    for number in (2, 3):
        rig.chain.drop(len(rig.chain.branch) - 3)
        rig.chain.mine(4 + number, [request(number, OURS)])
        follower = await rig.later(await rig.later(rig.listener() if is_restarted else follower))
    assert rig.spans("ours") == [(3, 6), (2, 3), (3, 8), (2, 3), (3, 9)]
    assert all(found.anchor for found in ranges_of(rig.log, "ours"))
    folded = fold(ranges_of(rig.log, "ours"))
    assert folded == [End(number, rig.chain.branch[number].hash) for number in (2, 3, 9)]


async def test_a_log_without_its_beginning_does_not_take_a_lower_one(rig: Rig) -> None:
    follower = await rig.drain()
    rig.chain.mine(2, [request(1, OURS)])
    await rig.later(follower)
    for tenant in rig.router.everybody:
        partition = rig.log.partition_of(EVENTS, tenant.encode())
        rig.log.expire(EVENTS, partition, rig.log.records(EVENTS, partition)[-1].offset)
    rig.chain.drop(4)
    rig.chain.mine(8)
    with pytest.raises(TooDeep, match="the log begins at 5 only"):
        await rig.drain()


async def test_another_first_block_is_another_chain(rig: Rig) -> None:
    rig.settings = rig.settings.model_copy(update={"start_block": 0})
    await rig.drain()
    rig.chain = FakeChain(length=1)
    rig.chain.drop(1)
    rig.chain.mine(6)
    with pytest.raises(TooDeep, match="on another chain"):
        await rig.drain()


async def test_two_listeners_with_other_boundaries_repair_a_reorganisation(rig: Rig) -> None:
    first, second = await rig.drain(), await rig.drain()
    rig.chain.mine(2)
    await rig.later(first)
    rig.chain.mine(2)
    await rig.later(second)
    rig.chain.drop(3)
    rig.chain.mine(6, [request(5, OURS)])
    for follower in (second, first, second):
        await rig.later(follower)
    await rig.clock.advance(AUDIT_S)
    for follower in (second, first):
        await rig.later(follower)
    folded = fold(ranges_of(rig.log, "ours"))
    assert all(rig.chain.branch[end.number].hash == end.hash for end in folded)
    assert folded[-1].number == 12


@pytest.mark.parametrize("is_stored", [False, True])
async def test_a_delivery_error_is_followed_by_reading_the_log(rig: Rig, is_stored: bool) -> None:
    follower = await rig.drain()
    rig.chain.mine(1, [request(1, OURS)])
    rig.log.fail_next(EVENTS, is_stored=is_stored)
    with pytest.raises(BrokerError):
        await follower.step()
    await rig.drain(follower)
    assert rig.spans("ours") == [(3, 5), (5, 6)]


async def test_requests_are_counted_when_their_fact_is_there(rig: Rig) -> None:
    follower = await rig.drain()
    rig.chain.mine(1, [request(1, OURS), request(2, STRANGER, index=1), rejection(1, index=2)])
    await rig.drain(follower)
    assert rig.counted() == (2, 0)


async def test_a_request_that_does_not_decode_or_cannot_be_told_is_a_failure(rig: Rig) -> None:
    follower = await rig.drain()
    odd = request(2, OURS, index=1)
    rig.chain.mine(1, [request(1, OURS), a_log(CONTRACT, 1, odd.data[:40], odd.topics)])
    rig.log.fail_next(EVENTS, is_stored=False)
    with pytest.raises(BrokerError):
        await follower.step()
    assert rig.counted() == (0, 1)
    await rig.later(follower)
    assert rig.counted() == (1, 2)


async def test_a_lost_range_is_found_by_the_audit(rig: Rig) -> None:
    follower = await rig.drain()
    rig.chain.mine(1, [request(1, OURS)])
    rig.log.drop_next(EVENTS)
    await rig.drain(follower)
    rig.chain.mine(1, [request(2, OURS)])
    await rig.drain(follower)
    assert rig.spans("ours") == [(3, 5), (6, 7)]
    await rig.clock.advance(AUDIT_S)
    await rig.drain(follower)
    assert rig.spans("ours") == [(3, 5), (6, 7), (5, 7)]


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_the_audit_looks_behind_all_ranges_since_the_last_one(rig: Rig, is_restarted: bool) -> None:
    rig.router = Router({OURS: "ours"})
    follower = await rig.drain()
    rig.chain.mine(1, [request(1, OURS)])
    rig.log.drop_next(EVENTS)
    await rig.drain(follower)
    for ident in range(2, 402):
        rig.chain.mine(1, [request(ident, OURS)])
        await rig.drain(follower)
    await rig.clock.advance(AUDIT_S)
    await rig.drain(None if is_restarted else follower)
    ends = fold(ranges_of(rig.log, "ours"))
    assert (ends[0].number, ends[-1].number) == (3, len(rig.chain.branch) - 1)


async def test_an_audit_that_the_node_cut_short_is_made_again(rig: Rig) -> None:
    follower = await rig.drain()
    rig.chain.mine(1, [request(1, OURS)])
    rig.log.drop_next(EVENTS)
    await rig.drain(follower)
    rig.chain.mine(1, [request(2, OURS)])
    await rig.drain(follower)
    await rig.clock.advance(AUDIT_S)
    rig.chain.failures = 1
    with pytest.raises(RpcError):
        await follower.step()
    await rig.drain(follower)
    assert rig.spans("ours") == [(3, 5), (6, 7), (5, 7)]


class MovingChain(FakeChain):
    """Changes its branch once, after the listener has found its place and before it reads."""

    is_moving = False

    async def head(self) -> Head:
        if self.is_moving:
            self.is_moving = False
            self.drop(2)
            self.mine(1, [request(7, OURS)])
            self.mine(4)
        return await super().head()


async def test_a_branch_that_changes_between_the_place_and_the_reading_loses_no_event(rig: Rig) -> None:
    moving = rig.chain = MovingChain(length=6)
    follower = await rig.drain()
    moving.is_moving = True
    with pytest.raises(Moved):
        await follower.step()
    await rig.later(follower)
    assert [topic for _, topic in sent_events(rig, "ours")] == [word(7)]


class TwoNodes(FakeChain):
    """One address, two nodes: above `cut` another one answers, on a branch of its own."""

    other: FakeChain | None = None
    cut = 0

    async def head(self) -> Head:
        return await (self.other.head() if self.other else super().head())

    async def block(self, number: int) -> Head | None:
        if self.other and number > self.cut:
            return await self.other.block(number)
        return await super().block(number)


async def test_what_two_nodes_on_two_branches_say_is_never_one_range(rig: Rig) -> None:
    rig.router = Router({OURS: "ours"})
    nodes = rig.chain = TwoNodes(length=6)
    follower = await rig.drain()
    nodes.mine(1, [request(1, OURS)])
    nodes.mine(2)
    await rig.later(follower)
    nodes.other, nodes.cut = FakeChain(length=6), 8
    nodes.other.drop(1)
    nodes.other.branch = nodes.branch[:6]
    nodes.other.mine(1, [request(2, OURS)])
    nodes.other.mine(6)
    with pytest.raises(Moved):
        await rig.later(follower)
    assert rig.spans("ours") == [(3, 5), (5, 8)]
    nodes.cut = 0  # the first node has come to the other's branch
    nodes.logs_of_block, nodes.logs_in_range = nodes.other.logs_of_block, nodes.other.logs_in_range  # type: ignore[method-assign]
    await rig.later(follower)
    assert rig.spans("ours") == [(3, 5), (5, 8), (5, 8)]
    assert sent_events(rig, "ours")[-1] == (6, word(2))


def sent_events(rig: Rig, tenant: str) -> list[tuple[int, bytes]]:
    return [
        (log.block_number, log.log.topics[1]) for found in ranges_of(rig.log, tenant) for log in found.logs
    ]


@pytest.mark.parametrize("point", ["gateway.read", "gateway.produced", "gateway.acknowledged"])
async def test_a_kill_between_any_two_steps_loses_nothing(rig: Rig, kill_at: KillAt, point: str) -> None:
    await rig.drain()
    rig.chain.mine(2, [request(1, OURS), material(OTHER, 1)])
    killed = kill_at(point)
    with pytest.raises(killed):
        await rig.drain()
    await rig.drain()
    assert rig.topics("ours") == [(7, word(1))]
    assert len(rig.topics("other")) == 1
    assert fold(ranges_of(rig.log, "ours"))[-1].number == 7
