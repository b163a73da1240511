"""Records of the dispatcher: topic, key, partition, headers, claim checks."""

import msgspec
from unit.graph.graph_world import TENANT

from streams.adapters.memory.blobs import MemoryBlobs
from streams.domain.control import CiphertextAnnouncement
from streams.domain.lifecycle import WorkState
from streams.domain.rows import WorkRow
from streams.domain.work import AddMaterial, ComputeWork, SendWork, decode_work
from streams.messages import claim_check
from streams.ports import DeadLetter, Record
from streams.services.graph.outgoing import Publication, publication, sealing

HANDLE = b"\x01" * 32


def item(work_class: str, **fields: object) -> WorkRow:
    known = {
        "tenant": TENANT,
        "id": "i1",
        "work_class": work_class,
        "kind": "compute",
        "subject": HANDLE,
        "affinity": b"root",
        "contract": b"",
        "cost_ms": 1,
        "state": WorkState.CLAIMED,
        "attempt": 2,
        "partition": 7,
    }
    return WorkRow(**{**known, **fields})


def compute(key_id: bytes = b"k") -> ComputeWork:
    return ComputeWork(
        item="i1", tenant=TENANT, attempt=2, timeout_s=60, key_id=key_id, steps=(), inputs=(), outputs=()
    )


def test_work_goes_to_its_partition_with_its_story_in_headers() -> None:
    found = publication(item("tfhe"), compute(), b"")
    assert (found.topic, found.partition, found.key) == ("work.tfhe.v1", 7, TENANT.encode())
    headers = dict(found.headers)
    assert (headers["event-id"], headers["attempt"], headers["schema"]) == (b"i1/2", b"2", b"work/1.3")
    assert headers["tenant"] == TENANT.encode()


def test_items_of_a_component_share_a_trace() -> None:
    first = dict(publication(item("tfhe"), compute(), b"").headers)["traceparent"]
    second = dict(publication(item("tfhe", id="i2"), compute(), b"").headers)["traceparent"]
    assert first != second
    assert first.split(b"-")[1] == second.split(b"-")[1]


def test_calls_are_keyed_by_the_signing_address() -> None:
    call = AddMaterial(handle=HANDLE, key_id=b"", ct64_digest=b"", ct128_digest=b"")
    send = SendWork(item="i1", tenant=TENANT, attempt=0, timeout_s=60, call=call)
    assert publication(item("sender"), send, b"\x05" * 20).key == b"\x05" * 20
    assert publication(item("sender"), send, b"").key == b"root"


def test_an_announcement_is_keyed_by_tenant_and_handle() -> None:
    message = CiphertextAnnouncement(
        tenant=TENANT, handle=HANDLE, fhe_type=5, key_id=b"", ct64_digest=b"", ct128_digest=b"", format=11
    )
    found = publication(item("publish"), message, b"")
    assert (found.topic, found.key) == ("ciphertexts.v1", f"{TENANT}/{HANDLE.hex()}".encode())
    assert (found.partition, msgspec.json.decode(found.value or b"", type=CiphertextAnnouncement)) == (
        None,
        message,
    )


def test_a_letter_keeps_bytes_and_headers_and_tells_the_failure() -> None:
    origin = Record(
        topic="events.v1",
        partition=3,
        offset=9,
        key=b"k",
        value=None,
        headers=(("a", b"\xff"), ("error", b"old")),
    )
    letter = DeadLetter(id=b"1", tenant="t", record=origin, error_class="Undecodable", error="no")
    found = publication(item("publish"), letter, b"")
    assert (found.topic, found.key, found.value) == ("dlq.v1", b"k", None)
    headers = dict(found.headers)
    assert headers["a"] == b"\xff"
    assert (headers["origin"], headers["error"]) == (b"events.v1/3/9", b"no")


async def test_large_work_becomes_a_claim_check_and_other_topics_do_not() -> None:
    blobs = MemoryBlobs()
    seal = sealing(blobs, "bucket")
    large = publication(item("tfhe"), compute(b"k" * 300_000), b"")
    sealed = await seal(large)
    assert len(sealed.value or b"") < 1000
    record = Record(
        topic="work.tfhe.v1", partition=0, offset=0, key=b"", value=sealed.value, headers=sealed.headers
    )
    assert decode_work(await claim_check.open(blobs, record)) == compute(b"k" * 300_000)
    letter = Publication(topic="dlq.v1", key=b"", value=b"v" * 300_000, headers=())
    assert await seal(letter) is letter
