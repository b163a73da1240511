"""Shares of a batch: equal between tenants over time, by rank within one."""

from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from streams.domain.errors import OperationError
from streams.domain.schedule import SLOW_LANE
from streams.fhe.radix.block import Block
from streams.fhe.radix.executors import CountingExecutor
from streams.fhe.radix.steps import Steps, firsts, identity, look_up
from streams.fhe.wave.fairness import Fairness
from streams.fhe.wave.progress import Progress
from streams.fhe.wave.running import Running, Share
from tests.unit.fhe.wave.windows import U8, ClearSide, component, handle, step


def wide(blocks: Sequence[Block]) -> Steps[list[Block]]:
    return (yield from firsts([look_up(block, identity) for block in blocks]))


def running(tenant: str, look_ups: int, order: int = 0, priority: int = 0, contract: bytes = b"") -> Running:
    """An operation that hands out all its look-ups at once."""
    x = handle("x")
    number = ClearSide().value(U8, 3)
    made = component(
        "c",
        step("Not", x, result=handle("y")),
        inputs={x: number},
        tenant=tenant,
        contract=contract,
        priority=priority,
    )
    progress = Progress(made, order)
    found = Running(progress, progress.ready[0], wide([number.blocks[0] + i for i in range(look_ups)]))
    assert found.resume() is None
    return found


def per_tenant(shares: Sequence[Share]) -> Counter[str]:
    counts = Counter[str]()
    for share in shares:
        counts[share.running.progress.tenant] += len(share.look_ups)
    return counts


def test_a_batch_is_shared_by_tenants_not_by_operations() -> None:
    given = [running("a", 20, order) for order in range(9)] + [running("b", 20, 9)]
    assert per_tenant(Fairness().shares(given, 12)) == {"a": 6, "b": 6}


def test_what_one_tenant_leaves_others_take() -> None:
    assert per_tenant(Fairness().shares([running("a", 20), running("b", 2)], 12)) == {"a": 10, "b": 2}


def test_everything_goes_when_there_is_room() -> None:
    given = [running("a", 3), running("b", 2)]
    assert per_tenant(Fairness().shares(given, 100)) == {"a": 3, "b": 2}


def test_nothing_waits_nothing_goes() -> None:
    assert Fairness().shares([], 8) == []


def test_a_wide_operation_is_cut_and_goes_on_where_it_was() -> None:
    operation, fairness, runner = running("a", 10), Fairness(), CountingExecutor()
    sizes = list[int]()
    while operation.waiting:
        (share,) = fairness.shares([operation], 4)
        sizes.append(len(share.look_ups))
        operation.answer(share, runner.run(share.look_ups))
    assert sizes == [4, 4, 2]
    found = operation.resume()
    assert found is not None
    assert len(found) == 10


def test_two_batches_take_different_look_ups_of_an_operation() -> None:
    operation, fairness, runner = running("a", 10), Fairness(), CountingExecutor()
    (first,), (second,) = fairness.shares([operation], 4), fairness.shares([operation], 8)
    assert (list(first.places), list(second.places)) == ([0, 1, 2, 3], [4, 5, 6, 7, 8, 9])
    assert fairness.shares([operation], 4) == []
    operation.answer(second, runner.run(second.look_ups))
    assert not operation.is_due
    operation.put_back(first)
    (again,) = fairness.shares([operation], 8)
    assert list(again.places) == list(first.places)
    operation.answer(again, runner.run(again.look_ups))
    found = operation.resume()
    assert found is not None
    assert len(found) == 10


def test_of_several_refused_shares_the_first_one_is_told() -> None:
    for order in (1, -1):
        operation = running("a", 10)
        shares = [operation.take(3), operation.take(3)]
        for share in shares[::order]:
            assert not operation.is_due
            operation.refuse(share, OperationError(f"from {share.places[0]}"))
            assert operation.waiting == 0  # what is lost asks for nothing more
        assert operation.is_due
        assert str(operation.error) == "from 0"


def test_within_a_lane_the_older_one_goes_first() -> None:
    young, old = running("a", 4, 2), running("a", 4, 1)
    shares = Fairness().shares([young, old], 6)
    assert [(share.running, len(share.look_ups)) for share in shares] == [(old, 4), (young, 2)]


def lanes(shares: Sequence[Share]) -> Counter[tuple[bytes, int]]:
    counts = Counter[tuple[bytes, int]]()
    for share in shares:
        counts[share.running.progress.lane] += len(share.look_ups)
    return counts


def test_the_slow_lane_gets_an_eighth_of_a_fast_ones_part_while_both_wait() -> None:
    fast, slow = (b"", 0), (b"", SLOW_LANE)
    fairness, totals = Fairness(), Counter[tuple[bytes, int]]()
    for _ in range(9):
        batch = fairness.shares([running("a", 40, 0, SLOW_LANE), running("a", 40, 1)], 16)
        assert lanes(batch)[fast] > lanes(batch)[slow]
        totals += lanes(batch)
    assert totals == {fast: 8 * 16, slow: 16}


def test_the_fast_lane_goes_first() -> None:
    fairness = Fairness()
    first = fairness.shares([running("a", 40, 0, SLOW_LANE), running("a", 40, 1)], 8)
    assert lanes(first[:1]) in ({(b"", 0): 8}, {(b"", 0): 7})


def test_what_the_fast_lane_leaves_the_slow_one_takes() -> None:
    shares = Fairness().shares([running("a", 40, 0, SLOW_LANE), running("a", 3, 1)], 16)
    assert lanes(shares) == {(b"", 0): 3, (b"", SLOW_LANE): 13}


def test_contracts_of_a_tenant_share_its_part_and_take_nothing_from_others() -> None:
    given = [running("a", 40, order, contract=bytes([order])) for order in range(3)]
    shares = Fairness().shares([*given, running("b", 40, 9)], 24)
    assert per_tenant(shares) == {"a": 12, "b": 12}
    assert lanes(shares) == {(b"\0", 0): 4, (b"\1", 0): 4, (b"\2", 0): 4, (b"", 0): 12}


@given(
    loads=st.lists(st.integers(1, 40), min_size=2, max_size=5),
    room=st.integers(1, 30),
    batches=st.integers(1, 6),
)
def test_over_time_busy_tenants_get_the_same(loads: list[int], room: int, batches: int) -> None:
    fairness, totals = Fairness(), Counter[str]()
    # Every batch finds as much work as before: no tenant is ever idle.
    tenants = [str(index) for index in range(len(loads))]
    for _ in range(batches):
        totals += per_tenant(fairness.shares([running(tenant, 40) for tenant in tenants], room))
    assert totals.total() == min(room, 40 * len(loads)) * batches
    quantum = max(1, room // len(loads))
    assert max(totals.values()) - min(totals[tenant] for tenant in tenants) <= 2 * quantum
