"""Cutting a transaction's graph to its goals and splitting it into components."""

from hypothesis import given
from hypothesis import strategies as st

from streams.domain.graph import components
from streams.domain.operations import BY_NAME
from streams.domain.rows import ComputationRow
from tests.unit.domain.worlds import CALLER, TENANT, h

PLAIN = (1).to_bytes(32, "big")


def _add(index: int, left: str, right: str | None, result: str) -> ComputationRow:
    return ComputationRow(
        tenant=TENANT,
        output_handle=h(result),
        transaction_id=b"t",
        block_hash=b"b",
        log_index=index,
        fhe_operation=BY_NAME["Add"].code,
        dependencies=(h(left), PLAIN if right is None else h(right)),
        is_scalar=right is None,
        fhe_type=5,
        caller=CALLER,
    )


def _never(handle: bytes) -> bool:
    return not handle


def _names(handles, *names: str) -> bool:
    return set(handles) == {h(name) for name in names}


def test_no_goal_no_component():
    assert components([_add(0, "x", "y", "a")], (), _never) == []


def test_what_no_goal_needs_is_cut_away():
    rows = [_add(0, "x", None, "a"), _add(1, "x", None, "dead"), _add(2, "a", "dead2", "goal")]
    (component,) = components(rows, {h("goal")}, _never)
    assert [step.output_handle for step in component.steps] == [h("a"), h("goal")]
    assert _names(component.inputs, "x", "dead2")


def test_goals_that_share_an_operation_are_one_component():
    rows = [_add(0, "x", None, "a"), _add(1, "a", None, "b"), _add(2, "a", None, "c")]
    (component,) = components(rows, {h("b"), h("c")}, _never)
    assert component.outputs == (h("b"), h("c"))
    assert component.root == h("b")


def test_goals_that_share_only_an_input_are_different_components():
    rows = [_add(0, "x", None, "a"), _add(1, "x", None, "b")]
    assert [c.root for c in components(rows, {h("a"), h("b")}, _never)] == [h("a"), h("b")]


def test_external_handle_is_an_input_although_the_transaction_computes_it():
    rows = [_add(0, "x", None, "a"), _add(1, "a", None, "goal")]
    (component,) = components(rows, {h("goal")}, lambda handle: handle == h("a"))
    assert component.inputs == (h("a"),)
    assert len(component.steps) == 1


def test_repeated_operation_counts_once():
    rows = [_add(0, "x", None, "a"), _add(3, "x", None, "a")]
    (component,) = components(rows, {h("a")}, _never)
    assert [step.log_index for step in component.steps] == [0]


def test_use_before_production_is_a_cycle():
    rows = [_add(0, "b", None, "a"), _add(1, "a", None, "b")]
    (component,) = components(rows, {h("b")}, _never)
    assert "cycle" in component.defect


def test_cost_is_that_of_all_steps():
    rows = [_add(0, "x", None, "a"), _add(1, "a", None, "b")]
    (two,) = components(rows, {h("b")}, _never)
    (one,) = components(rows[:1], {h("a")}, _never)
    assert two.cost_ms > one.cost_ms > 0


@st.composite
def transactions(draw: st.DrawFn) -> tuple[list[ComputationRow], set[bytes]]:
    names = ["in1", "in2"]
    rows: list[ComputationRow] = []
    for index in range(draw(st.integers(1, 12))):
        left = draw(st.sampled_from(names))
        right = draw(st.none() | st.sampled_from(names))
        rows.append(_add(index, left, right, f"r{index}"))
        names.append(f"r{index}")
    goals = draw(st.sets(st.sampled_from([row.output_handle for row in rows])))
    return rows, goals


@given(transactions())
def test_components_partition_what_the_goals_need(world: tuple[list[ComputationRow], set[bytes]]):
    rows, goals = world
    found = components(rows, goals, _never)
    steps = [step.output_handle for component in found for step in component.steps]
    assert len(steps) == len(set(steps))
    assert {handle for component in found for handle in component.outputs} == goals
    assert all(not component.defect for component in found)


@given(transactions())
def test_every_operand_comes_from_an_earlier_step_or_is_an_input(
    world: tuple[list[ComputationRow], set[bytes]],
):
    rows, goals = world
    for component in components(rows, goals, _never):
        known = set(component.inputs)
        for step in component.steps:
            operands = step.dependencies[:1] if step.is_scalar else step.dependencies
            assert set(operands) <= known
            known.add(step.output_handle)


@given(transactions(), st.randoms(use_true_random=False))
def test_components_do_not_depend_on_the_order_in_which_rows_are_read(world, rng):
    rows, goals = world
    shuffled = list(rows)
    rng.shuffle(shuffled)
    assert components(shuffled, goals, _never) == components(rows, goals, _never)
