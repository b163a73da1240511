"""Read-only: the whole life of a handle, step by step with times, out of the materialised state."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from streams.adapters.postgres import pool, queries
from streams.domain.operations import BY_CODE, TYPE_BITS, FheType
from streams.domain.rows import Standing

Row = Mapping[str, Any]

_TIMES: Final = (
    ("created_at", "created"),
    ("claimed_at", "claimed"),
    ("dispatched_at", "dispatched"),
    ("started_at", "started"),
    ("finished_at", "finished"),
)

_PROOFS: Final = "proofs"
_OF_REQUESTS: Final = frozenset(
    {"work", "transactions", "waits"}
)  # they also tell of the requests it came with


class Step(msgspec.Struct, frozen=True):
    """One thing that happened to a handle."""

    at: datetime
    tenant: str
    what: str
    detail: str


class Life(msgspec.Struct, frozen=True):
    """All that is known of a handle: its steps in the order of time, and what it waits for."""

    handle: str
    steps: tuple[Step, ...]
    waits_for: tuple[str, ...]


async def read(connections: pool.Pool, handle: bytes) -> Life:
    """The life of a handle; without steps when nobody has heard of it. Raises StoreError."""
    sql = queries.load("life.sql")
    async with pool.acquired(connections) as connection:
        rows = {_PROOFS: await connection.fetch(sql[_PROOFS], handle)}
        # by what their items are about: tenant, and number as 32 bytes
        requests = [[row[column] for row in rows[_PROOFS]] for column in ("tenant", "subject")]
        for name, statement in sql.items():
            if name != _PROOFS:
                beside = requests if name in _OF_REQUESTS else ()
                rows[name] = await connection.fetch(statement, handle, *beside)
    steps = [step for name, tell in _TELL.items() for row in rows[name] for step in tell(row)]
    return Life(
        handle=f"0x{handle.hex()}",
        steps=tuple(sorted(steps, key=lambda step: step.at)),
        waits_for=tuple(_token(row["token"]) for row in rows["waits"]),
    )


def _operation(row: Row) -> Iterator[Step]:
    name = _operation_name(row)
    place = f"transaction 0x{row['transaction_id'].hex()}, log {row['log_index']}, {_block(row)}"
    yield Step(row["at"], row["tenant"], f"{name} -> {_type_name(row['fhe_type'])}", place)


def _operation_name(row: Row) -> str:
    return BY_CODE[row["fhe_operation"]].name if row["fhe_operation"] in BY_CODE else "unknown operation"


def _use(row: Row) -> Iterator[Step]:
    detail = f"{_operation_name(row)} -> 0x{row['output_handle'].hex()}, {_block(row)}"
    yield Step(row["at"], row["tenant"], "used", detail)


def _type_name(code: int) -> str:
    """Any contract may emit any byte: what we do not know is told as it is."""
    return FheType(code).name if code in TYPE_BITS else f"type {code}"


def _proof(row: Row) -> Iterator[Step]:
    detail = f"request {row['zk_proof_id']}, {row['state']} {row['last_error']}".strip()
    # what is as it should be needs no word
    if row["standing"] in (Standing.DISPUTED, Standing.REPLAYED):
        detail += f", {row['standing']} with the gateway"
    yield Step(row["at"], row["tenant"], f"encrypted input, gateway block {row['block_number']}", detail)


def _verdict(row: Row) -> Iterator[Step]:
    # a list that was rejected has no handles
    yield Step(row["at"], row["tenant"], "verdict: verified", f"value {row['place']} of {row['length']}")


def _allowance(row: Row) -> Iterator[Step]:
    yield Step(row["at"], row["tenant"], "allowed", f"for 0x{row['account_address'].hex()}, {_block(row)}")


def _bridge(row: Row) -> Iterator[Step]:
    what = {
        "bridge_handle": f"to be bridged to chain {row['dst_chain_id']}",
        "handle_bridged": f"bridged from 0x{row['src_handle'].hex()} as 0x{row['dst_handle'].hex()}",
        "fallback_granted": "its plaintext was granted instead of a bridge",
    }[row["kind"]]
    yield Step(row["at"], row["tenant"], "UNSUPPORTED bridge", f"{what}, {_block(row)}")


def _work(row: Row) -> Iterator[Step]:
    for column, word in _TIMES:
        if row[column] is not None:
            yield Step(row[column], row["tenant"], f"{row['kind']} {word}", _work_detail(row, word))


def _work_detail(row: Row, word: str) -> str:
    if word == "created":
        return f"item {row['id']}, class {row['work_class']}"
    if word == "finished":
        return f"{row['state']} {row['cause']}".strip()
    if word == "started":
        return f"attempt {row['attempt']}, worker {row['worker']}"
    return ""


def _stored(row: Row) -> Iterator[Step]:
    detail = f"{row['size_bytes']} bytes, key {row['key_id'].hex()}"
    yield Step(row["at"], row["tenant"], "ciphertext stored", detail)


def _digest(row: Row) -> Iterator[Step]:
    detail = f"ct64 0x{row['ct64_digest'].hex()}, ct128 0x{row['ct128_digest'].hex()}, format {row['format']}"
    yield Step(row["at"], row["tenant"], "uploaded and attested", detail)


def _transaction(row: Row) -> Iterator[Step]:
    detail = f"{row['kind']}, 0x{row['hash'].hex()}, nonce {row['nonce']}"
    yield Step(row["signed_at"], row["tenant"], "transaction signed", detail)
    if row["settled_at"] is not None:
        settled = f"{row['state']} in gateway block {row['block_number']}"
        yield Step(row["settled_at"], row["tenant"], "transaction settled", settled)


def _commit(row: Row) -> Iterator[Step]:
    yield Step(row["at"], row["tenant"], "commit seen on the gateway", f"key {row['key_id'].hex()}")


def _divergence(row: Row) -> Iterator[Step]:
    yield Step(row["at"], row["tenant"], "DIVERGENCE", row["kind"])


def _block(row: Row) -> str:
    return f"block {row['block_number']} ({row['block_status']})"


def _token(token: bytes) -> str:
    kind, _, subject = token.partition(b":")
    # a verdict is known by its item's id, which is text
    text = subject.decode(errors="replace") if kind == b"proof" else f"0x{subject.hex()}"
    return f"{kind.decode(errors='replace')} {text}"


_TELL: Final[dict[str, Callable[[Row], Iterator[Step]]]] = {
    "operations": _operation,
    "uses": _use,
    "proofs": _proof,
    "verdicts": _verdict,
    "allowances": _allowance,
    "bridges": _bridge,
    "work": _work,
    "stored": _stored,
    "digests": _digest,
    "transactions": _transaction,
    "commits": _commit,
    "divergences": _divergence,
}
