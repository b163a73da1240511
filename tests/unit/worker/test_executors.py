"""What the parent makes of a child's answers."""

from typing import cast

import msgspec
import pytest
from worker_bench import Bench

from streams.adapters.ethereum.signer import Signer
from streams.adapters.memory.blobs import MemoryBlobs
from streams.domain.attestation import METADATA_KEY, object_key_ct64, object_key_ct128
from streams.domain.digest import keccak256
from streams.domain.errors import (
    BlobError,
    CipherstreamError,
    InvalidInput,
    KeyMissing,
    OperationError,
    Recoverable,
    Undecodable,
    WorkerCrashed,
)
from streams.domain.handle import stamp
from streams.domain.results import Ciphertext, Computed, Proven, Result, Squashed
from streams.domain.work import ComputeWork, ProofWork, SquashWork, Work
from streams.services.worker import frames
from streams.services.worker.backlog import Backlog
from streams.services.worker.compute import ComputeExecutor
from streams.services.worker.guard import Guard
from streams.services.worker.keys import Keys
from streams.services.worker.loop import Executor
from streams.services.worker.metrics import upload_metrics
from streams.services.worker.process import OnOutput
from streams.services.worker.proof import INPUT_BYTES_MAX, ProofExecutor
from streams.services.worker.squash import Parts, SquashExecutor
from streams.services.worker.uploads import Buckets, Uploads

CHAIN = 12345
KEY, CRS = b"k" * 32, b"c" * 32
GUARD = Guard("tfhe-rs", [CHAIN], [])
HANDLE = stamp(keccak256(b"a"), 0xFF, CHAIN, 5)
CIPHERTEXT = Ciphertext(handle=HANDLE, fhe_type=5, ct64=b"ct64")


class Answering:
    """A pool whose child says what the test wants, after some outputs."""

    def __init__(self, answer: frames.Final_ | Exception, outputs: tuple[Ciphertext, ...] = ()) -> None:
        self._answer = answer
        self._outputs = outputs
        self.asked = 0

    async def execute(self, work: frames.ChildWork, on_output: OnOutput) -> frames.Final_:
        self.asked += 1
        for output in self._outputs:
            on_output(output)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


class Open:
    """Keys that are all there, but those named."""

    def __init__(self, *missing: bytes) -> None:
        self._missing = missing

    async def wait(self, identity: bytes) -> None:
        if identity in self._missing:
            raise KeyMissing(identity.hex())


def opened(*missing: bytes) -> Keys:
    return cast(Keys, Open(*missing))


async def executed(executor: Executor, work: Work) -> list[Result]:
    results: list[Result] = []

    async def emit(result: Result) -> None:
        results.append(result)

    await executor.execute(work, emit)
    return results


def component(*outputs: bytes) -> ComputeWork:
    return ComputeWork(
        item="a", tenant="t", attempt=1, timeout_s=60, key_id=KEY, steps=(), inputs=(), outputs=outputs
    )


def proof(raw: bytes = b"list", chain_id: int = CHAIN) -> ProofWork:
    return ProofWork(
        item="p", tenant="t", attempt=0, timeout_s=60, key_id=KEY, crs_id=CRS, zk_proof_id=1,
        chain_id=chain_id, acl_address=bytes(20), contract_address=bytes(20), user_address=bytes(20),
        ciphertext_with_proof=raw,
    )  # fmt: skip


def squash() -> SquashWork:
    return SquashWork(
        item="s", tenant="t", attempt=0, timeout_s=60, key_id=KEY, ciphertext=CIPHERTEXT,
        transaction_hash=b"\x07" * 32,
    )  # fmt: skip


async def test_outputs_that_a_second_child_repeats_are_published_once() -> None:
    pool = Answering(frames.Finished(1), (CIPHERTEXT, CIPHERTEXT))
    results = await executed(ComputeExecutor(pool, opened(), GUARD, "w"), component(HANDLE))
    assert results == [Computed(item="a", attempt=1, worker="w", key_id=KEY, ciphertexts=(CIPHERTEXT,))]


async def test_outputs_before_a_failure_are_kept() -> None:
    pool = Answering(OperationError("bad bytes"), (CIPHERTEXT,))
    results: list[Result] = []

    async def emit(result: Result) -> None:
        results.append(result)

    with pytest.raises(OperationError):
        await ComputeExecutor(pool, opened(), GUARD, "w").execute(component(HANDLE), emit)
    assert len(results) == 1


@pytest.mark.parametrize(
    "failure",
    [
        WorkerCrashed("out of memory"),
        KeyMissing("no key"),
        OperationError("not about the input"),
        Undecodable("not about the input"),
    ],
)
async def test_what_says_nothing_about_an_input_is_never_a_vote(failure: Exception) -> None:
    with pytest.raises(Recoverable):
        await executed(ProofExecutor(Answering(failure), opened(), GUARD, "w"), proof())


@pytest.mark.parametrize(
    ("work", "missing"),
    [(proof(), KEY), (proof(), CRS), (proof(chain_id=5), b"")],
    ids=["key", "reference string", "chain"],
)
async def test_what_is_not_known_here_is_tried_again(work: ProofWork, missing: bytes) -> None:
    pool = Answering(frames.Verdict(1, True))
    with pytest.raises(Recoverable):
        await executed(ProofExecutor(pool, opened(missing), GUARD, "w"), work)
    assert pool.asked == 0


@pytest.mark.parametrize("agreed", [(), (HANDLE,)])
async def test_a_second_verification_says_what_it_was_asked_for(agreed: tuple[bytes, ...]) -> None:
    work = msgspec.structs.replace(proof(), agreed=agreed)
    value = Ciphertext(handle=HANDLE, fhe_type=5, ct64=b"ct")
    for pool in (Answering(InvalidInput("no")), Answering(frames.Verdict(1, True, (value,)))):
        (result,) = await executed(ProofExecutor(pool, opened(), GUARD, "w"), work)
        assert isinstance(result, Proven)
        assert result.agreed == agreed


async def test_an_invalid_input_is_a_vote_with_its_reason() -> None:
    pool = Answering(InvalidInput("verification failed"))
    (result,) = await executed(ProofExecutor(pool, opened(), GUARD, "w"), proof())
    assert result == Proven(
        item="p", attempt=0, worker="w", verified=False, key_id=KEY, reason="verification failed"
    )


@pytest.mark.parametrize("raw", [b"", bytes(INPUT_BYTES_MAX + 1)], ids=["empty", "large"])
async def test_size_is_checked_before_anything_else(raw: bytes) -> None:
    pool = Answering(WorkerCrashed("must not be asked"))
    (result,) = await executed(ProofExecutor(pool, opened(KEY), GUARD, "w"), proof(raw))
    assert isinstance(result, Proven)
    assert not result.verified
    assert pool.asked == 0


async def test_a_large_verdict_comes_in_parts_that_each_name_all_handles() -> None:
    values = tuple(
        Ciphertext(handle=number.to_bytes(32, "big"), fhe_type=5, ct64=bytes(2000)) for number in range(255)
    )
    pool = Answering(frames.Verdict(1, True, values))
    results = [
        result
        for result in await executed(ProofExecutor(pool, opened(), GUARD, "w"), proof())
        if isinstance(result, Proven)
    ]
    assert len(results) > 1
    assert {len(result.handles) for result in results} == {255}
    assert sum(len(result.ciphertexts) for result in results) == 255


class Squashes:
    """sns-worker's executor over memory."""

    def __init__(self, bench: Bench, answer: frames.Final_ | Exception | None = None) -> None:
        self.blobs = MemoryBlobs()
        self.pool = Answering(answer or frames.Squashing(1, b"ct128", 11))
        uploads = Uploads(self.blobs, Buckets("a", "b"), upload_metrics(bench.metrics))
        signer = Signer(bytes(31) + b"\x01")
        self.executor = SquashExecutor(Parts(self.pool, opened(), GUARD, uploads, signer, Backlog()), "w")


async def test_both_objects_say_who_made_them_and_of_what(bench: Bench) -> None:
    squashes = Squashes(bench)
    (result,) = await executed(squashes.executor, squash())
    assert isinstance(result, Squashed)
    assert set(squashes.blobs.objects()) == {("a", object_key_ct64(HANDLE)), ("b", object_key_ct128(HANDLE))}
    for blob in squashes.blobs.objects().values():
        assert blob.metadata["Key-Id"] == f"0x{KEY.hex()}"
        assert blob.metadata["Transaction-Id"] == f"0x{'07' * 32}"
        assert blob.metadata["Signer"] == f"0x{result.signer.hex()}"


async def test_objects_under_the_same_attestation_are_not_uploaded_again(bench: Bench) -> None:
    squashes = Squashes(bench)
    await executed(squashes.executor, squash())
    key = object_key_ct64(HANDLE)
    metadata = dict(squashes.blobs.objects()["a", key].metadata)
    await squashes.blobs.put("a", key, b"marked", metadata)
    await squashes.blobs.put("b", object_key_ct128(HANDLE), b"foreign", {METADATA_KEY: "another"})
    await executed(squashes.executor, squash())
    assert squashes.blobs.objects()["a", key].body == b"marked"
    assert squashes.blobs.objects()["b", object_key_ct128(HANDLE)].body == b"ct128"


async def test_without_both_objects_nothing_is_published(bench: Bench) -> None:
    squashes = Squashes(bench)
    squashes.blobs.fail_next()
    with pytest.raises(BlobError):
        await executed(squashes.executor, squash())
    assert bench.metrics.value("coprocessor_sns_worker_aws_upload_failure_counter") == 1


async def test_a_task_counts_until_it_is_published(bench: Bench) -> None:
    squashes = Squashes(bench)
    counted: list[float | None] = []

    async def emit(result: Result) -> None:
        counted.append(bench.metrics.value("coprocessor_sns_worker_uncomplete_tasks_gauge"))

    await squashes.executor.execute(squash(), emit)
    assert counted == [1]
    assert bench.metrics.value("coprocessor_sns_worker_uncomplete_tasks_gauge") == 0


async def test_a_ciphertext_that_cannot_be_squashed_fails(bench: Bench) -> None:
    squashes = Squashes(bench, OperationError("another type"))
    with pytest.raises(OperationError):
        await executed(squashes.executor, squash())
    assert squashes.blobs.objects() == {}


@pytest.mark.parametrize("work", [component(HANDLE), proof(), squash()])
async def test_work_of_another_class_is_refused(bench: Bench, work: Work) -> None:
    pool = Answering(frames.Opened(1))
    executors: dict[type, Executor] = {
        ComputeWork: ProofExecutor(pool, opened(), GUARD, "w"),
        ProofWork: Squashes(bench).executor,
        SquashWork: ComputeExecutor(pool, opened(), GUARD, "w"),
    }
    with pytest.raises(Undecodable):
        await executed(executors[type(work)], work)


@pytest.mark.parametrize("work", [proof(), squash()])
async def test_an_answer_of_another_kind_is_a_defect_of_the_child(bench: Bench, work: Work) -> None:
    pool = Answering(frames.Opened(1))
    executors: dict[type, Executor] = {
        ProofWork: ProofExecutor(pool, opened(), GUARD, "w"),
        SquashWork: Squashes(bench, frames.Opened(1)).executor,
    }
    with pytest.raises(WorkerCrashed):
        await executed(executors[type(work)], work)


@pytest.mark.parametrize(
    ("guard", "chain_id", "is_allowed"),
    [
        (Guard("tfhe-rs", [1], []), 1, True),
        (Guard("tfhe-rs", [1], []), 2, False),
        (Guard("tfhe-rs", [], []), 2, True),
        (Guard("clear", [1], [1]), 1, True),
        (Guard("clear", [1], []), 1, False),
        (Guard("clear", [], [1]), 2, False),
    ],
)
def test_clear_numbers_stay_on_the_chains_of_a_devnet(guard: Guard, chain_id: int, is_allowed: bool) -> None:
    handle = stamp(keccak256(b"x"), 0xFF, chain_id, 5)
    if is_allowed:
        guard.check_handle(handle)
        return
    with pytest.raises(CipherstreamError) as caught:
        guard.check_handle(handle)
    assert caught.value.category == "recoverable"
