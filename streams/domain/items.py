"""Work items: made by facts, moved by results, in an order that never matters.

Facts alone make items and say what they wait for; results only raise them along the life cycle. What a
result says of an item that no fact has made yet is kept (`EarlyRow`) and counts when the item is made.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from streams.domain.errors import KeyMismatch
from streams.domain.lifecycle import ENDED, UNCLAIMED, WorkState, work_transition
from streams.domain.operands import handle_operands
from streams.domain.rows import (
    DigestRow,
    EarlyRow,
    FailureRow,
    HandleRow,
    MemberRow,
    TenantRow,
    WaitRow,
    WorkRow,
)
from streams.domain.state import State
from streams.domain.work import WorkClass, item_id

_BY_ITEM: Final = ("tenant", "item")
_STORED: Final = b"ct64:"
KEY_TOKEN: Final = b"key"
CRS_TOKEN: Final = b"crs"

COMPUTE: Final = "compute"
PROOF: Final = "proof"
PROOF_REPLAY: Final = "proof_replay"
SQUASH: Final = "squash"
ADD_MATERIAL: Final = "add_material"
ALLOW: Final = "allow"
PROOF_RESPONSE: Final = "proof_response"
CIPHERTEXT: Final = "ciphertext"
DEAD_LETTER: Final = "dead_letter"


def stored(handle: bytes) -> bytes:
    """Token: the handle's ct64 is stored."""
    return _STORED + handle


def handle_of(token: bytes) -> bytes:
    """The handle whose ct64 a token announces; nothing for another token."""
    return token.removeprefix(_STORED) if token.startswith(_STORED) else b""


def squashed(handle: bytes) -> bytes:
    """Token: both objects of the handle are in the object store."""
    return b"ct128:" + handle


def verdict(proof_item: str) -> bytes:
    """Token: the input proof has its verdict."""
    return b"proof:" + proof_item.encode()


def create(
    state: State, row: WorkRow, tokens: Iterable[bytes], defect: str = "", *, is_new: bool = False
) -> None:
    """Make an item that waits for the tokens which have not come; one with a defect is born failed.

    Args:
        is_new: no fact has made it yet, and nobody need ask the store.
    """
    tenant, wanted = row.tenant, tuple(tokens)
    waiting = [token for token in wanted if not _has_come(state, tenant, token)]
    # its waits are made with their item
    write = state.add if is_new or state.get(WorkRow, tenant, row.id) is None else state.put
    for token in waiting:
        write(WaitRow(tenant=tenant, item=row.id, token=token))
    born = WorkState.BLOCKED if waiting else WorkState.READY
    key_id = _key_id(state, row)
    made = msgspec.structs.replace(row, state=born, missing=len(waiting), key_id=key_id)
    write(made)
    _apply_early(state, made)
    cause = defect or _key_defect(state, made, wanted)
    if cause:
        fail(state, tenant, row.id, cause)
    for token in waiting:
        if state.get(FailureRow, tenant, token) is not None:
            _refresh(state, tenant, row.id)
            break


def presume_no_failure(state: State, tenant: str, tokens: Iterable[bytes]) -> None:
    """These tokens come from an item alone that no fact has made yet: nobody has said that they do not."""
    for token in tokens:
        state.presume(FailureRow, FailureRow.KEY, tenant, token)


def come(state: State, tenant: str, token: bytes) -> None:
    """A token has come: what waited for it may go on."""
    # It came after all, for instance from an attempt that had been given up: those downstream go on.
    failure = state.get(FailureRow, tenant, token)
    if failure is not None:
        state.delete(failure)
    for wait in state.find(WaitRow, ("tenant", "token"), tenant, token):
        state.delete(wait)
        item = _item(state, tenant, wait.item)
        if item is None:
            continue
        item = msgspec.structs.replace(item, missing=item.missing - 1, key_id=_key_id(state, item))
        if item.missing == 0 and item.state is WorkState.BLOCKED:
            item = _moved(item, WorkState.READY)
        state.put(item)
        defect = _key_defect(state, item, _news(state, item, token))
        if defect:
            fail(state, tenant, item.id, defect)
        # its cause was perhaps this token's: the others' is left
        elif item.cause:
            _refresh(state, tenant, item.id)


def finish(state: State, tenant: str, item: str) -> None:
    """The item's effect exists; early if no fact has made the item yet."""
    row = state.get(WorkRow, tenant, item)
    if row is None:
        early = _early(state, tenant, item)
        state.put(msgspec.structs.replace(early, done=True))
    # From every state, also failed and cancelled: the effect exists, and nothing could undo it.
    elif row.state is not WorkState.DONE:
        state.put(msgspec.structs.replace(_moved(row, WorkState.DONE), cause=""))
        if row.kind == ADD_MATERIAL:
            _mark_sent(state, row)


def _mark_sent(state: State, row: WorkRow) -> None:
    digest = state.get(DigestRow, row.tenant, row.subject)
    if digest is not None:  # else it is made with the mark
        state.put(msgspec.structs.replace(digest, txn_is_sent=True))


def fail(state: State, tenant: str, item: str, cause: str) -> None:
    """Another attempt cannot help: a dead letter, and dependents learn the cause."""
    row = state.get(WorkRow, tenant, item)
    if row is None:
        early = _early(state, tenant, item)
        state.put(msgspec.structs.replace(early, failure=early.failure or cause))
        return
    # In front of the state's check: a failure that comes after success was still one, and whoever counts
    # dead letters must find the same in every order.
    _dead_letter(state, row)
    if row.state in ENDED:
        return
    state.put(msgspec.structs.replace(_moved(row, WorkState.FAILED), cause=cause))
    _spread(state, tenant, item)


def retry(state: State, row: WorkRow, at_ms: int, wanted: bool) -> None:
    """The attempt failed for now: ready again after 1 s, 2 s, 4 s … up to 32,000 s."""
    # through `ready`, as the life cycle has no way from a worker's hands to `cancelled`
    if not wanted:
        state.put(_moved(_moved(row, WorkState.READY), WorkState.CANCELLED))
        return
    pause_s = min(2**row.uncomputable_counter, _RETRY_S_MAX)
    state.put(
        msgspec.structs.replace(
            _moved(row, WorkState.READY),
            attempt=row.attempt + 1,
            uncomputable_counter=row.uncomputable_counter + 1,
            not_before_ms=at_ms + 1000 * pause_s,
            worker="",
            partition=-1,
        )
    )


def cancel(state: State, tenant: str, item: str) -> None:
    """Nothing wants it any more; what a worker may have in hand goes on."""
    row = state.get(WorkRow, tenant, item)
    # A claimed item goes on: its message may be out, and a result that comes anyway is worth keeping.
    if row is not None and row.state in UNCLAIMED:
        state.put(_moved(row, WorkState.CANCELLED))


def revive(state: State, tenant: str, item: str) -> None:
    """It is wanted again, and so is what it waits for; raises Missing."""
    seen: set[str] = set()
    pending = [item]
    while pending:
        row = state.get(WorkRow, tenant, pending.pop())
        if row is None or row.id in seen:
            continue
        seen.add(row.id)
        is_cancelled = row.state is WorkState.CANCELLED
        if is_cancelled:
            state.put(_moved(row, WorkState.BLOCKED if row.missing else WorkState.READY))
        # A result may have ended it, before its branch went or after: its inputs are wanted either way.
        if is_cancelled or (row.missing and row.state in ENDED):
            pending.extend(producers(state, tenant, row.id))


def producers(state: State, tenant: str, compute_item: str) -> list[str]:
    """Compute items that make the inputs of one; none for an item of another kind."""
    handles = dict.fromkeys(inputs(state, tenant, compute_item))
    rows = (state.get(HandleRow, tenant, handle) for handle in handles)
    return [row.compute_item for row in rows if row is not None and row.compute_item]


def waiting(state: State, tenant: str, token: bytes) -> list[WorkRow]:
    """Items that wait for this token, ended ones too; raises Missing."""
    waits = state.find(WaitRow, ("tenant", "token"), tenant, token)
    rows = (_item(state, tenant, wait.item) for wait in waits)
    return [row for row in rows if row is not None]


def outputs_stored(state: State, tenant: str, item: str) -> bool:
    """Whether every output of a compute item is stored."""
    members = state.find(MemberRow, _BY_ITEM, tenant, item)
    return all(is_stored(state, tenant, m.handle) for m in members if m.is_output)


def is_stored(state: State, tenant: str, handle: bytes) -> bool:
    """Whether the handle's ct64 is stored."""
    row = state.get(HandleRow, tenant, handle)
    return row is not None and bool(row.ct64_digest)


_RETRY_S_MAX: Final = 32_000


def _moved(row: WorkRow, state: WorkState) -> WorkRow:
    return msgspec.structs.replace(row, state=work_transition(row.state, state))


def _item(state: State, tenant: str, item: str) -> WorkRow | None:
    """The item of a wait: there is none without; None only where nobody has asked the store for it yet."""
    return state.need(WorkRow, tenant, item)


def _early(state: State, tenant: str, item: str) -> EarlyRow:
    return state.get(EarlyRow, tenant, item) or EarlyRow(tenant=tenant, item=item)


def _has_come(state: State, tenant: str, token: bytes) -> bool:
    kind, _, subject = token.partition(b":")
    if kind == b"ct64":
        return is_stored(state, tenant, subject)
    if kind == b"ct128":
        return _digest(state, tenant, subject) is not None
    if kind == b"proof":
        return False  # who waits for a verdict is made while there is none
    row = state.get(TenantRow, tenant)
    return row is not None and bool(row.key_id if token == KEY_TOKEN else row.crs_id)


def _digest(state: State, tenant: str, handle: bytes) -> DigestRow | None:
    """Both digests of a handle; its own row tells whether there are any, and is at hand."""
    row = state.get(HandleRow, tenant, handle)
    return None if row is None or not row.ct128_digest else state.get(DigestRow, tenant, handle)


def _key_id(state: State, row: WorkRow) -> bytes:
    """An item's key: that of the ciphertext it follows, else the tenant's at the first moment it has one."""
    # once given, a key stays: results of two keys for one item would be two ciphertexts of one handle
    if row.key_id or row.kind in (PROOF_RESPONSE, DEAD_LETTER, ALLOW):
        return row.key_id
    source: HandleRow | DigestRow | TenantRow | None
    if row.kind == SQUASH:
        # A ciphertext is squashed and committed under its own key, also after another one was activated.
        source = state.get(HandleRow, row.tenant, row.subject)
    elif row.kind in (ADD_MATERIAL, CIPHERTEXT):
        source = _digest(state, row.tenant, row.subject)
    else:
        source = state.get(TenantRow, row.tenant)
    return b"" if source is None else source.key_id


def _key_defect(state: State, row: WorkRow, tokens: Iterable[bytes]) -> str:
    """Why a compute item can never be computed with what it waits for: what is stored is of its key set.

    The text names the item's key set only, so that it does not depend on which input came first.
    """
    if row.kind != COMPUTE or not row.key_id:
        return ""
    handles = filter(None, map(handle_of, tokens))
    stored_rows = (state.get(HandleRow, row.tenant, handle) for handle in handles)
    if all(known is None or known.key_id in (b"", row.key_id) for known in stored_rows):
        return ""
    doc = "an input is encrypted under another key set than the operation's"
    return f"{KeyMismatch.__name__}: {doc}, {row.key_id.hex()}"


def _news(state: State, row: WorkRow, token: bytes) -> list[bytes]:
    """Tokens of an item about which one says something new; its own first key is news about them all."""
    if row.kind != COMPUTE or token != KEY_TOKEN:
        return [token]
    return list(map(stored, inputs(state, row.tenant, row.id)))


def inputs(state: State, tenant: str, compute_item: str) -> list[bytes]:
    """The handles that a compute item takes from the store, as often as it uses them."""
    members = state.find(MemberRow, _BY_ITEM, tenant, compute_item)
    inside = {member.handle for member in members}
    used = (handle_operands(m.fhe_operation, m.dependencies, m.is_scalar) for m in members)
    return [handle for handles in used for handle in handles if handle not in inside]


def _apply_early(state: State, row: WorkRow) -> None:
    tenant, item = row.tenant, row.id
    early = state.get(EarlyRow, tenant, item)
    if early is not None:
        state.delete(early)
        if early.failure:
            fail(state, tenant, item, early.failure)
    if (early is not None and early.done) or _product_exists(state, row):
        finish(state, tenant, item)


def _product_exists(state: State, row: WorkRow) -> bool:
    if row.kind == COMPUTE:
        return outputs_stored(state, row.tenant, row.id)
    if row.kind == SQUASH:
        return _digest(state, row.tenant, row.subject) is not None
    return False


def _dead_letter(state: State, row: WorkRow) -> None:
    # one letter per item, however often it fails
    letter = item_id(WorkClass.PUBLISH, row.tenant, b"dead:" + row.id.encode())
    if state.get(WorkRow, row.tenant, letter) is None:
        create(
            state,
            WorkRow(
                tenant=row.tenant,
                id=letter,
                work_class=WorkClass.PUBLISH,
                kind=DEAD_LETTER,
                subject=row.id.encode(),
                affinity=row.affinity,
                contract=row.contract,
                cost_ms=1,
                state=WorkState.READY,
                event_id=row.event_id,
            ),
            (),
        )


def products(state: State, row: WorkRow) -> list[bytes]:
    """Tokens that this item brings."""
    if row.kind == COMPUTE:
        members = state.find(MemberRow, _BY_ITEM, row.tenant, row.id)
        return [stored(member.handle) for member in members if member.is_output]
    if row.kind == SQUASH:
        return [squashed(row.subject)]
    return [verdict(row.id)] if row.kind == PROOF else []


def _spread(state: State, tenant: str, item: str) -> None:
    """Tell everything downstream of an item why it will not come (or that the cause is gone)."""
    # a list and not recursion: chains of dependent items may have thousands of links
    pending = [item]
    while pending:
        row = _item(state, tenant, pending.pop())
        if row is None:
            continue
        for token in products(state, row):
            if _set_failure(state, tenant, token, row.cause):
                waits = state.find(WaitRow, ("tenant", "token"), tenant, token)
                pending.extend(w.item for w in waits if _set_cause(state, tenant, w.item))


def _refresh(state: State, tenant: str, item: str) -> None:
    if _set_cause(state, tenant, item):
        _spread(state, tenant, item)


def _set_failure(state: State, tenant: str, token: bytes, cause: str) -> bool:
    old = state.get(FailureRow, tenant, token)
    # stops where nothing is new, or where the token has come: so it ends, also through diamonds
    if (old.cause if old else "") == cause or (cause and _has_come(state, tenant, token)):
        return False
    if cause:
        state.put(FailureRow(tenant=tenant, token=token, cause=cause))
    elif old is not None:
        state.delete(old)
    return True


def _set_cause(state: State, tenant: str, item: str) -> bool:
    """A waiting item's cause is the least of those of its missing inputs."""
    row = _item(state, tenant, item)
    if row is None or row.state in ENDED:
        return False
    waits = state.find(WaitRow, _BY_ITEM, tenant, item)
    failures = (state.get(FailureRow, tenant, wait.token) for wait in waits)
    # The least text and not the first that came, so that it does not depend on the order of results.
    cause = min((failure.cause for failure in failures if failure is not None), default="")
    if cause == row.cause:
        return False
    state.put(msgspec.structs.replace(row, cause=cause))
    return True
