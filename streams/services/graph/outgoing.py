"""Records of work topics, `ciphertexts.v1` and `dlq.v1` as the dispatcher publishes them."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import msgspec

from streams.domain.control import CiphertextAnnouncement
from streams.domain.rows import WorkRow
from streams.domain.work import WorkClass, encode_work
from streams.messages import claim_check, dead_letter, headers, subjects, topics, trace
from streams.ports import Blobs, DeadLetter, Headers, Outgoing
from streams.settings import GraphSettings

SERVICE: Final = "graph"


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """A record to append."""

    topic: str
    key: bytes
    value: bytes | None
    headers: Headers
    partition: int | None = None


# Puts a body that is too large for a record into the object store and gives what stands for it.
Seal = Callable[[Publication], Awaitable[Publication]]


async def inline(publication: Publication) -> Publication:
    """No claim check: for deployments without large work, and tests."""
    return publication


def is_large(publication: Publication) -> bool:
    """Whether its body goes into the object store."""
    size_bytes = len(publication.value or b"")
    return publication.topic in topics.WORK.values() and size_bytes > claim_check.INLINE_BYTES_MAX


def sealing(blobs: Blobs, bucket: str) -> Seal:
    """Claim checks for `work.*` in this bucket."""

    async def seal(publication: Publication) -> Publication:
        if publication.topic not in topics.WORK.values() or publication.value is None:
            return publication
        value, found = await claim_check.close(blobs, bucket, publication.value, publication.headers)
        return msgspec.structs.replace(publication, value=value, headers=found)

    return seal


def publication(item: WorkRow, message: Outgoing, signer: bytes) -> Publication:
    """The record of an item's message."""
    if isinstance(message, CiphertextAnnouncement):
        return _announcement(item, message)
    if isinstance(message, DeadLetter):
        return _letter(message)
    # Only the sender's key orders anything; for other classes the partition is chosen (`claims`), the key
    # is for people.
    key = (signer or item.affinity) if item.work_class == WorkClass.SENDER else item.tenant.encode()
    return Publication(
        topic=topics.WORK[WorkClass(item.work_class)],
        key=key,
        value=encode_work(message),
        headers=headers_of(item, subjects.WORK.schema),
        partition=item.partition,
    )


def _announcement(item: WorkRow, message: CiphertextAnnouncement) -> Publication:
    return Publication(
        topic=topics.CIPHERTEXTS,
        key=f"{message.tenant}/{message.handle.hex()}".encode(),
        value=msgspec.json.encode(message),
        headers=headers_of(item, subjects.CIPHERTEXTS.schema),
    )


def _letter(letter: DeadLetter) -> Publication:
    record = dead_letter.shortened(letter.record)
    failure = dead_letter.Failure(
        error=letter.error,
        error_class=letter.error_class,
        service=SERVICE,
        origin=f"{record.topic}/{record.partition}/{record.offset}",
    )
    return Publication(
        topic=topics.DLQ,
        key=record.key or b"",
        value=record.value,
        headers=dead_letter.dead_letter(record, failure),
    )


def first_batch(pending: Iterable[WorkRow], settings: GraphSettings) -> list[WorkRow]:
    """The first items, as many as one turn may publish: their messages are in memory together.

    A component is the head of a chain of dependent operations, what it waits for being stored, and brings all
    its inputs along: those have a bound of their own.
    """
    items: list[WorkRow] = []
    chains: set[tuple[str, bytes]] = set()
    for item in pending:
        if item.work_class == WorkClass.TFHE:
            chains.add((item.tenant, item.affinity))
        if len(items) == settings.work_items_batch_size or len(chains) > settings.dependence_chains_per_batch:
            break
        items.append(item)
    return items


def root_of(item: WorkRow) -> trace.TraceContext:
    """The span of the fact that made an item: it follows from the event, the record itself is not needed."""
    return trace.new_trace(item.event_id or f"{item.tenant}/{item.affinity.hex()}")


def span_of(item: WorkRow) -> trace.TraceContext:
    """The span of an item's dispatch, below its fact's."""
    return root_of(item).child(f"{item.id}/{item.attempt}")


def headers_of(item: WorkRow, schema: str) -> Headers:
    """Headers of an item's message: a span of its own in the trace of the fact that made it."""
    return headers.build(
        event_id=f"{item.id}/{item.attempt}",
        schema=schema,
        tenant=item.tenant,
        traceparent=str(span_of(item)),
        attempt=item.attempt,
    )
