"""What an operator hears of drift: upstream's counters and a line in the log, once for each finding."""

import msgspec
from graph_world import TENANT, GraphWorld
from structlog.testing import capture_logs
from unit.domain import worlds

from streams.adapters.telemetry.metrics import Metrics
from streams.domain.digest import keccak256
from streams.domain.rows import DriftRow, DriftState
from streams.services.graph.drift_watch import watch

SECOND, THIRD = b"\x06" * 20, b"\x07" * 20
SUM = worlds.h("sum")
GOOD = (keccak256(worlds.ct64(SUM)), worlds.digest("ct128" + SUM.hex()))
BAD = (b"\x01" * 32, b"\x02" * 32)
DETECTED = "coprocessor_gw_listener_drift_detected_counter"
TIMEOUT = "coprocessor_gw_listener_consensus_timeout_counter"
MISSING = "coprocessor_gw_listener_missing_submission_counter"
OPEN = DriftRow(tenant="t", handle=SUM, state=DriftState.OPEN, opened_block=5)


def changed(row: DriftRow, **fields: object) -> DriftRow:
    return msgspec.structs.replace(row, **fields)


def test_a_finding_counts_once_and_again_when_it_comes_back() -> None:
    metrics = Metrics()
    tell = watch(metrics)
    disputed = changed(OPEN, state=DriftState.DISPUTED, differing=(THIRD,))
    drifted = changed(disputed, state=DriftState.DRIFTED, is_other=True)
    tell([(None, disputed), (disputed, drifted), (drifted, drifted), (drifted, OPEN), (OPEN, disputed)])
    assert metrics.value(DETECTED) == 2
    assert (metrics.value(TIMEOUT), metrics.value(MISSING)) == (0, 0)


def test_lateness_is_counted_by_handle_and_missing_commits_by_operator() -> None:
    metrics = Metrics()
    tell = watch(metrics)
    overdue = changed(OPEN, state=DriftState.OVERDUE, is_late=True)
    agreed = changed(OPEN, state=DriftState.AGREED, agreed_block=9)
    incomplete = changed(agreed, state=DriftState.INCOMPLETE, is_late=True, missing=(SECOND, THIRD))
    tell([(OPEN, overdue), (overdue, overdue), (overdue, agreed), (agreed, incomplete)])
    tell([(incomplete, changed(incomplete, missing=(THIRD,)))])
    assert (metrics.value(TIMEOUT), metrics.value(MISSING)) == (1, 2)


def test_blocks_to_the_consensus_and_to_the_last_commit_are_told() -> None:
    metrics = Metrics()
    agreed = changed(OPEN, state=DriftState.AGREED, agreed_block=9)
    complete = changed(agreed, state=DriftState.COMPLETE, completed_block=16)
    watch(metrics)([(OPEN, agreed), (agreed, complete), (complete, None)])
    lines = metrics.text().decode().splitlines()
    assert "coprocessor_gw_listener_consensus_latency_blocks_sum 4.0" in lines
    assert "coprocessor_gw_listener_consensus_latency_blocks_count 1.0" in lines
    assert "coprocessor_gw_listener_post_consensus_completion_blocks_sum 7.0" in lines
    assert "coprocessor_gw_listener_post_consensus_completion_blocks_count 1.0" in lines


def test_the_log_names_the_operators_and_says_when_it_is_over() -> None:
    tell = watch(Metrics())
    disputed = changed(OPEN, state=DriftState.DISPUTED, differing=(THIRD,))
    with capture_logs() as lines:
        tell([(OPEN, disputed), (disputed, disputed), (disputed, OPEN), (None, OPEN)])
    assert [line["action"] for line in lines] == ["drift", "drift_over"]
    assert lines[0]["differing"] == [f"0x{THIRD.hex()}"]


async def test_the_graph_service_compares_and_a_restart_counts_nothing_twice(world: GraphWorld) -> None:
    async with world.process() as process:
        await world.beat_all()
        await world.publish(
            worlds.KEY,
            worlds.block("b0", 0, "none", anchor=True),
            worlds.block("b1", 1, "b0", worlds.Logs().trivial(SUM, 1).allow(SUM)),
            worlds.gateway(0, 1, worlds.commit_log(SUM, *BAD, sender=SECOND), at_s=100),
        )
        await process.live()
        assert process.runtime.metrics.value(DETECTED) == 1
    (row,) = world.store.state.rows(DriftRow)
    assert (row.tenant, row.state, row.differing) == (TENANT, DriftState.DISPUTED, (SECOND,))
    async with world.process() as process:
        await world.publish(
            worlds.gateway(1, 2, worlds.commit_log(SUM, *GOOD, 2, sender=THIRD), at_s=101),
            worlds.gateway(2, 3, worlds.consensus_log(SUM, *BAD, 3), at_s=102),
            worlds.gateway(3, 4, at_s=500),
        )
        await process.settle()
        assert process.runtime.metrics.value(DETECTED) == 0  # the same handle
    (row,) = world.store.state.rows(DriftRow)
    assert (row.state, row.is_other, row.differing) == (DriftState.DRIFTED, True, (THIRD,))
