"""Small worlds for decisions: facts of an invented chain, a worker that answers, and two logs to shuffle."""

import hashlib
import random
from collections.abc import Sequence

import msgspec

from streams.domain import items
from streams.domain.decide import Rules, decide_fact, decide_result
from streams.domain.digest import event_topic, keccak256
from streams.domain.events import VerifyProofRequest
from streams.domain.facts import (
    CrsActivated,
    Fact,
    GatewayLog,
    GatewayRange,
    HostBlock,
    KeyActivated,
    Log,
    host_tenant,
)
from streams.domain.lifecycle import WorkState
from streams.domain.operations import BY_NAME
from streams.domain.results import Ciphertext, Computed, Failed, Proven, Result, Sent, Squashed, Started
from streams.domain.rows import TABLES, MemberRow, ProofRow, Row, WorkRow
from streams.domain.state import State

CHAIN = 12345
ACL = bytes.fromhex("50157cffd6bbfa2dece204a89ec419c23ef5755d")
TENANT = host_tenant(CHAIN, ACL)
CALLER = bytes(19) + b"\x07"
SENDER = b"\x05" * 20
RULES = Rules(sender_address=SENDER)
KEY = KeyActivated(key_id=b"\x04" * 32, digest=b"\x01" * 32, engine="clear", release="clear 1")
CRS = CrsActivated(crs_id=b"\x05" * 32, digest=b"\x02" * 32)


def h(name: str, fhe_type: int = 5) -> bytes:
    """A computed handle with that name."""
    digest = hashlib.sha256(name.encode()).digest()
    return digest[:21] + b"\xff" + CHAIN.to_bytes(8, "big") + bytes((fhe_type, 0))


def digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def _word(value: int | bytes) -> bytes:
    return value.to_bytes(32, "big") if isinstance(value, int) else value.rjust(32, b"\0")


def _log(address: bytes, topics: Sequence[bytes], data: bytes, tx: str, index: int) -> Log:
    return Log(address=address, topics=tuple(topics), data=data, transaction_hash=digest(tx), log_index=index)


class Logs:
    """Events of one block in the order in which they are added."""

    def __init__(self) -> None:
        self.logs: list[Log] = []

    def _add(self, event: str, topics: Sequence[bytes], data: bytes, tx: str) -> "Logs":
        self.logs.append(_log(b"\x01" * 20, [event_topic(event), *topics], data, tx, len(self.logs)))
        return self

    def trivial(self, result: bytes, value: int, tx: str = "tx", caller: bytes = CALLER) -> "Logs":
        data = _word(value) + _word(result[30]) + result
        return self._add(BY_NAME["TrivialEncrypt"].event, [_word(caller)], data, tx)

    def add(
        self, left: bytes, right: bytes | int, result: bytes, tx: str = "tx", name: str = "Add"
    ) -> "Logs":
        scalar = (b"\x01" if isinstance(right, int) else b"\0").ljust(32, b"\0")
        data = left + (_word(right) if isinstance(right, int) else right) + scalar + result
        return self._add(BY_NAME[name].event, [_word(CALLER)], data, tx)

    def computed(self, name: str, data: bytes, tx: str = "tx") -> "Logs":
        """Any operation by its name and the words of its event."""
        return self._add(BY_NAME[name].event, [_word(CALLER)], data, tx)

    def allow(self, handle: bytes, tx: str = "tx", account: bytes = CALLER) -> "Logs":
        topics = [_word(CALLER), _word(account)]
        return self._add("Allowed(address,address,bytes32)", topics, handle, tx)

    def done(self) -> tuple[Log, ...]:
        return tuple(self.logs)


def block(
    name: str, number: int, parent: str, logs: Logs | None = None, *, anchor: bool | None = None
) -> HostBlock:
    """A block of the invented chain, which begins with block 0 or above one that is called `b0`."""
    return HostBlock(
        chain_id=CHAIN,
        number=number,
        hash=digest(name),
        parent_hash=digest(parent),
        timestamp=1_700_000_000 + number,
        logs=logs.done() if logs else (),
        anchor=(number == 0 or parent == "b0") if anchor is None else anchor,
    )


def request_log(proof_id: int, body: bytes = b"list", number: int = 1, branch: str = "g") -> GatewayLog:
    """A request to verify an encrypted input."""

    def tail(data: bytes) -> bytes:
        return _word(len(data)) + data.ljust(-(-len(data) // 32) * 32, b"\0")

    first, second = tail(body), tail(b"\0")
    data = _word(b"\x0c" * 20) + _word(b"\x0d" * 20) + _word(128) + _word(128 + len(first)) + first + second
    topic = event_topic("VerifyProofRequest(uint256,uint256,address,address,bytes,bytes)")
    log = _log(b"\x02" * 20, [topic, _word(proof_id), _word(CHAIN)], data, f"g{proof_id}", 0)
    return GatewayLog(block_number=number, block_hash=digest(f"{branch}{number}"), log=log)


def accepted_log(
    proof_id: int, handles: Sequence[bytes], number: int = 1, *, branch: str = "g"
) -> GatewayLog:
    """Enough operators accepted a request with these handles."""
    topic = event_topic("VerifyProofResponse(uint256,bytes32[],bytes[])")
    signatures = _word(64 + 32 * (1 + len(handles)))
    data = _word(64) + signatures + _word(len(handles)) + b"".join(handles) + _word(0)
    log = _log(b"\x02" * 20, [topic, _word(proof_id)], data, f"answer{proof_id}", 3)
    return GatewayLog(block_number=number, block_hash=digest(f"{branch}{number}"), log=log)


def rejected_log(proof_id: int, number: int = 1, *, branch: str = "g") -> GatewayLog:
    """Enough operators rejected a request."""
    topic = event_topic("RejectProofResponse(uint256)")
    log = _log(b"\x02" * 20, [topic, _word(proof_id)], b"", f"answer{proof_id}", 3)
    return GatewayLog(block_number=number, block_hash=digest(f"{branch}{number}"), log=log)


def commit_log(
    handle: bytes,
    ct64: bytes,
    ct128: bytes,
    number: int = 1,
    *,
    sender: bytes = SENDER,
    key_id: bytes = KEY.key_id,
    branch: str = "g",
) -> GatewayLog:
    """A commit, by default our own, as the gateway shows it."""
    topic = event_topic("AddCiphertextMaterial(bytes32,uint256,bytes32,bytes32,address)")
    data = key_id + ct64 + ct128 + _word(sender)
    log = _log(b"\x02" * 20, [topic, handle], data, "commit" + handle.hex(), 0)
    return GatewayLog(block_number=number, block_hash=digest(f"{branch}{number}"), log=log)


def consensus_log(
    handle: bytes, ct64: bytes, ct128: bytes, number: int = 1, *, branch: str = "g"
) -> GatewayLog:
    """Enough operators committed these digests."""
    topic = event_topic("AddCiphertextMaterialConsensus(bytes32,uint256,bytes32,bytes32,address[])")
    data = KEY.key_id + ct64 + ct128 + _word(128) + _word(0)
    log = _log(b"\x02" * 20, [topic, handle], data, "consensus" + handle.hex(), 1)
    return GatewayLog(block_number=number, block_hash=digest(f"{branch}{number}"), log=log)


def operators_log(*senders: bytes, number: int = 1, branch: str = "g") -> GatewayLog:
    """These operators are registered from here on."""
    topic = event_topic("UpdateCoprocessors((address,address,string)[],uint256)")
    rows = [_word(sender) + _word(sender) + _word(96) + _word(0) for sender in senders]
    places = [_word(32 * len(rows) + sum(map(len, rows[:at]))) for at in range(len(rows))]
    data = _word(64) + _word(1) + _word(len(rows)) + b"".join(places) + b"".join(rows)
    log = _log(b"\x02" * 20, [topic], data, "operators", 2)
    return GatewayLog(block_number=number, block_hash=digest(f"{branch}{number}"), log=log)


def gateway(
    start: int, end: int, *logs: GatewayLog, branch: str = "g", from_branch: str = "", at_s: int = 0
) -> GatewayRange:
    """Blocks (start, end] of the gateway on a named branch."""
    return GatewayRange(
        chain_id=54321,
        from_block=start,
        from_hash=digest(f"{from_branch or branch}{start}"),
        to_block=end,
        to_hash=digest(f"{branch}{end}"),
        logs=logs,
        to_timestamp=at_s,
    )


def ct64(handle: bytes) -> bytes:
    return b"ct64" + handle


def answer(state: State, row: WorkRow, rng: random.Random | None = None) -> list[Result]:
    """What an honest worker says of an item; with a source of randomness sometimes a troubled one."""
    base = {"item": row.id, "attempt": row.attempt, "worker": "w"}
    kind = rng.random() if rng else 1.0
    if kind < 0.08:
        return [Failed(**base, category="irrecoverable", error="OperationError", message="defect")]
    if kind < 0.14:
        return [Failed(**base, category="recoverable", error="WorkerCrashed", message="gone")]
    honest: list[Result] = _honest(state, row, base)
    if kind < 0.2:
        honest = [Started(**base), *honest]
    return honest * 2 if kind < 0.3 else honest


def _honest(state: State, row: WorkRow, base: dict[str, object]) -> list[Result]:
    if row.kind == items.COMPUTE:
        members = state.find(MemberRow, ("tenant", "item"), TENANT, row.id)
        outputs = [m for m in members if m.is_output]
        return [
            msgspec.convert(
                base
                | {
                    "key_id": row.key_id,
                    "ciphertexts": (Ciphertext(handle=m.handle, fhe_type=m.fhe_type, ct64=ct64(m.handle)),),
                },
                Computed,
            )
            for m in outputs
        ]
    if row.kind == items.SQUASH:
        squashed = Squashed(
            **base,
            handle=row.subject,
            key_id=row.key_id,
            ct64_digest=keccak256(ct64(row.subject)),
            ct128_digest=digest("ct128" + row.subject.hex()),
            format=11,
            signer=b"",
            attestation=b"",
        )
        return [squashed]
    if row.kind == items.PROOF:
        return [_prove(state, row, base)]
    if row.kind == items.PROOF_REPLAY:
        return [_prove_again(state, row, base)]
    return [Sent(**base, transaction_hash=b"", block_number=1)]


def _prove(state: State, row: WorkRow, base: dict[str, object]) -> Proven:
    proof = state.get(ProofRow, TENANT, int.from_bytes(row.subject[:32], "big"))
    assert proof is not None
    handle = h(f"input{proof.zk_proof_id}")
    if proof.input.startswith(b"bad"):
        return Proven(**base, verified=False, key_id=row.key_id, reason="InvalidInput: no")
    value = Ciphertext(handle=handle, fhe_type=5, ct64=ct64(handle))
    return Proven(**base, verified=True, key_id=row.key_id, handles=(handle,), ciphertexts=(value,))


def _prove_again(state: State, row: WorkRow, base: dict[str, object]) -> Proven:
    """A list that is called "bad" stays so; one that is "badly seen" is found good the second time."""
    proof = state.get(ProofRow, TENANT, int.from_bytes(row.subject[:32], "big"))
    assert proof is not None
    handle = h(f"input{proof.zk_proof_id}")
    if proof.input == b"bad":
        reason = "still no"
        return Proven(**base, verified=False, key_id=row.key_id, reason=reason, agreed=proof.agreed)
    value = Ciphertext(handle=handle, fhe_type=5, ct64=ct64(handle))
    return Proven(
        **base,
        verified=True,
        key_id=row.key_id,
        handles=(handle,),
        ciphertexts=(value,),
        agreed=proof.agreed,
    )


def ready(state: State) -> list[WorkRow]:
    return [row for row in state.rows(WorkRow) if row.state is WorkState.READY]


def settle(state: State, *, at_ms: int = 0) -> list[Result]:
    """Answer every ready item honestly until nothing is ready; the results in order."""
    log: list[Result] = []
    while pending := ready(state):
        for result in answer(state, pending[0]):
            log.append(result)
            decide_result(state, TENANT, result, at_ms)
    return log


def run(facts: Sequence[Fact], state: State | None = None) -> State:
    """A complete state after these facts."""
    state = state or State(complete=True)
    for fact in facts:
        decide_fact(state, TENANT, fact, RULES)
    return state


def walk(facts: Sequence[Fact], rng: random.Random) -> list[Result]:
    """A results log as a live system might have written it: facts and answers in random turns."""
    state, log, left = State(complete=True), list[Result](), list(facts)
    for _ in range(400):
        pending = ready(state)
        if left and (not pending or rng.random() < 0.4):
            decide_fact(state, TENANT, left.pop(0), RULES)
        elif pending:
            for result in answer(state, rng.choice(pending), rng):
                log.append(result)
                decide_result(state, TENANT, result, 0)
        elif not left:
            break
    return log


def interleave(facts: Sequence[Fact], results: Sequence[Result], order: random.Random) -> State:
    """Apply both logs, each in its own order, in random turns."""
    state, left, right = State(complete=True), list(facts), list(results)
    while left or right:
        if left and (not right or order.random() < len(left) / (len(left) + len(right))):
            decide_fact(state, TENANT, left.pop(0), RULES)
        else:
            decide_result(state, TENANT, right.pop(0), 0)
    return state


def settled(state: State) -> dict[str, list[Row]]:
    """All tables without the columns that may differ between runs."""
    return {table.TABLE: [_plain(row) for row in state.rows(table)] for table in TABLES}


def _plain(row: Row) -> Row:
    fields = {f.name: f for f in msgspec.structs.fields(row)}
    blank = {
        name: fields[name].default for name in row.UNSETTLED if fields[name].default is not msgspec.NODEFAULT
    }
    blank |= {name: b"" for name in row.UNSETTLED if name not in blank}
    return msgspec.structs.replace(row, **blank)


__all__ = ["CRS", "KEY", "RULES", "TENANT", "Logs", "VerifyProofRequest"]
