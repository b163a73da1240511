"""Headers of what a worker publishes: the tenant, an identity, and the trace that it continues."""

import hashlib
from typing import Final

from streams.domain.results import Computed, Failed, Proven, Result
from streams.ports import Headers, Record

_PASSED_ON: Final = frozenset({"traceparent", "tracestate", "replay"})


def header(record: Record, name: str) -> str:
    """Text of a header, empty when the record has none of that name."""
    return next((value.decode(errors="replace") for key, value in record.headers if key == name), "")


def trace_id(record: Record) -> str:
    """The trace that this record belongs to, from its W3C header."""
    parts = header(record, "traceparent").split("-")
    return parts[1] if len(parts) == 4 else ""


def event_id(result: Result) -> str:
    """Identity of a result: the same whenever the same worker class finds the same out in that attempt."""
    parts = [result.item, str(result.attempt), type(result).__name__]
    if isinstance(result, Computed | Proven):
        parts += [ciphertext.handle.hex() for ciphertext in result.ciphertexts]
    if isinstance(result, Failed):
        parts.append(result.error)
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:32]


def result_headers(record: Record, tenant: str, result: Result) -> Headers:
    """Headers of a result for the work in that record."""
    own = (
        ("event-id", event_id(result).encode()),
        ("schema", b"results/1"),
        ("content-type", b"application/json"),
        ("tenant", tenant.encode()),
        ("attempt", str(result.attempt).encode()),
    )
    return own + tuple(pair for pair in record.headers if pair[0] in _PASSED_ON)


def dead_letter_headers(record: Record, error: Exception, worker: str) -> Headers:
    """The record's own headers, and why and where it could not be used."""
    added = (
        ("origin", f"{record.topic}/{record.partition}/{record.offset}".encode()),
        ("error", str(error)[:1000].encode()),
        ("error-class", type(error).__name__.encode()),
        ("failed-by", worker.encode()),
    )
    names = {name for name, _ in added}
    return tuple(pair for pair in record.headers if pair[0] not in names) + added
