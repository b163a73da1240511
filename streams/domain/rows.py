"""Rows of the materialised state, as the graph agents see them.

A row is frozen; a change is another row under the same key. Handles, hashes and addresses are raw bytes.
Columns named in `UNSETTLED` may differ between runs over the same two logs (they tell how work went, not
what came out); everything else obeys the law of interleavings.
"""

from enum import StrEnum
from typing import ClassVar, Final

import msgspec

from streams.domain.lifecycle import ProofState, WorkState
from streams.domain.operands import operation_digest


class BlockStatus(StrEnum):
    """Place of a block in the tree that the facts describe."""

    CANONICAL = "canonical"
    SIDE = "side"  # connected to the anchor, on a branch that is not the highest
    PENDING_PARENT = "pending_parent"  # its parent is not known yet


class DriftState(StrEnum):
    """What the commits of a handle on the gateway amount to; the first that is true from the end."""

    OPEN = "open"  # somebody committed; not enough have yet
    AGREED = "agreed"  # enough equal commits
    COMPLETE = "complete"  # and every operator's
    INCOMPLETE = "incomplete"  # agreed, but somebody did not commit within the grace period
    OVERDUE = "overdue"  # no agreement within the time for it
    DISPUTED = "disputed"  # an operator committed something else
    DRIFTED = "drifted"  # what was agreed on is not what we have


class Standing(StrEnum):
    """How our verdict over an input and the gateway's answer stand to each other."""

    OPEN = "open"  # one of the two is not there
    AGREED = "agreed"
    DISPUTED = "disputed"  # one accepted it and the other did not, or other handles
    REPLAYED = "replayed"  # accepted against our verdict; verified again, we have its values


class Row(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A row of a table: `TABLE` and `KEY` say where it lives, INDEXES what else finds it.

    By an index in SAMPLED one row at most is loaded: only that there is none is an answer to it.

    A row holds no rows, so the collector of cycles need not look at it.
    """

    TABLE: ClassVar[str]
    KEY: ClassVar[tuple[str, ...]]
    INDEXES: ClassVar[tuple[tuple[str, ...], ...]] = ()
    SAMPLED: ClassVar[frozenset[tuple[str, ...]]] = frozenset()
    UNSETTLED: ClassVar[frozenset[str]] = frozenset()
    WIDE: ClassVar[frozenset[str]] = frozenset()  # numbers of 64 bits and more without a sign


class TenantRow(Row, frozen=True, kw_only=True):
    """What is true of a tenant as a whole: its chain's tip, its keys, its place on the gateway."""

    TABLE: ClassVar[str] = "tenants"
    KEY: ClassVar[tuple[str, ...]] = ("tenant",)

    tenant: str
    chain_id: int = 0
    tip_hash: bytes = b""
    tip_number: int = -1
    blocks_seen: int = 0  # gives each block its sequence
    key_id: bytes = b""
    engine: str = ""
    crs_id: bytes = b""
    gateway_number: int = -1
    gateway_hash: bytes = b""
    gateway_s: int = 0  # the gateway's clock; 0 while no range has told it
    coprocessors: tuple[bytes, ...] = ()  # senders that are expected to commit
    anchor_number: int = -1  # of the block that the chain begins with, on whatever branch


class BlockRow(Row, frozen=True, kw_only=True):
    """A block of the host chain; `sequence` is the order in which its fact came."""

    TABLE: ClassVar[str] = "blocks"
    KEY: ClassVar[tuple[str, ...]] = ("tenant", "hash")
    INDEXES: ClassVar[tuple[tuple[str, ...], ...]] = (("tenant", "parent_hash"),)

    tenant: str
    hash: bytes
    parent_hash: bytes
    number: int
    timestamp: int
    status: BlockStatus
    sequence: int


class ComputationRow(Row, frozen=True, kw_only=True):
    """One operation of one transaction in one block, as its event says it."""

    TABLE: ClassVar[str] = "computations"
    KEY: ClassVar[tuple[str, ...]] = ("tenant", "output_handle", "transaction_id", "block_hash")
    INDEXES: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("tenant", "output_handle"),
        ("tenant", "transaction_id", "block_hash"),
        ("tenant", "block_hash"),
    )

    tenant: str
    output_handle: bytes
    transaction_id: bytes
    block_hash: bytes
    log_index: int
    fhe_operation: int
    dependencies: tuple[bytes, ...]
    is_scalar: bool
    fhe_type: int
    caller: bytes

    def digest(self) -> bytes:
        """Identity of what this event says of its handle."""
        return operation_digest(self.fhe_operation, self.dependencies, self.is_scalar, self.fhe_type)


class AllowedRow(Row, frozen=True, kw_only=True):
    """A right given in a block; an empty account is public decryption."""

    TABLE: ClassVar[str] = "allowed_handles"
    KEY: ClassVar[tuple[str, ...]] = ("tenant", "handle", "account_address", "block_hash")
    INDEXES: ClassVar[tuple[tuple[str, ...], ...]] = (("tenant", "block_hash"), ("tenant", "handle"))

    tenant: str
    handle: bytes
    account_address: bytes
    block_hash: bytes
    event_type: int
    transaction_id: bytes


class DelegationRow(Row, frozen=True, kw_only=True):
    """A delegation of user decryption, given, changed or (with a new date of 0) revoked in a block."""

    TABLE: ClassVar[str] = "delegate_user_decrypt"
    KEY: ClassVar[tuple[str, ...]] = ("tenant", "block_hash", "log_index")
    WIDE: ClassVar[frozenset[str]] = frozenset(
        {"delegation_counter", "old_expiration_date", "new_expiration_date"}
    )

    tenant: str
    block_hash: bytes
    log_index: int
    transaction_id: bytes
    delegator: bytes
    delegate: bytes
    contract_address: bytes
    delegation_counter: int
    old_expiration_date: int
    new_expiration_date: int


class BridgeRow(Row, frozen=True, kw_only=True):
    """An event of the bridge, in the tenant of the chain that emitted it; nothing is made of it."""

    TABLE: ClassVar[str] = "bridge_events"
    KEY: ClassVar[tuple[str, ...]] = ("tenant", "block_hash", "log_index")
    WIDE: ClassVar[frozenset[str]] = frozenset({"dst_chain_id"})

    tenant: str
    block_hash: bytes
    log_index: int
    transaction_id: bytes
    kind: str  # bridge_handle, handle_bridged, fallback_granted
    dst_chain_id: int = 0
    src_handle: bytes = b""
    dst_handle: bytes = b""  # a handle that this release makes no ciphertext for
    dapp: bytes = b""
    guid: bytes = b""
    plaintext: bytes = b""


class HandleRow(Row, frozen=True, kw_only=True):
    """What exists once per handle: its meaning, its reasons, its items, its digests."""

    TABLE: ClassVar[str] = "handles"
    KEY: ClassVar[tuple[str, ...]] = ("tenant", "handle")

    tenant: str
    handle: bytes
    fhe_type: int
    operation_digest: bytes = b""  # of operation and operands; empty while no event told
    reasons: int = 0  # canonical blocks that allow it
    compute_item: str = ""  # the item that has it as an output
    followed: bool = False  # its squash, commit and publish items exist
    key_id: bytes = b""
    ct64_digest: bytes = b""  # empty while it is not stored
    ct128_digest: bytes = b""  # empty while it is not squashed
    is_input: bool = False
    is_awaited: bool = False  # an item was made that waits for it when no item computed it yet


class CiphertextRow(Row, frozen=True, kw_only=True):
    """A stored ciphertext (ct64); written once, never read by a decision."""

    TABLE: ClassVar[str] = "ciphertexts"
    KEY: ClassVar[tuple[str, ...]] = ("tenant", "handle")

    tenant: str
    handle: bytes
    fhe_type: int
    key_id: bytes
    ciphertext: bytes
    is_input: bool


class DigestRow(Row, frozen=True, kw_only=True):
    """Both digests of a handle whose objects are in the store: ready to commit."""

    TABLE: ClassVar[str] = "ciphertext_digest"
    KEY: ClassVar[tuple[str, ...]] = ("tenant", "handle")
    UNSETTLED: ClassVar[frozenset[str]] = frozenset({"signer", "attestation"})

    tenant: str
    handle: bytes
    key_id: bytes
    ciphertext: bytes  # keccak256 of the ct64 object
    ciphertext128: bytes  # keccak256 of the ct128 object
    ciphertext128_format: int
    signer: bytes
    attestation: bytes
    txn_is_sent: bool = False  # our commit is on the gateway, by the item that makes it


class CommitRow(Row, frozen=True, kw_only=True):
    """What our own commit on the gateway says of a handle."""

    TABLE: ClassVar[str] = "gateway_commits"
    KEY: ClassVar[tuple[str, ...]] = ("tenant", "handle")

    tenant: str
    handle: bytes
    key_id: bytes
    ciphertext: bytes
    ciphertext128: bytes


class MaterialRow(Row, frozen=True, kw_only=True):
    """What an operator, ourselves or another, committed on the gateway for a handle."""

    TABLE: ClassVar[str] = "gateway_materials"
    KEY: ClassVar[tuple[str, ...]] = ("tenant", "handle", "tx_sender")
    INDEXES: ClassVar[tuple[tuple[str, ...], ...]] = (("tenant", "handle"), ("tenant", "range_end"))

    tenant: str
    handle: bytes
    tx_sender: bytes
    key_id: bytes
    ciphertext: bytes
    ciphertext128: bytes
    block_number: int
    range_end: int  # last block of the gateway range that brought it


class ConsensusRow(Row, frozen=True, kw_only=True):
    """What enough operators committed alike for a handle."""

    TABLE: ClassVar[str] = "gateway_consensus"
    KEY: ClassVar[tuple[str, ...]] = ("tenant", "handle")
    INDEXES: ClassVar[tuple[tuple[str, ...], ...]] = (("tenant", "range_end"),)

    tenant: str
    handle: bytes
    key_id: bytes
    ciphertext: bytes
    ciphertext128: bytes
    block_number: int
    range_end: int


class DriftRow(Row, frozen=True, kw_only=True):
    """How the commits of a handle stand to each other and to ours; see domain/drift.py."""

    TABLE: ClassVar[str] = "drift"
    KEY: ClassVar[tuple[str, ...]] = ("tenant", "handle")
    INDEXES: ClassVar[tuple[tuple[str, ...], ...]] = (("tenant", "due"), ("tenant", "is_waiting"))

    tenant: str
    handle: bytes
    state: DriftState
    opened_block: int
    agreed_block: int = -1
    completed_block: int = -1
    due: int = -1  # tick of the gateway's clock at which the present phase is too long
    is_waiting: bool = True  # for the rest of the commits
    is_late: bool = False  # the present phase was too long
    is_other: bool = False  # what was agreed on is not what we have
    differing: tuple[bytes, ...] = ()  # operators that committed something else
    missing: tuple[bytes, ...] = ()  # operators that are late with theirs


class ProofRow(Row, frozen=True, kw_only=True):
    """A request to verify an encrypted input, our verdict and the gateway's answer; see domain/answers.py."""

    TABLE: ClassVar[str] = "verify_proofs"
    KEY: ClassVar[tuple[str, ...]] = ("tenant", "zk_proof_id")
    INDEXES: ClassVar[tuple[tuple[str, ...], ...]] = (("tenant", "range_end"), ("tenant", "answer_end"))

    tenant: str
    zk_proof_id: int
    range_end: int  # last block of the gateway range that brought it
    block_number: int
    transaction_id: bytes
    chain_id: int
    contract_address: bytes
    user_address: bytes
    input: bytes
    extra_data: bytes
    state: ProofState
    crs_id: bytes = b""  # active at the request's fact, or the first after it
    verified: bool | None = None  # the verdict, also of a request whose block is gone
    handles: tuple[bytes, ...] = ()
    last_error: str = ""
    accepted: bool | None = None  # what enough operators answered; None while no block tells
    agreed: tuple[bytes, ...] = ()  # the handles of their answer
    answer_end: int = -1  # last block of the gateway range that brought it
    standing: Standing = Standing.OPEN


class GatewayBlockRow(Row, frozen=True, kw_only=True):
    """The end of an applied gateway range; `previous` is the end before it."""

    TABLE: ClassVar[str] = "gateway_blocks"
    KEY: ClassVar[tuple[str, ...]] = ("tenant", "number")

    tenant: str
    number: int
    hash: bytes
    previous: int


class WorkRow(Row, frozen=True, kw_only=True):
    """A work item: outbox, ready queue, retry schedule and dispatch record in one."""

    TABLE: ClassVar[str] = "work_items"
    KEY: ClassVar[tuple[str, ...]] = ("tenant", "id")
    UNSETTLED: ClassVar[frozenset[str]] = frozenset(
        {"attempt", "uncomputable_counter", "not_before_ms", "deadline_ms", "epoch", "worker", "partition"}
    )

    tenant: str
    id: str
    work_class: str
    kind: str  # one of those in domain/items.py
    subject: bytes  # handle (and account), or proof id as 32 bytes big-endian
    affinity: bytes  # root component, signing scope
    contract: bytes  # the dApp that caused it: second level of fairness
    cost_ms: int
    state: WorkState
    priority: int = 0
    missing: int = 0  # waits not yet over
    key_id: bytes = b""
    cause: str = ""  # why it failed
    attempt: int = 0
    uncomputable_counter: int = 0
    not_before_ms: int = 0
    deadline_ms: int = 0
    epoch: int = 0
    worker: str = ""
    partition: int = -1
    event_id: str = ""  # of the fact that made it: its trace goes on in the work


class MemberRow(Row, frozen=True, kw_only=True):
    """An operation that a compute item executes; `is_output` when its result is stored."""

    TABLE: ClassVar[str] = "work_members"
    KEY: ClassVar[tuple[str, ...]] = ("tenant", "item", "handle")
    INDEXES: ClassVar[tuple[tuple[str, ...], ...]] = (("tenant", "item"),)

    tenant: str
    item: str
    handle: bytes
    position: int
    fhe_operation: int
    dependencies: tuple[bytes, ...]
    is_scalar: bool
    fhe_type: int
    is_output: bool


class WaitRow(Row, frozen=True, kw_only=True):
    """An item waits for a token: a stored handle, a squashed one, a verdict, a key; gone when it came."""

    TABLE: ClassVar[str] = "work_waits"
    KEY: ClassVar[tuple[str, ...]] = ("tenant", "item", "token")
    INDEXES: ClassVar[tuple[tuple[str, ...], ...]] = (("tenant", "token"), ("tenant", "item"))

    tenant: str
    item: str
    token: bytes


class FailureRow(Row, frozen=True, kw_only=True):
    """A token will not come: `cause` names the root of the trouble; gone when it came after all."""

    TABLE: ClassVar[str] = "work_failures"
    KEY: ClassVar[tuple[str, ...]] = ("tenant", "token")

    tenant: str
    token: bytes
    cause: str


class EarlyRow(Row, frozen=True, kw_only=True):
    """A result whose item no fact has made yet; consumed when the item is created."""

    TABLE: ClassVar[str] = "early_results"
    KEY: ClassVar[tuple[str, ...]] = ("tenant", "item")
    INDEXES: ClassVar[tuple[tuple[str, ...], ...]] = (("tenant",),)
    SAMPLED: ClassVar[frozenset[tuple[str, ...]]] = frozenset(INDEXES)  # mostly a tenant has none

    tenant: str
    item: str
    done: bool = False
    failure: str = ""
    verified: bool | None = None
    handles: tuple[bytes, ...] = ()
    reason: str = ""


class KeyRow(Row, frozen=True, kw_only=True):
    """A key set or common reference string that was activated for a tenant."""

    TABLE: ClassVar[str] = "tenant_keys"
    KEY: ClassVar[tuple[str, ...]] = ("tenant", "kind", "key_id")

    tenant: str
    kind: str  # key, crs
    key_id: bytes
    digest: bytes


class DivergenceRow(Row, frozen=True, kw_only=True):
    """Two answers for what must have one: other bytes, another operation, another request."""

    TABLE: ClassVar[str] = "divergences"
    KEY: ClassVar[tuple[str, ...]] = ("tenant", "kind", "subject", "other")

    tenant: str
    kind: str  # ct64, ct128, operation, proof, commit
    subject: bytes
    other: bytes  # digest of what came second


class AlarmKind(StrEnum):
    """What an alarm is about; its subject in brackets."""

    HALTED = "halted"  # a record that fails at every attempt (its identity): goes when the tenant is resumed
    UNDECODABLE = "undecodable"  # a record that nobody can read (its identity)
    UNDECODABLE_LOG = "undecodable_log"  # an event that is not of its topic's shape (block and log index)
    PENDING_PARENT = "pending_parent"  # a block whose parent is unknown (its hash): goes when that came
    GATEWAY_RANGE = "gateway_range"  # ranges that cannot be applied: goes when one was applied
    PROOF_DISPUTED = "proof_disputed"  # we and the gateway differ over an input (its number)
    DRIFT = "drift"  # these four: commits of a handle (which is it), see domain/drift.py
    DRIFT_OPERATORS = "drift_operators"
    DRIFT_NO_CONSENSUS = "drift_no_consensus"
    DRIFT_MISSING = "drift_missing"
    UNSUPPORTED_BRIDGE = "unsupported_bridge"  # a handle that gets no ciphertext here (which is it)


HALTED: Final = AlarmKind.HALTED


class AlarmRow(Row, frozen=True, kw_only=True):
    """Something that an operator must see."""

    TABLE: ClassVar[str] = "alarms"
    KEY: ClassVar[tuple[str, ...]] = ("tenant", "kind", "subject")

    tenant: str
    kind: str
    subject: bytes
    detail: str


class FactPartRow(Row, frozen=True, kw_only=True):
    """A part of a fact whose other parts are still to come."""

    TABLE: ClassVar[str] = "fact_parts"
    KEY: ClassVar[tuple[str, ...]] = ("tenant", "sha256", "part")
    INDEXES: ClassVar[tuple[tuple[str, ...], ...]] = (("tenant", "sha256"),)

    tenant: str
    sha256: bytes
    part: int
    parts: int
    body: bytes


TABLES: Final[tuple[type[Row], ...]] = (
    TenantRow, BlockRow, ComputationRow, AllowedRow, DelegationRow, BridgeRow, HandleRow, CiphertextRow,
    DigestRow, CommitRow, MaterialRow, ConsensusRow, DriftRow,
    ProofRow, GatewayBlockRow, WorkRow, MemberRow, WaitRow, FailureRow, EarlyRow, KeyRow, DivergenceRow,
    AlarmRow, FactPartRow,
)  # fmt: skip
