"""Objects are put once, several at a time, and what was squashed is not squashed again to be put."""

import asyncio
from collections.abc import Mapping
from typing import cast

import msgspec
import pytest
from worker_bench import Bench

from streams.adapters.ethereum.signer import Signer
from streams.adapters.memory.blobs import MemoryBlobs
from streams.adapters.memory.clock import FakeClock, settle
from streams.domain.attestation import (
    METADATA_KEY,
    Attestation,
    Format,
    Statement,
    object_key_ct64,
    object_key_ct128,
)
from streams.domain.digest import keccak256
from streams.domain.errors import BlobError
from streams.domain.handle import stamp
from streams.domain.results import Ciphertext, Result, Squashed
from streams.domain.work import SquashWork
from streams.services.worker import frames
from streams.services.worker.backlog import Backlog, Squash
from streams.services.worker.guard import Guard
from streams.services.worker.keys import Keys
from streams.services.worker.metrics import upload_metrics
from streams.services.worker.process import OnOutput
from streams.services.worker.squash import Parts, SquashExecutor
from streams.services.worker.uploads import Buckets, Uploads

CHAIN = 12345
BUCKETS = Buckets("a", "b")


def handle(seed: int) -> bytes:
    return stamp(keccak256(bytes((seed,))), 0xFF, CHAIN, 5)


def work(seed: int = 0, attempt: int = 0, ct64: bytes = b"ct64") -> SquashWork:
    return SquashWork(
        item=f"s{seed}", tenant="t", attempt=attempt, timeout_s=60, key_id=b"k" * 32,
        ciphertext=Ciphertext(handle=handle(seed), fhe_type=5, ct64=ct64),
    )  # fmt: skip


def attestation(seed: int = 0) -> Attestation:
    statement = Statement(
        handle=handle(seed), key_id=bytes(32), ct64_digest=bytes(32), format=Format.COMPRESSED_ON_CPU
    )
    return Attestation(statement, bytes(20), bytes(65))


class Child:
    """Squashes, and counts how often."""

    def __init__(self, answered: Format = Format.COMPRESSED_ON_CPU) -> None:
        self.squashed = 0
        self._format = answered

    async def execute(self, work: frames.ChildWork, on_output: OnOutput) -> frames.Final_:
        self.squashed += 1
        return frames.Squashing(1, b"ct128", self._format)


class AllKeys:
    async def wait(self, identity: bytes) -> None: ...


class Watched(MemoryBlobs):
    """Counts what runs at a time, until it is let go on; another one may be quicker."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.running = 0
        self.most = 0
        self.quicker: Mapping[str, str] | None = None

    async def put_new(
        self, bucket: str, key: str, body: bytes, metadata: Mapping[str, str] | None = None
    ) -> bool:
        self.running += 1
        self.most = max(self.most, self.running)
        await self.go_on.wait()
        self.running -= 1
        if self.quicker is not None:
            await self.put(bucket, key, b"of another", self.quicker)
        return await super().put_new(bucket, key, body, metadata)


class Squashes:
    """sns-worker's executor over memory."""

    def __init__(self, bench: Bench, backlog: Backlog | None = None, child: Child | None = None) -> None:
        metrics = upload_metrics(bench.metrics)
        self.blobs = Watched()
        self.child = child or Child()
        self.backlog = backlog or Backlog(on_size=metrics.backlog.set)
        uploads = Uploads(self.blobs, BUCKETS, metrics)
        signer = Signer(bytes(31) + b"\x01")
        keys, guard = cast(Keys, AllKeys()), Guard("tfhe-rs", [CHAIN], [])
        self.executor = SquashExecutor(Parts(self.child, keys, guard, uploads, signer, self.backlog), "w")
        self.results: list[Result] = []

    async def emit(self, result: Result) -> None:
        self.results.append(result)

    async def execute(self, work: SquashWork) -> None:
        await self.executor.execute(work, self.emit)


def uploads(bench: Bench, blobs: MemoryBlobs, uploads_max: int = 16) -> Uploads:
    return Uploads(blobs, BUCKETS, upload_metrics(bench.metrics), uploads_max=uploads_max)


async def test_so_many_uploads_run_at_a_time_and_no_more(bench: Bench) -> None:
    blobs = Watched()
    blobs.go_on.clear()
    several = uploads(bench, blobs, uploads_max=3)
    putting = [asyncio.create_task(several.put_both(attestation(seed), b"1", b"2", {})) for seed in range(5)]
    await settle()
    assert blobs.running == 3
    blobs.go_on.set()
    await asyncio.gather(*putting)
    assert blobs.most == 3
    assert len(blobs.objects()) == 10


async def test_who_was_quicker_with_the_same_is_left_alone(bench: Bench) -> None:
    first, second = Squashes(bench), Squashes(bench)
    await first.execute(work())
    stored = first.blobs.objects()["b", object_key_ct128(handle(0))]
    second.blobs.quicker = {METADATA_KEY: stored.metadata[METADATA_KEY]}
    await second.execute(work())
    assert {blob.body for blob in second.blobs.objects().values()} == {b"of another"}
    assert second.results == first.results


async def test_who_was_quicker_with_something_else_is_replaced(bench: Bench) -> None:
    squashes = Squashes(bench)
    squashes.blobs.quicker = {METADATA_KEY: "something else"}
    await squashes.execute(work())
    assert squashes.blobs.objects()["a", object_key_ct64(handle(0))].body == b"ct64"
    assert squashes.blobs.objects()["b", object_key_ct128(handle(0))].body == b"ct128"


@pytest.mark.parametrize("format_", [Format.COMPRESSED_ON_CPU, Format.UNCOMPRESSED_ON_CPU])
async def test_the_form_is_attested_and_published(bench: Bench, format_: Format) -> None:
    squashes = Squashes(bench, child=Child(format_))
    await squashes.execute(work())
    (result,) = squashes.results
    assert isinstance(result, Squashed)
    assert result.format == format_
    metadata = squashes.blobs.objects()["b", object_key_ct128(handle(0))].metadata
    assert format_.name.lower() in metadata[METADATA_KEY]


async def test_a_later_attempt_uploads_what_an_earlier_one_squashed(bench: Bench) -> None:
    squashes = Squashes(bench)
    squashes.blobs.fail_next(2)
    with pytest.raises(BlobError):
        await squashes.execute(work())
    assert bench.metrics.value("cipherstream_sns_backlog") == 1
    await squashes.execute(work(attempt=1))
    assert squashes.child.squashed == 1
    (result,) = squashes.results
    assert isinstance(result, Squashed)
    assert result.attempt == 1
    assert bench.metrics.value("cipherstream_sns_backlog") == 0


async def test_another_ciphertext_of_the_handle_is_squashed_itself(bench: Bench) -> None:
    squashes = Squashes(bench)
    squashes.blobs.fail_next(2)
    with pytest.raises(BlobError):
        await squashes.execute(work())
    await squashes.execute(work(attempt=1, ct64=b"another"))
    assert squashes.child.squashed == 2


async def test_what_could_not_be_uploaded_is_resubmitted_and_ends_its_item(bench: Bench) -> None:
    squashes, clock = Squashes(bench), FakeClock()
    squashes.blobs.fail_next(6)
    for seed in range(3):
        with pytest.raises(BlobError):
            await squashes.execute(work(seed))
    await settle()
    resubmitting = asyncio.create_task(squashes.executor.resubmit_for_ever(clock, 2.0))
    squashes.blobs.fail_next(2)  # the first one again
    await clock.advance(2.0)
    assert sorted(result.item for result in squashes.results) == ["s1", "s2"]
    assert bench.metrics.value("cipherstream_sns_backlog") == 1
    await clock.advance(2.0)
    resubmitting.cancel()
    assert sorted(result.item for result in squashes.results) == ["s0", "s1", "s2"]
    assert squashes.child.squashed == 3
    assert len(squashes.blobs.objects()) == 6
    assert bench.metrics.value("cipherstream_sns_backlog") == 0


async def test_the_backlog_is_bounded_and_the_oldest_goes() -> None:
    sizes: list[int] = []
    backlog = Backlog(bytes_max=30, on_size=sizes.append)

    async def emit(result: Result) -> None: ...

    for seed in range(4):
        backlog.keep(Squash(work(seed, ct64=b"12345"), b"12345", attestation(seed)), emit)
    assert [kept.squash.work.item for kept in backlog.all()] == ["s1", "s2", "s3"]
    assert backlog.find(work(0, ct64=b"12345")) is None
    assert sizes == [1, 2, 3, 3]
    backlog.keep(Squash(work(1, ct64=b"12345"), b"12345", attestation(1)), emit)
    assert [kept.squash.work.item for kept in backlog.all()] == ["s2", "s3", "s1"]


async def test_ciphertexts_of_other_tenants_and_keys_are_others() -> None:
    backlog = Backlog()

    async def emit(result: Result) -> None: ...

    backlog.keep(Squash(work(), b"ct128", attestation()), emit)
    assert backlog.find(msgspec.structs.replace(work(), tenant="u")) is None
    assert backlog.find(msgspec.structs.replace(work(), key_id=b"l" * 32)) is None
    assert backlog.find(work()) is not None
