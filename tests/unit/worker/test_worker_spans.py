"""What a span of a worker says: that which one would search a trace by."""

from typing import Any

import pytest
from worker_bench import Bench, Called

from streams.adapters.memory.spans import MemorySpans
from streams.adapters.memory.work_source import MemoryWorkSource
from streams.adapters.system import SystemClock
from streams.adapters.telemetry.metrics import Metrics
from streams.adapters.telemetry.tracing import OFF, Tracing
from streams.domain.errors import OperationError
from streams.domain.results import Ciphertext, Computed
from streams.domain.work import (
    AddMaterial,
    ComputeWork,
    ProofWork,
    RejectResponse,
    SendWork,
    SquashWork,
    Work,
)
from streams.messages import headers, trace
from streams.services.worker.loop import Emit, Executor, OpenBody, WorkerLoop
from streams.services.worker.metrics import worker_metrics
from streams.services.worker.results import Results
from streams.services.worker.spans import about, work_span

BASE: dict[str, Any] = {"item": "i", "tenant": "t", "attempt": 2, "timeout_s": 60.0}
HANDLE = b"\7" * 32
COMPUTE = ComputeWork(**BASE, key_id=b"k" * 32, steps=(), inputs=(), outputs=(HANDLE,) * 20)
SQUASH = SquashWork(
    **BASE,
    key_id=b"k" * 32,
    ciphertext=Ciphertext(handle=HANDLE, fhe_type=5, ct64=b""),
    transaction_hash=b"\1",
)
PROOF = ProofWork(
    **BASE, key_id=b"k" * 32, crs_id=b"c", zk_proof_id=9, chain_id=1, acl_address=b"", contract_address=b"",
    user_address=b"", ciphertext_with_proof=b"secret",
)  # fmt: skip
COMMIT = SendWork(
    **BASE, call=AddMaterial(handle=HANDLE, key_id=b"k" * 32, ct64_digest=b"", ct128_digest=b"")
)
REFUSAL = SendWork(**BASE, call=RejectResponse(zk_proof_id=9, extra_data=b""))
TEXT = f"0x{HANDLE.hex()}"


@pytest.mark.parametrize(
    ("work", "subject"),
    [
        (COMPUTE, {"fhevm.handles": (TEXT,) * 16}),
        (SQUASH, {"fhevm.handles": (TEXT,), "fhevm.transaction": "0x01"}),
        (PROOF, {"fhevm.zk_proof_id": "9"}),
        (COMMIT, {"fhevm.handles": (TEXT,)}),
        (REFUSAL, {"fhevm.zk_proof_id": "9"}),
    ],
    ids=["compute", "squash", "proof", "commit", "refusal"],
)
def test_a_span_names_the_item_and_its_subject(work: Work, subject: dict[str, object]) -> None:
    base = {"tenant": "t", "worker": "w", "fhevm.item": "i", "fhevm.attempt": 2}
    assert about(work, "w") == base | subject


class Traced(Bench):
    """A worker whose spans are kept."""

    def __init__(self, tracing: Tracing) -> None:
        super().__init__()
        self._tracing = tracing

    def loop(self, source: MemoryWorkSource, executor: Executor, open_body: OpenBody) -> WorkerLoop:
        results = Results(self.log, self.clock, "w", self._tracing)
        counted = worker_metrics(self.metrics, "tfhe")
        return WorkerLoop(
            source, open_body, executor, results, self.clock, counted, "w", tracing=self._tracing
        )


async def run(bench: Bench, error: Exception | None = None) -> None:
    async def execute(work: Work, emit: Emit) -> None:
        if error is not None:
            raise error
        await emit(
            Computed(item=work.item, attempt=work.attempt, worker="w", key_id=b"k" * 32, ciphertexts=())
        )

    await bench.send(COMPUTE)
    async with bench.worker(Called(execute)):
        await bench.answered(2)


async def test_results_carry_the_spans_that_are_told() -> None:
    sink = MemorySpans()
    bench = Traced(Tracing(SystemClock(), sink))
    await run(bench)
    told = {span.context for span in sink.spans if span.name.startswith("result ")}
    carried = {
        trace.parse(headers.require(r.headers, "traceparent")) for r in bench.log.records("results.v1")
    }
    assert told == carried
    assert [span.name for span in sink.spans] == ["result Started", "result Computed", "execute ComputeWork"]


async def test_an_item_that_fails_is_a_span_that_says_so() -> None:
    sink = MemorySpans()
    await run(Traced(Tracing(SystemClock(), sink)), OperationError("no"))
    assert [span.error for span in sink.named("execute ComputeWork")] == ["OperationError"]
    assert [span.error for span in sink.named("result Failed")] == [""]


async def test_without_a_sink_the_headers_are_the_same() -> None:
    traced, plain = Traced(Tracing(SystemClock(), MemorySpans())), Traced(OFF)
    await run(traced)
    await run(plain)
    assert [r.headers for r in traced.log.records("results.v1")] == [
        r.headers for r in plain.log.records("results.v1")
    ]


async def test_an_item_s_span_is_nothing_when_tracing_is_off() -> None:
    bench = Bench()
    await bench.send(COMPUTE)
    (record,) = bench.log.records("work.tfhe.v1")
    with work_span(OFF, record, COMPUTE, "w") as notes:
        assert notes == {}
    assert b"spans" not in Metrics().text()
