"""Fairness, credit and placement."""

import itertools
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from streams.domain.lifecycle import WorkState
from streams.domain.partition import partition_of
from streams.domain.rows import WorkRow
from streams.domain.schedule import (
    SLOW_LANE,
    Crew,
    Fair,
    LiveWorker,
    Place,
    Rooms,
    Team,
    pipe_deadline_ms,
    place_local,
    place_parallel,
    share,
)


def item(
    name: str, tenant: str = "t", contract: bytes = b"c", cost_ms: int = 100, priority: int = 0
) -> WorkRow:
    return WorkRow(
        tenant=tenant,
        id=name,
        work_class="tfhe",
        kind="compute",
        subject=b"",
        affinity=name.encode(),
        contract=contract,
        cost_ms=cost_ms,
        state=WorkState.READY,
        priority=priority,
    )


flows = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from([b"x", b"y", b"z"]), st.integers(1, 500)),
    min_size=1,
    max_size=60,
)


def rows(found: list[tuple[str, bytes, int]]) -> list[WorkRow]:
    return [item(f"{at:03}", tenant, contract, cost) for at, (tenant, contract, cost) in enumerate(found)]


@given(flows, st.integers(0, 80))
def test_credit_bounds_what_is_picked_and_nothing_is_picked_twice(
    found: list[tuple[str, bytes, int]], credit: int
) -> None:
    picked = Fair().pick(rows(found), credit)
    assert len(picked) == min(credit, len(found))
    assert len({row.id for row in picked}) == len(picked)


@given(flows)
def test_no_tenant_gets_more_than_its_share_and_one_item_ahead(found: list[tuple[str, bytes, int]]) -> None:
    everything = rows(found)
    dearest = max(row.cost_ms for row in everything)
    left = Counter(row.tenant for row in everything)
    sent: Counter[str] = Counter(dict.fromkeys(left, 0))
    for row in Fair().pick(everything, len(everything)):
        sent[row.tenant] += row.cost_ms
        left[row.tenant] -= 1
        waiting = [sent[tenant] for tenant in left if left[tenant]]
        if waiting:
            assert sent[row.tenant] - min(waiting) <= 3 * dearest


@given(st.integers(1, 12))
def test_a_flood_of_one_contract_leaves_room_for_its_neighbour(credit: int) -> None:
    flood = [item(f"f{at:03}", contract=b"flood") for at in range(200)]
    quiet = [item(f"q{at}", contract=b"quiet") for at in range(6)]
    picked = Counter(row.contract for row in Fair().pick(flood + quiet, credit))
    assert abs(picked[b"quiet"] - min(credit // 2, 6)) <= 1


def test_equal_cost_not_equal_number() -> None:
    dear = [item(f"d{at:03}", "dear", cost_ms=1000) for at in range(100)]
    cheap = [item(f"c{at:03}", "cheap", cost_ms=100) for at in range(100)]
    picked = Counter(row.tenant for row in Fair().pick(dear + cheap, 44))
    assert 3 <= picked["dear"] <= 5


def test_turns_go_on_where_the_last_pick_ended() -> None:
    fair = Fair()
    waiting = [item(f"{tenant}{at}", tenant) for tenant in "ab" for at in range(10)]
    order: list[str] = []
    while waiting:
        (row,) = fair.pick(waiting, 1)
        waiting.remove(row)
        order.append(row.tenant)
    assert all({order[at], order[at + 1]} == {"a", "b"} for at in range(0, 20, 2))


def test_priority_goes_first_within_a_contract() -> None:
    picked = Fair().pick([item("a"), item("b", priority=9), item("c")], 2)
    assert [row.id for row in picked] == ["b", "a"]


def test_without_fairness_to_contracts_the_flood_goes_as_it_comes() -> None:
    flood = [item(f"f{at:03}", contract=b"flood") for at in range(20)]
    quiet = [item("q", contract=b"quiet"), item("other", "another tenant")]
    picked = Fair().pick(flood + quiet, 4, by_contract=False)
    assert Counter(row.contract for row in picked if row.tenant == "t") == {b"flood": len(picked) - 1}
    assert "other" in {row.id for row in picked}


@given(st.integers(-4, 4), st.integers(-4, 4))
def test_each_step_of_priority_doubles_a_tenant_s_share(left: int, right: int) -> None:
    waiting = [item(f"{tenant}{at:04}", tenant) for tenant in "ab" for at in range(1024)]
    low, high = sorted((left, right))
    priorities = {"a": low, "b": high}
    picked = Fair().pick(waiting, 512, priority=lambda tenant: priorities[tenant])
    shares = Counter(row.tenant for row in picked)
    ratio = 2 ** (high - low)
    assert abs(shares["a"] - 512 / (1 + ratio)) <= 2  # nobody is left without, however small the share
    assert shares["b"] == 512 - shares["a"]


def test_a_tenant_of_the_least_priority_is_served_however_much_comes_in_of_others() -> None:
    fair, poor = Fair(), [item(f"p{at}", "poor") for at in range(3)]
    served: list[int] = []
    for turn in range(1200):  # always enough of the others, always new
        flood = [item(f"r{turn}.{at}", "rich") for at in range(8)]
        (row,) = fair.pick([*flood, *poor], 1, priority=lambda tenant: 4 if tenant == "rich" else -4)
        if row in poor:
            poor.remove(row)
            served.append(turn)
    assert not poor
    assert max(later - earlier for earlier, later in itertools.pairwise([0, *served])) <= 257


def test_what_is_alone_gets_everything_whatever_its_priority() -> None:
    waiting = [item(f"{at}", priority=SLOW_LANE) for at in range(9)]
    assert len(Fair().pick(waiting, 9, priority=lambda _: -4)) == 9


def test_the_slow_lane_of_a_contract_moves_while_the_fast_one_never_ends() -> None:
    fast = [item(f"f{at:03}") for at in range(200)]
    slow = [item(f"s{at:03}", priority=SLOW_LANE) for at in range(200)]
    picked = Counter(row.priority for row in Fair().pick(slow + fast, 90))
    assert picked == {0: 80, SLOW_LANE: 10}


def test_priority_counts_across_contracts_that_take_no_turns() -> None:
    waiting = [item("a"), item("b", contract=b"x", priority=1), item("c", contract=b"y", priority=2)]
    assert [row.id for row in Fair().pick(waiting, 3, by_contract=False)] == ["c", "b", "a"]


@given(st.integers(0, 200), st.integers(0, 10**6), st.lists(st.integers(0, 10**6), max_size=24))
def test_shares_are_at_least_one_and_at_most_all(capacity: int, own: int, others: list[int]) -> None:
    credit = share(capacity, own, others)
    assert (credit == 0) if capacity == 0 else (1 <= credit <= capacity)


@given(st.integers(24, 200), st.lists(st.integers(1, 10**6), min_size=1, max_size=24))
def test_shares_of_all_owners_hardly_exceed_the_capacity(capacity: int, costs: list[int]) -> None:
    shares = [share(capacity, cost, costs[:at] + costs[at + 1 :]) for at, cost in enumerate(costs)]
    assert sum(shares) <= capacity + len(costs)  # at least one each


def test_parallel_takes_the_worker_with_the_least_per_slot() -> None:
    workers = [LiveWorker("a", 1, (0, 1)), LiveWorker("b", 4, (2, 3))]
    assert place_parallel(item("i"), workers, {"a": 300, "b": 1000}, 2, 1) == Place("b", 3, 350)
    assert place_parallel(item("i"), workers, {"a": 0, "b": 1000}, 0, 0) == Place("a", 0, 100)


def test_who_has_no_partition_or_no_room_can_be_given_nothing() -> None:
    able = LiveWorker("able", 1, (0,), (b"k",))
    crew = Crew([able, LiveWorker("between", 4, (), (b"k", b"l")), LiveWorker("full", 0, (1,), (b"l",))])
    assert crew.with_key(b"k") == crew.with_key(b"") == [able]
    assert (crew.with_key(b"l"), crew.key_ids) == ([], {b"", b"k"})
    assert Crew([]).key_ids == set()


def test_an_item_may_be_given_to_those_alone_that_have_its_key_set() -> None:
    old, both = LiveWorker("old", 4, (0,), (b"k",)), LiveWorker("both", 1, (1,), (b"k", b"l"))
    bare = LiveWorker("bare", 4, (2,))
    crew = Crew([old, both, bare])
    found = [crew.with_key(key_id) for key_id in (b"k", b"l", b"m", b"")]
    assert found == [[old, both], [both], [], [old, both, bare]]
    assert (crew.is_complete(b"k"), crew.is_complete(b"")) == (False, True)
    assert Crew([old, both]).is_complete(b"k")


def test_workers_of_the_same_key_sets_are_a_team() -> None:
    one, two = LiveWorker("one", 4, (0,), (b"k", b"l")), LiveWorker("two", 1, (), (b"l", b"k"))
    other, bare = LiveWorker("other", 2, (1,), (b"k",)), LiveWorker("bare", 8, (2,))
    assert Crew([one, other, two, bare]).teams() == [
        Team(frozenset((b"", b"k", b"l")), 5, frozenset(("one", "two"))),
        Team(frozenset((b"", b"k")), 2, frozenset(("other",))),
        Team(frozenset((b"",)), 8, frozenset(("bare",))),
    ]
    assert Crew([]).teams() == []


def test_a_team_that_is_full_leaves_the_others_their_room() -> None:
    few, many = LiveWorker("few", 1, (0,), (b"k",)), LiveWorker("many", 4, (1,), (b"l",))
    rooms = Rooms(Crew([few, many]).teams(), [2, 8], {"few": 1, "many": 5})
    assert (rooms.total, rooms.among([few, many])) == (4, [few, many])
    rooms.take("few")
    assert (rooms.total, rooms.among([few, many])) == (3, [many])


def test_what_lies_at_a_worker_that_is_gone_has_a_place_in_every_team() -> None:
    few, many = LiveWorker("few", 1, (0,), (b"k",)), LiveWorker("many", 4, (1,), (b"l",))
    rooms = Rooms(Crew([few, many]).teams(), [2, 8], {"gone": 3, "many": 1})
    assert (rooms.total, rooms.among([few, many])) == (4, [many])
    assert Rooms(Crew([many]).teams(), [8], {"gone": 8}).among([many]) == []


def test_an_item_without_a_place_costs_its_flow_nothing_and_holds_up_no_other() -> None:
    waiting = [item("a"), item("b"), item("c", contract=b"x"), item("d", contract=b"x")]
    fair = Fair()
    picked = fair.pick(waiting, 2, claim=lambda row: None if row.id in "ab" else row)
    assert [row.id for row in picked] == ["c", "d"]


def test_equally_loaded_workers_take_turns_and_their_partitions_with_each_batch() -> None:
    workers = [LiveWorker("a", 1, (0, 1)), LiveWorker("b", 1, (2, 3))]
    places = [place_parallel(item("i"), workers, {}, turn, turn // 4) for turn in range(8)]
    assert [place.partition for place in places if place] == [0, 2, 0, 2, 1, 3, 1, 3]


def test_nobody_to_place_with() -> None:
    assert place_parallel(item("i"), [], {}, 0, 0) is None
    assert place_local(item("i"), [LiveWorker("a", 1, ())], {}, 8) is None


def test_local_takes_the_partition_of_the_root_whoever_holds_it() -> None:
    partition = partition_of(b"i", 8)
    workers = [LiveWorker("a", 1, ()), LiveWorker("b", 2, (partition,))]
    assert place_local(item("i"), workers, {"b": 100}, 8) == Place("b", partition, 150)


def test_pipe_deadline_is_four_times_the_estimate_and_at_least_half_a_minute() -> None:
    assert pipe_deadline_ms(5, 10) == 30_005
    assert pipe_deadline_ms(5, 10_000) == 40_005
