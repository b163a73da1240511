import asyncio

import pytest
from structlog.contextvars import get_contextvars
from worker_bench import TOPIC, TRACE, Bench, Called

from streams.adapters.memory.clock import FakeClock
from streams.domain.errors import (
    BlobError,
    BrokerError,
    ConfigurationError,
    KeyMissing,
    OperationError,
)
from streams.domain.results import Computed, Failed, Result, Started
from streams.domain.work import ComputeWork, Work, encode_work
from streams.messages import headers, trace
from streams.ports import Record
from streams.services.worker.envelope import trace_of
from streams.services.worker.loop import Emit
from streams.services.worker.results import Results
from streams.services.worker.starvation import STRETCH_MAX


def header(record: Record, name: str) -> str:
    return headers.require(record.headers, name)


def item(name: str = "a", attempt: int = 0) -> ComputeWork:
    return ComputeWork(
        item=name,
        tenant="t",
        attempt=attempt,
        timeout_s=60,
        key_id=b"k" * 32,
        steps=(),
        inputs=(),
        outputs=(),
    )


def computed(work: Work) -> Computed:
    return Computed(item=work.item, attempt=work.attempt, worker="w", key_id=b"k" * 32, ciphertexts=())


async def done(work: Work, emit: Emit) -> None:
    await emit(computed(work))


async def test_an_item_is_started_and_answered_under_its_tenant_with_its_trace(bench: Bench) -> None:
    await bench.send(item(attempt=3))
    async with bench.worker(Called(done)):
        await bench.answered(2)
    assert bench.results() == (
        Started(item="a", attempt=3, worker="w", timeout_ms=60_000),
        computed(item(attempt=3)),
    )
    for record in bench.log.records("results.v1"):
        assert record.key == b"t"
        assert header(record, "tenant") == "t"
        assert header(record, "attempt") == "3"
        assert trace_of(record).trace_id == trace.parse(TRACE.decode()).trace_id
    assert bench.committed == {0: 1}


async def test_an_item_that_is_in_hand_for_longer_than_its_limit_is_said_to_be_so(bench: Bench) -> None:
    bench.clock = clock = FakeClock()
    await bench.send(item())
    in_hand, end = Started(item="a", attempt=0, worker="w", timeout_ms=60_000), asyncio.Event()

    async def long(work: Work, emit: Emit) -> None:
        await end.wait()
        await emit(computed(work))

    async with bench.worker(Called(long)):
        for count in (1, 2, 3):
            assert await bench.answered(count) == (in_hand,) * count
            await clock.advance(60)
        end.set()
        answered = await bench.answered(5)
        await clock.advance(600)
    assert answered[4:] == bench.results()[4:] == (computed(item()),)
    assert clock.sleepers == 0


async def test_an_item_that_never_ends_is_left_to_others_at_last(bench: Bench) -> None:
    """A child that does not come up keeps what waits for it."""
    bench.clock = clock = FakeClock()
    await bench.send(item())
    end = asyncio.Event()

    async def stuck(work: Work, emit: Emit) -> None:
        await end.wait()

    async with bench.worker(Called(stuck)):
        await bench.answered(1)
        await clock.advance(3 * STRETCH_MAX * 60)
        assert len(bench.results()) == 1 + STRETCH_MAX
        end.set()


async def test_an_item_is_answered_although_nobody_learned_that_it_was_in_hand(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.clock = clock = FakeClock()
    await bench.send(item())
    begun, lost, end = asyncio.Event(), asyncio.Event(), asyncio.Event()
    publish = Results.publish

    async def lossy(self: Results, record: Record, tenant: str, result: Result) -> None:
        if isinstance(result, Started) and begun.is_set():
            lost.set()
            raise BrokerError("away")
        await publish(self, record, tenant, result)

    async def long(work: Work, emit: Emit) -> None:
        begun.set()
        await end.wait()
        await emit(computed(work))

    monkeypatch.setattr(Results, "publish", lossy)
    async with bench.worker(Called(long)):
        await begun.wait()
        await clock.advance(60)
        await lost.wait()
        end.set()
        answered = await bench.answered(2)
    assert answered[1:] == (computed(item()),)


async def test_an_offset_waits_for_the_acknowledgement_of_the_last_result(bench: Bench) -> None:
    await bench.send(item())
    seen: list[dict[int, int]] = []

    async def slow(work: Work, emit: Emit) -> None:
        await emit(computed(work))
        seen.append(dict(bench.committed))

    bench.log.fail_next("results.v1")
    bench.log.fail_next("results.v1", is_stored=True)
    async with bench.worker(Called(slow)):
        await bench.answered(3)
    assert seen == [{}]
    assert bench.committed == {0: 1}
    assert bench.results()[-1] == computed(item())


async def test_a_killed_worker_leaves_its_offset_and_the_next_one_says_the_same(bench: Bench) -> None:
    await bench.send(item())

    async def endless(work: Work, emit: Emit) -> None:
        await emit(computed(work))
        await asyncio.Event().wait()

    killed = asyncio.create_task(bench.loop(bench.source(), Called(endless), bench.body).run())
    await bench.answered(2)
    killed.cancel()
    await asyncio.wait({killed})
    assert bench.committed == {}
    async with bench.worker(Called(done)):
        await bench.answered(4)
    identities = [header(record, "event-id") for record in bench.log.records("results.v1")]
    assert identities[:2] == identities[2:]
    assert identities[0] != identities[1]
    assert bench.committed == {0: 1}


@pytest.mark.parametrize(
    ("error", "category"),
    [(KeyMissing("not here"), "recoverable"), (OperationError("unknown"), "irrecoverable")],
)
async def test_an_error_of_the_tree_becomes_a_failed_result(
    bench: Bench, error: Exception, category: str
) -> None:
    async def fail(work: Work, emit: Emit) -> None:
        raise error

    await bench.send(item())
    async with bench.worker(Called(fail)):
        results = await bench.answered(2)
    assert results[1] == Failed(
        item="a", attempt=0, worker="w", category=category, error=type(error).__name__, message=str(error)
    )


async def test_a_defect_fails_its_item_for_now_and_no_other(bench: Bench) -> None:
    async def fragile(work: Work, emit: Emit) -> None:
        if work.item == "a":
            raise LookupError("a bug")
        await emit(computed(work))

    await bench.send(item("a"))
    await bench.send(item("b"))
    async with bench.worker(Called(fragile)):
        results = await bench.answered(4)
    failed = [result for result in results if isinstance(result, Failed)]
    assert [(result.item, result.category, result.message) for result in failed] == [
        ("a", "recoverable", "LookupError: a bug")
    ]
    assert computed(item("b")) in results


async def test_fatal_ends_the_loop_and_keeps_the_offset(bench: Bench) -> None:
    async def refuse(work: Work, emit: Emit) -> None:
        raise ConfigurationError("the engine is another one")

    await bench.send(item())
    with pytest.raises(ExceptionGroup) as caught:
        await bench.loop(bench.source(), Called(refuse), bench.body).run()
    assert [str(error) for error in caught.value.exceptions] == ["the engine is another one"]
    assert bench.committed == {}


async def test_bytes_that_do_not_decode_are_dead_letters_as_they_came(bench: Bench) -> None:
    await bench.send(b"\xff nonsense", (("schema", b"work/1"),))
    async with bench.worker(Called(done)):
        while not bench.log.records("dlq.v1"):
            await bench.log.grown()
    (letter,) = bench.log.records("dlq.v1")
    assert letter.value == b"\xff nonsense"
    assert header(letter, "schema") == "work/1"
    assert header(letter, "origin") == f"{TOPIC}/0/0"
    assert header(letter, "error-class") == "Undecodable"
    assert bench.committed == {0: 1}
    assert bench.results() == ()


@pytest.mark.parametrize("name", ["origin", "traceparent", "tracestate", "claim-check"])
async def test_no_header_of_a_record_stops_a_worker(bench: Bench, name: str) -> None:
    await bench.send(b"nonsense", ((name, b"\xff"),))
    await bench.send(item())
    async with bench.worker(Called(done)):
        await bench.answered(2)
        while not bench.log.records("dlq.v1"):
            await bench.log.grown()
    assert bench.committed == {0: 2}


@pytest.mark.parametrize("timeout_s", ["1e306", "-1", "0"])
async def test_no_timeout_stops_a_worker(bench: Bench, timeout_s: str) -> None:
    await bench.send(encode_work(item("odd")).replace(b"60", timeout_s.encode()))
    await bench.send(item())
    async with bench.worker(Called(done)):
        results = await bench.answered(3)
    assert {result.item for result in results if isinstance(result, Failed)} == {"odd"}
    assert bench.committed == {0: 2}


async def test_an_item_that_can_be_named_fails_besides(bench: Bench) -> None:
    await bench.send(b'{"type": "compute", "item": "a", "tenant": "t", "attempt": 2, "steps": 5}')
    async with bench.worker(Called(done)):
        (failed,) = await bench.answered(1)
    assert isinstance(failed, Failed)
    assert (failed.item, failed.attempt, failed.category) == ("a", 2, "irrecoverable")
    assert bench.committed == {0: 1}


async def test_a_body_that_is_away_for_a_moment_is_waited_for(bench: Bench) -> None:
    tries: list[Record] = []

    async def late(record: Record) -> bytes:
        tries.append(record)
        if len(tries) < 3:
            raise BlobError("not there")
        return record.value or b""

    await bench.send(item())
    async with bench.worker(Called(done), open_body=late):
        await bench.answered(2)
    assert bench.results()[-1] == computed(item())


async def test_a_body_that_stays_away_is_a_dead_letter_and_left_to_the_deadline(bench: Bench) -> None:
    async def lost(record: Record) -> bytes:
        raise BlobError("not there")

    await bench.send(item())
    async with bench.worker(Called(done), open_body=lost):
        while not bench.log.records("dlq.v1"):
            await bench.log.grown()
    assert bench.results() == ()
    assert bench.committed == {0: 1}


async def test_logs_know_where_they_are_and_busy_counts_what_runs(bench: Bench) -> None:
    seen: list[dict[str, object]] = []

    async def look(work: Work, emit: Emit) -> None:
        seen.append(
            get_contextvars() | {"busy": bench.metrics.registry.get_sample_value("cipherstream_busy")}
        )
        await emit(computed(work))

    await bench.send(item())
    async with bench.worker(Called(look)):
        await bench.answered(2)
    assert seen == [
        {
            "topic": TOPIC,
            "partition": 0,
            "offset": 0,
            "trace_id": "0af7651916cd43dd8448eb211c80319c",
            "tenant": "t",
            "item": "a",
            "attempt": 0,
            "busy": 1.0,
        }
    ]
    assert bench.metrics.registry.get_sample_value("cipherstream_busy") == 0.0


async def test_items_run_side_by_side(bench: Bench) -> None:
    meeting = asyncio.Barrier(3)

    async def meet(work: Work, emit: Emit) -> None:
        await meeting.wait()
        await emit(computed(work))

    for name in "abc":
        await bench.send(item(name))
    async with bench.worker(Called(meet), slots=3):
        await bench.answered(6)
    assert bench.committed == {0: 3}
