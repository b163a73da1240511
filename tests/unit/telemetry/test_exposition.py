"""What /metrics of each service says after a block went the whole way, and while and after things fail."""

import pytest
from trace_world import HANDLE, TraceWorld

from streams.adapters.memory.blobs import MemoryBlobs
from streams.adapters.memory.clock import FakeClock
from streams.adapters.telemetry.catalog import METRICS
from streams.adapters.telemetry.health import Health
from streams.adapters.telemetry.metrics import Metrics
from streams.adapters.telemetry.tracing import OFF
from streams.domain.attestation import Format, Statement, attest
from streams.domain.errors import BlobError
from streams.services.sender.alarms import Alarm, Alarms
from streams.services.sender.encode import ADD_MATERIAL, ALLOW_HANDLE, VERIFY_PROOF
from streams.services.sender.metrics import SenderMetrics
from streams.services.worker.metrics import upload_metrics
from streams.services.worker.uploads import Buckets, Uploads

MOVED = {
    "host-listener": {"host_poller_blocks_processed"},
    "tfhe-worker": {
        "coprocessor_work_items_found",
        "coprocessor_work_items_processed",
        "coprocessor_fhe_batch_latency_seconds",
    },
    "sns-worker": {
        "coprocessor_work_items_found",
        "coprocessor_sns_worker_task_execute_success_counter",
        "coprocessor_sns_worker_aws_upload_success_counter",
        "coprocessor_sns_op_latency_seconds",
    },
    "transaction-sender": {
        "coprocessor_work_items_found",
        "coprocessor_work_items_processed",
        "coprocessor_txn_sender_add_ciphertext_material_success_counter",
        "cipherstream_add_ciphertext_material_txn_latency_seconds",
        "cipherstream_sender_item_seconds",
    },
}


def moved(metrics: Metrics) -> set[str]:
    """Names of the table whose exposition is not zero; of a histogram, its count."""
    found: set[str] = set()
    for line in metrics.text().decode().splitlines():
        if not line.startswith("#") and float(line.rsplit(" ", 1)[1]):
            found.add(line.split("{")[0].split(" ")[0])
    return {metric.name for metric in METRICS if metric.name in found or f"{metric.name}_count" in found}


async def test_each_service_tells_what_it_did_for_a_block() -> None:
    world = TraceWorld(lambda _: OFF)
    await world.run()
    told = {name: moved(metrics) for name, metrics in world.metrics.items() if name in MOVED}
    assert told == MOVED


class WatchedBlobs(MemoryBlobs):
    """Notes what the gauge says while an object is on its way; fails on request."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__()
        self._metrics = metrics
        self.is_away = False
        self.on_the_way: list[float | None] = []

    async def put_new(self, bucket: str, key: str, body: bytes, metadata: object = None) -> bool:
        self.on_the_way.append(self._metrics.value("coprocessor_sns_worker_uncomplete_aws_uploads_gauge"))
        if self.is_away:
            raise BlobError("away")
        return await super().put_new(bucket, key, body, metadata)  # type: ignore[arg-type]

    async def put(self, bucket: str, key: str, body: bytes, metadata: object = None) -> None:
        if self.is_away:
            raise BlobError("away")
        await super().put(bucket, key, body, metadata)  # type: ignore[arg-type]


async def test_objects_on_their_way_are_a_gauge_and_failures_a_counter() -> None:
    metrics = Metrics()
    blobs = WatchedBlobs(metrics)
    uploads = Uploads(blobs, Buckets("b", "b"), upload_metrics(metrics))
    statement = Statement(
        handle=HANDLE,
        key_id=bytes(32),
        ct64_digest=bytes(32),
        ct128_digest=bytes(32),
        format=Format.COMPRESSED_ON_CPU,
    )
    attestation = attest(statement, bytes(20), lambda digest: digest + bytes(33))
    await uploads.put_both(attestation, b"64", b"128", {})
    assert max(filter(None, blobs.on_the_way)) >= 1
    assert metrics.value("coprocessor_sns_worker_uncomplete_aws_uploads_gauge") == 0
    blobs.is_away = True
    other = attest(statement, bytes(20), lambda digest: digest + b"\1" * 33)
    with pytest.raises(BlobError):
        await uploads.put_both(other, b"64", b"128", {})
    assert metrics.value("coprocessor_sns_worker_aws_upload_success_counter") == 2
    failed = metrics.value("coprocessor_sns_worker_aws_upload_failure_counter")
    assert failed in (1, 2)  # the other upload may be under way still


def test_a_ciphertext_is_a_task_until_both_objects_are_there() -> None:
    metrics = Metrics()
    name = "coprocessor_sns_worker_uncomplete_tasks_gauge"
    with upload_metrics(metrics).tasks.track_inprogress():
        assert metrics.value(name) == 1
    assert metrics.value(name) == 0


@pytest.mark.parametrize(
    ("kind", "latency", "success", "fail"),
    [
        (
            ADD_MATERIAL,
            "cipherstream_add_ciphertext_material_txn_latency_seconds",
            "coprocessor_txn_sender_add_ciphertext_material_success_counter",
            "coprocessor_txn_sender_add_ciphertext_material_fail_counter",
        ),
        (
            VERIFY_PROOF,
            "coprocessor_zkproof_txn_latency_seconds",
            "coprocessor_txn_sender_verify_proof_success_counter",
            "coprocessor_txn_sender_verify_proof_fail_counter",
        ),
        (
            ALLOW_HANDLE,
            "cipherstream_allow_handle_txn_latency_seconds",
            "cipherstream_allow_handle_success_counter",
            "cipherstream_allow_handle_fail_counter",
        ),
    ],
)
async def test_a_call_is_counted_and_timed_from_what_asked_for_it(
    kind: str, latency: str, success: str, fail: str
) -> None:
    metrics, clock = Metrics(), FakeClock()
    sender = SenderMetrics(metrics, clock)
    seen_ms = clock.now_ms()
    await clock.advance(90)
    with sender.of(kind, seen_ms):
        await clock.advance(10)
    with pytest.raises(ValueError, match="no"), sender.of(kind, seen_ms):
        raise ValueError("no")
    assert (metrics.value(success), metrics.value(fail)) == (1, 1)
    assert metrics.value(f"{latency}_sum") == 100
    assert metrics.value(f"{latency}_count") == 1


def test_an_alarm_is_a_gauge_and_counted() -> None:
    metrics = Metrics()
    alarms = Alarms(Health(), metrics)
    for _ in range(2):
        alarms.sound(Alarm.NO_FUNDS, "empty")
        assert metrics.value("cipherstream_sender_alarm", {"alarm": "no_funds"}) == 1
        alarms.clear(Alarm.NO_FUNDS)
    assert metrics.value("cipherstream_sender_alarm", {"alarm": "no_funds"}) == 0
    assert metrics.value("cipherstream_sender_alarms_raised", {"alarm": "no_funds"}) == 2
