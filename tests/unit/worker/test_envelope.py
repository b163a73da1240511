"""What a result carries beside its body: its schema, its tenant, an identity that repeats, and its trace."""

from streams.domain.results import Computed, Failed, Started
from streams.messages import headers, subjects, trace
from streams.ports import Record
from streams.services.worker.envelope import event_id, result_headers

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STARTED = Started(item="a", attempt=2, worker="w")
RECORD = Record(
    topic="work.tfhe.v1",
    partition=0,
    offset=4,
    key=b"k",
    value=b"v",
    headers=(
        (headers.TRACEPARENT, PARENT.encode()),
        (headers.TRACESTATE, b"vendor=1"),
        (headers.REPLAY, b"run"),
        (headers.SCHEMA, subjects.WORK.schema.encode()),
    ),
)


def test_a_result_names_its_own_schema_and_passes_the_trace_on() -> None:
    found = result_headers(RECORD, "t", STARTED)
    assert headers.get(found, headers.SCHEMA) == subjects.RESULTS.schema
    assert headers.get(found, headers.TENANT) == "t"
    assert headers.get(found, headers.ATTEMPT) == "2"
    assert headers.get(found, headers.TRACESTATE) == "vendor=1"
    assert headers.get(found, headers.REPLAY) == "run"
    told = headers.get(found, headers.TRACEPARENT) or ""
    assert told != PARENT
    assert trace.of(((headers.TRACEPARENT, told.encode()),), "").trace_id == PARENT.split("-")[1]


def test_the_same_finding_has_the_same_identity_and_another_one_another() -> None:
    computed = Computed(item="a", attempt=2, worker="w", key_id=b"k", ciphertexts=())
    failed = [
        Failed(item="a", attempt=2, worker="w", category="recoverable", error=error, message="")
        for error in ("BlobError", "KeyMissing")
    ]
    assert event_id(STARTED) == event_id(Started(item="a", attempt=2, worker="another"))
    others = [Started(item="a", attempt=3, worker="w"), Started(item="b", attempt=2, worker="w")]
    assert len({event_id(result) for result in (STARTED, *others, computed, *failed)}) == 6
