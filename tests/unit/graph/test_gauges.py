"""What an operator reads of the queue on /metrics, after every sweep."""

import msgspec

from streams.adapters.telemetry.metrics import Metrics
from streams.ports import Demand, Unsent
from streams.services.graph.gauges import observer


def demand(shard: int, work_class: str, ready: int, delayed: int, in_flight: int, overdue: int) -> Demand:
    return Demand(
        shard=shard,
        work_class=work_class,
        ready_cost_ms=100 * ready,
        weighed_cost_ms=1600 * ready,
        ready=ready,
        delayed=delayed,
        in_flight=in_flight,
        overdue=overdue,
    )


def test_the_queue_is_told_by_class_over_all_shards() -> None:
    metrics = Metrics()
    observer(metrics)(
        [demand(0, "tfhe", 2, 1, 4, 1), demand(1, "tfhe", 3, 0, 1, 0), demand(1, "sns", 0, 0, 1, 0)],
        Unsent(),
    )
    lines = metrics.text().decode().splitlines()
    for line in (
        'cipherstream_work_ready{work_class="tfhe"} 5.0',
        'cipherstream_work_delayed{work_class="tfhe"} 1.0',
        'cipherstream_work_in_flight{work_class="tfhe"} 5.0',
        'cipherstream_work_overdue{work_class="tfhe"} 1.0',
        'cipherstream_work_in_flight{work_class="sns"} 1.0',
        "coprocessor_verify_proof_pending_gauge 0.0",
    ):
        assert line in lines


def test_a_proof_is_pending_until_its_verdict_also_between_two_attempts() -> None:
    metrics = Metrics()
    observe = observer(metrics)
    observe([demand(0, "zkproof", 2, 0, 0, 0), demand(3, "zkproof", 0, 1, 1, 0)], Unsent())
    assert "coprocessor_verify_proof_pending_gauge 4.0" in metrics.text().decode().splitlines()
    observe([], Unsent())
    lines = metrics.text().decode().splitlines()
    assert "coprocessor_verify_proof_pending_gauge 0.0" in lines
    assert 'cipherstream_work_delayed{work_class="zkproof"} 0.0' in lines


def test_what_is_paused_is_told_and_a_paused_proof_is_pending() -> None:
    metrics = Metrics()
    observer(metrics)([msgspec.structs.replace(demand(0, "zkproof", 1, 0, 0, 0), paused=3)], Unsent())
    lines = metrics.text().decode().splitlines()
    assert 'cipherstream_work_paused{work_class="zkproof"} 3.0' in lines
    assert "coprocessor_verify_proof_pending_gauge 4.0" in lines


def test_what_the_gateway_lacks_is_told_whole_and_not_only_what_a_sender_holds() -> None:
    metrics = Metrics()
    observe = observer(metrics)
    names = (
        "coprocessor_add_ciphertext_material_unsent_gauge",
        "coprocessor_verify_proof_resp_unsent_txn_gauge",
        "cipherstream_allow_handle_unsent_gauge",
    )
    observe([], Unsent(digests=1700, answers=250, rights=3))
    assert [metrics.value(name) for name in names] == [1700, 250, 3]
    observe([], Unsent())
    assert [metrics.value(name) for name in names] == [0, 0, 0]
