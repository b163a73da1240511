"""Spans of an item in a worker's hands, and of what the worker found out."""

import contextlib
from typing import Final

from streams.adapters.telemetry.tracing import Attribute, Notes, Tracing
from streams.domain.results import Result
from streams.domain.work import (
    AddMaterial,
    AllowAccount,
    AllowPublicDecrypt,
    ComputeWork,
    ProofWork,
    SquashWork,
    Work,
)
from streams.ports import Record
from streams.services.worker.envelope import event_id, trace_of

_HANDLES_MAX: Final = 16  # of one span; a component may have thousands


def work_span(
    tracing: Tracing, record: Record, work: Work, worker: str
) -> contextlib.AbstractContextManager[Notes]:
    """From the record's message to the last result but `Failed`; `inner` spans hang below it."""
    if not tracing.is_on:
        return contextlib.nullcontext({})
    parent = trace_of(record)
    name = f"execute {type(work).__name__}"
    return tracing.span(name, parent.child(f"execute/{worker}"), parent, "consumer", about(work, worker))


def result_span(
    tracing: Tracing, record: Record, tenant: str, result: Result
) -> contextlib.AbstractContextManager[Notes]:
    """The publication of a result: the span that its record's headers name."""
    if not tracing.is_on:
        return contextlib.nullcontext({})
    parent = trace_of(record)
    name, told = f"result {type(result).__name__}", {"tenant": tenant, "fhevm.item": result.item}
    return tracing.span(name, parent.child(event_id(result)), parent, "producer", told)


def about(work: Work, worker: str) -> Notes:
    """What one would search a trace by."""
    base: dict[str, Attribute] = {
        "tenant": work.tenant,
        "worker": worker,
        "fhevm.item": work.item,
        "fhevm.attempt": work.attempt,
    }
    return base | _subject(work)


def _subject(work: Work) -> Notes:
    if isinstance(work, ComputeWork):
        return {"fhevm.handles": tuple(map(_hex, work.outputs[:_HANDLES_MAX]))}
    if isinstance(work, SquashWork):
        handles = (_hex(work.ciphertext.handle),)
        return {"fhevm.handles": handles, "fhevm.transaction": _hex(work.transaction_hash)}
    if isinstance(work, ProofWork):
        return {"fhevm.zk_proof_id": str(work.zk_proof_id)}
    if isinstance(work.call, AddMaterial | AllowAccount | AllowPublicDecrypt):
        return {"fhevm.handles": (_hex(work.call.handle),)}
    return {"fhevm.zk_proof_id": str(work.call.zk_proof_id)}


def _hex(value: bytes) -> str:
    return f"0x{value.hex()}"
