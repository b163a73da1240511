"""zkproof-worker and sns-worker as processes, on a real broker and a real object store."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from worker_process import CHAIN, CRS, KEY, Deployment, port_of, worker

from streams.adapters.ethereum.signer import recover
from streams.devnet.stack import Stack
from streams.domain.attestation import (
    METADATA_KEY,
    Format,
    from_metadata,
    is_genuine,
    object_key_ct64,
    object_key_ct128,
)
from streams.domain.digest import keccak256
from streams.domain.handle import stamp
from streams.domain.operations import FheType
from streams.domain.results import Ciphertext, Proven, Squashed
from streams.domain.work import ProofWork, SquashWork
from streams.fhe.clear import SQUASHED, STORED, decode, encode, encode_list
from streams.fhe.suite import ClearValue
from streams.messages.claim_check import INLINE_BYTES_MAX
from streams.services.worker.proof import auxiliary_data

pytestmark = pytest.mark.stack

UINT64 = FheType.UINT64


def proof(item: str, raw: bytes, user: bytes = b"\5" * 20) -> ProofWork:
    return ProofWork(
        item=item, tenant="t", attempt=0, timeout_s=60, key_id=KEY, crs_id=CRS, zk_proof_id=1, chain_id=CHAIN,
        acl_address=b"\1" * 20, contract_address=b"\2" * 20, user_address=user, ciphertext_with_proof=raw,
    )  # fmt: skip


def input_list(count: int) -> bytes:
    values = [ClearValue(UINT64, number) for number in range(count)]
    return encode_list(values, auxiliary_data(proof("", b"")), bytes(16))


async def test_proofs_are_judged(deployment: Deployment) -> None:
    raw, noise = input_list(2), bytes(INLINE_BYTES_MAX)  # the second one comes by claim check
    work = [proof("good", raw), proof("foreign", raw, user=b"\6" * 20), proof("noise", noise)]
    async with worker("zkproof_worker", deployment.settings(), "z", deployment.folder):
        await deployment.send("work.zkproof.v1", work)
        results = await deployment.results("t", 6)
    verdicts = {result.item: result for result in results if isinstance(result, Proven)}
    assert {item: proven.verified for item, proven in verdicts.items()} == {
        "good": True,
        "foreign": False,
        "noise": False,
    }
    assert [decode(STORED, c.ct64, UINT64) for c in verdicts["good"].ciphertexts] == [0, 1]


async def test_squashed_ciphertexts_are_there_for_everybody(deployment: Deployment, stack: Stack) -> None:
    handle = stamp(keccak256(deployment.kafka.prefix.encode()), 0xFF, CHAIN, UINT64)
    ct64 = encode(STORED, ClearValue(UINT64, 77))
    work = SquashWork(
        item="s", tenant="t", attempt=0, timeout_s=60, key_id=KEY,
        ciphertext=Ciphertext(handle=handle, fhe_type=UINT64, ct64=ct64),
    )  # fmt: skip
    async with worker("sns_worker", deployment.settings(), "s", deployment.folder):
        await deployment.send("work.sns.v1", [work])
        _, squashed = await deployment.results("t", 2)
        # as another transaction asks for it: the same question would not be computed again
        other = msgspec.structs.replace(work, transaction_hash=b"\1")
        await deployment.send("work.sns.v1", [other])
        *_, again = await deployment.results("t", 4)
    assert isinstance(squashed, Squashed)
    assert again == squashed
    async with httpx.AsyncClient(base_url=f"{stack.s3_endpoint}/{stack.s3_bucket}/") as http:
        stored = await http.get(object_key_ct64(handle))
        squashed_object = await http.get(object_key_ct128(handle))
    assert stored.content == ct64
    assert decode(SQUASHED, squashed_object.content, UINT64) == 77
    assert keccak256(squashed_object.content) == squashed.ct128_digest
    for response in (stored, squashed_object):
        attestation = from_metadata(response.headers[f"x-amz-meta-{METADATA_KEY}"], handle)
        assert is_genuine(attestation, recover)
        assert attestation.signer == deployment.signer.address
        assert response.headers["x-amz-meta-key-id"] == f"0x{KEY.hex()}"


async def test_an_operator_chooses_form_and_policy_and_sees_whether_the_buckets_are_there(
    deployment: Deployment,
) -> None:
    def work(number: int) -> SquashWork:
        handle = stamp(keccak256(f"{deployment.kafka.prefix}{number}".encode()), 0xFF, CHAIN, UINT64)
        given = Ciphertext(handle=handle, fhe_type=UINT64, ct64=encode(STORED, ClearValue(UINT64, number)))
        return SquashWork(
            item=f"s{number}", tenant="t", attempt=0, timeout_s=60, key_id=KEY, ciphertext=given
        )

    more = '[sns]\nschedule_policy = "sequential"\nenable_compression = false\nwork_items_batch_size = 3'
    state = deployment.folder
    async with worker("sns_worker", deployment.settings(more=more), "s", state):
        await deployment.send("work.sns.v1", [work(number) for number in range(6)])
        results = await deployment.results("t", 12)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port_of(state, 's')}") as http:
            health = await http.get("/healthz")
            metrics = await http.get("/metrics")
        async for _, beat in deployment.heartbeats():
            assert beat is not None
            assert beat.slots == (3 if beat.key_ids else 0)
            if beat.key_ids:
                break
    squashed = [result for result in results if isinstance(result, Squashed)]
    assert {result.item for result in squashed} == {f"s{number}" for number in range(6)}
    assert {result.format for result in squashed} == {Format.UNCOMPRESSED_ON_CPU}
    assert health.json()["dependencies"]["buckets"] == "ok"
    assert 'cipherstream_worker_cache_misses{cache="keys"} 1.0' in metrics.text


async def test_a_bucket_that_is_missing_makes_the_worker_unhealthy(deployment: Deployment) -> None:
    state = deployment.folder
    settings = deployment.settings()
    settings.write_text(settings.read_text().replace("access_key", 'bucket_ct128 = "missing"\naccess_key', 1))
    async with worker("sns_worker", settings, "s", state):
        report = await _health_with(state, "s", "buckets")
    assert report["dependencies"]["buckets"] == "fail"
    assert report["details"]["buckets"].startswith("missing: ")
    assert report["status"] == "unhealthy"


async def _health_with(state: Path, name: str, dependency: str) -> dict[str, Any]:
    """The first report that says something about it; the worker may not even be up."""
    async with asyncio.timeout(90), httpx.AsyncClient() as http:
        while True:
            try:
                report = (await http.get(f"http://127.0.0.1:{port_of(state, name)}/healthz")).json()
            except (OSError, httpx.TransportError):
                report = {"dependencies": {}}
            if dependency in report["dependencies"]:
                return report
            await asyncio.sleep(0.1)
