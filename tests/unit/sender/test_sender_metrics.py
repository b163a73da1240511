"""What an operator reads of the sender on /metrics: one name per meaning, and nothing that never moves."""

import pytest

from streams.adapters.telemetry.metrics import Metrics
from streams.services.sender.encode import ADD_MATERIAL, VERIFY_PROOF
from streams.services.sender.metrics import SenderMetrics, loop_metrics


def test_a_call_is_counted_as_made_or_as_failed() -> None:
    metrics = Metrics()
    sender = SenderMetrics(metrics)
    with sender.of(VERIFY_PROOF):
        assert metrics.value("coprocessor_verify_proof_resp_unsent_txn_gauge") == 1
    with pytest.raises(ValueError, match="refused"), sender.of(ADD_MATERIAL):
        raise ValueError("refused")
    lines = metrics.text().decode().splitlines()
    for line in (
        "coprocessor_txn_sender_verify_proof_success_counter 1.0",
        "coprocessor_txn_sender_verify_proof_fail_counter 0.0",
        "coprocessor_txn_sender_add_ciphertext_material_fail_counter 1.0",
        "coprocessor_verify_proof_resp_unsent_txn_gauge 0.0",
        "coprocessor_zkproof_txn_latency_seconds_count 1.0",
    ):
        assert line in lines


def test_the_sender_has_no_children_to_count() -> None:
    metrics = Metrics()
    loop_metrics(metrics).found.inc()
    text = metrics.text().decode()
    assert "coprocessor_work_items_found 1.0" in text
    assert "child" not in text
    assert "coprocessor_worker_errors" not in text
