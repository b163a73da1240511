"""What an operator reads of the sender on /metrics: one name per meaning, and nothing that never moves."""

import pytest

from streams.adapters.memory.clock import FakeClock
from streams.adapters.telemetry.metrics import Metrics
from streams.services.sender.encode import ADD_MATERIAL, VERIFY_PROOF
from streams.services.sender.metrics import SenderMetrics, loop_metrics


def test_a_call_is_counted_as_made_or_as_failed() -> None:
    metrics, clock = Metrics(), FakeClock()
    sender = SenderMetrics(metrics, clock)
    with sender.of(VERIFY_PROOF, clock.now_ms()):
        pass
    with pytest.raises(ValueError, match="refused"), sender.of(ADD_MATERIAL, clock.now_ms()):
        raise ValueError("refused")
    lines = metrics.text().decode().splitlines()
    for line in (
        "coprocessor_txn_sender_verify_proof_success_counter 1.0",
        "coprocessor_txn_sender_verify_proof_fail_counter 0.0",
        "coprocessor_txn_sender_add_ciphertext_material_fail_counter 1.0",
        "coprocessor_zkproof_txn_latency_seconds_count 1.0",
        "cipherstream_add_ciphertext_material_txn_latency_seconds_count 0.0",
    ):
        assert line in lines


async def test_a_proof_s_time_has_buckets_for_an_outage_of_hours() -> None:
    metrics, clock = Metrics(), FakeClock()
    seen_ms = clock.now_ms()
    await clock.advance(3 * 3600)
    with SenderMetrics(metrics, clock).of(VERIFY_PROOF, seen_ms):
        pass
    lines = metrics.text().decode().splitlines()
    assert 'coprocessor_zkproof_txn_latency_seconds_bucket{le="3600.0"} 0.0' in lines
    assert 'coprocessor_zkproof_txn_latency_seconds_bucket{le="14400.0"} 1.0' in lines


@pytest.mark.parametrize(("ahead_ms", "count"), [(5000, 1), (None, 0)], ids=["a clock ahead", "not told"])
def test_a_time_that_cannot_be_is_none(ahead_ms: int | None, count: int) -> None:
    metrics, clock = Metrics(), FakeClock()
    seen_ms = 0 if ahead_ms is None else clock.now_ms() + ahead_ms
    with SenderMetrics(metrics, clock).of(VERIFY_PROOF, seen_ms):
        pass
    assert metrics.value("coprocessor_zkproof_txn_latency_seconds_count") == count
    assert metrics.value("coprocessor_zkproof_txn_latency_seconds_sum") == 0


def test_the_sender_has_no_children_to_count() -> None:
    metrics = Metrics()
    loop_metrics(metrics).found.inc()
    text = metrics.text().decode()
    assert "coprocessor_work_items_found 1.0" in text
    assert "child" not in text
    assert "coprocessor_worker_errors" not in text
    assert "cipherstream_work_items_repeated" not in text  # a call that is asked for again is made again
