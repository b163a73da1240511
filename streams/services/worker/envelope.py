"""Headers of what a worker publishes: the tenant, an identity, and the trace that it continues."""

import hashlib
from typing import Final

from streams.domain.results import Computed, Failed, Proven, Result
from streams.messages import headers, subjects, trace
from streams.ports import Headers, Record

_PASSED_ON: Final = frozenset({headers.TRACESTATE, headers.REPLAY})


def event_id(result: Result) -> str:
    """Identity of a result: the same whenever the same worker class finds the same out in that attempt."""
    # Without the worker's name: two workers that find the same out tell one event, as its headers say.
    parts = [result.item, str(result.attempt), type(result).__name__]
    if isinstance(result, Computed | Proven):
        parts += [ciphertext.handle.hex() for ciphertext in result.ciphertexts]
    if isinstance(result, Failed):
        parts.append(result.error)
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:32]


def trace_of(record: Record) -> trace.TraceContext:
    """The span of the work in that record."""
    return trace.of(record.headers, f"{record.topic}/{record.partition}/{record.offset}")


def result_headers(record: Record, tenant: str, result: Result) -> Headers:
    """Headers of a result for the work in that record."""
    identity = event_id(result)
    return headers.build(
        event_id=identity,
        schema=subjects.RESULTS.schema,
        tenant=tenant,
        traceparent=str(trace_of(record).child(identity)),
        attempt=result.attempt,
        extra=tuple(pair for pair in record.headers if pair[0] in _PASSED_ON),
    )
