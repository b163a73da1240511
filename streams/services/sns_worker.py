"""sns-worker: squashes ciphertexts for decryption, attests and publishes them."""

from typing import Final

from streams.adapters.ethereum.signer import load_signer
from streams.services.runtime import Runtime
from streams.services.worker.loop import Executor
from streams.services.worker.metrics import upload_metrics
from streams.services.worker.service import Kind, Tools, run_worker
from streams.services.worker.squash import Buckets, SquashExecutor, Uploads

# Squashing is a parallel computation of its own; a second item hides the uploads.
KIND: Final = Kind("sns", memory_bytes_max=4_400_000_000, slots_max=2, writes_objects=True)

SIGNER_VARIABLE: Final = "CIPHERSTREAM_SIGNER__PRIVATE_KEY"


async def run(runtime: Runtime) -> None:
    """The service; returns when it was told to stop and has drained."""
    await run_worker(runtime, KIND, _executor)


def _executor(tools: Tools) -> Executor:
    runtime = tools.runtime
    store = runtime.settings.object_store
    uploads = Uploads(
        tools.blobs,
        Buckets(store.ct64(), store.ct128()),
        upload_metrics(runtime.metrics),
        lambda is_ok, detail: runtime.health.set("object_store", is_ok, detail),
    )
    signer = load_signer(runtime.settings.signer, SIGNER_VARIABLE)
    return SquashExecutor(tools.pool, tools.keys, tools.guard, uploads, signer, tools.worker)
