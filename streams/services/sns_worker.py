"""sns-worker: squashes ciphertexts for decryption, attests and publishes them."""

from functools import partial
from typing import Final

import msgspec

from streams.adapters.ethereum.signer import load_signer
from streams.fhe.device_choice import OWN_WORDS
from streams.services.runtime import Runtime
from streams.services.worker.backlog import Backlog
from streams.services.worker.buckets import Readiness
from streams.services.worker.child import Policy
from streams.services.worker.loop import Executor
from streams.services.worker.metrics import upload_metrics
from streams.services.worker.pool import OnState
from streams.services.worker.service import Kind, Tools, run_worker
from streams.services.worker.squash import Parts, SquashExecutor
from streams.services.worker.uploads import Buckets, Uploads
from streams.settings import SQUASHES_MAX, SnsSettings

# Devices with words of their own squash nothing, and what they decompressed would end in other bytes.
#
# The bound is above the 2.4 GB that a key set of `wave` takes on two threads: on 64 a batch has 2,048
# ciphertexts of 0.6 MB, and two key sets of `tfhe-rs`, while one follows the other, take 3.6 GB.
KIND: Final = Kind(
    "sns", memory_bytes_max=4_400_000_000, has_devices=True, on_cpu=OWN_WORDS, writes_objects=True
)
# With small values one squashing does not keep all cores busy; several at a time do.
AT_A_TIME: Final = 4
# A GPU is full with eight numbers of 64 bits and has two such batches at a time; others are being uploaded.
PER_GPU: Final = 32

SIGNER_VARIABLE: Final = "CIPHERSTREAM_SIGNER__PRIVATE_KEY"


async def run(runtime: Runtime) -> None:
    """The service; returns when it was told to stop and has drained."""
    await run_worker(runtime, kind_of(runtime.settings.sns), _executor)


def kind_of(settings: SnsSettings) -> Kind:
    """The worker that the settings ask for."""
    # Where they are squashed together, an item's time holds the batches in front of it and its own: fewer
    # than twice as many items as are in hand, and as many again where batches fail: less than four times what
    # all slots cost on all threads. Its limit is ten times that cost (`Pool.limit_s`, `timeout_ms`).
    policy = Policy.SEQUENTIAL if settings.schedule_policy == "sequential" else Policy.PARALLEL
    bare = () if settings.enable_compression else ("--bare",)
    return msgspec.structs.replace(
        KIND,
        slots=settings.work_items_batch_size or AT_A_TIME,
        slots_per_gpu=0 if settings.work_items_batch_size else PER_GPU,
        slots_max=SQUASHES_MAX,
        requests_max=settings.s3_max_concurrent_uploads,
        child_flags=("--policy", policy.value, *bare),
    )


def _executor(tools: Tools) -> Executor:
    runtime = tools.runtime
    settings, store = runtime.settings.sns, runtime.settings.object_store
    buckets = Buckets(store.ct64(), store.ct128())
    metrics = upload_metrics(runtime.metrics)
    uploads = Uploads(
        tools.blobs,
        buckets,
        metrics,
        _state(runtime, "object_store"),
        uploads_max=settings.s3_max_concurrent_uploads,
    )
    # In the parent: the child runs native code on others' bytes and must not hold a key that signs.
    signer = load_signer(runtime.settings.signer, SIGNER_VARIABLE)
    backlog = Backlog(on_size=metrics.backlog.set)
    executor = SquashExecutor(
        Parts(tools.pool, tools.keys, tools.guard, uploads, signer, backlog), tools.worker
    )
    readiness = Readiness(
        tools.blobs, (buckets.ct64, buckets.ct128), runtime.clock, _state(runtime, "buckets")
    )
    tools.beside.append(readiness.run)
    tools.beside.append(partial(executor.resubmit_for_ever, runtime.clock, settings.s3_recheck_duration_s))
    return executor


def _state(runtime: Runtime, dependency: str) -> OnState:
    return lambda is_ok, detail: runtime.health.set(dependency, is_ok, detail)
