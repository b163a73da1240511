"""ports.Store in memory: the same answers as Postgres gives, for unit tests and the simulator.

Transactions of different shards do not interleave, as if each row were locked from the start.
"""

import asyncio
import contextlib
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from typing import Final

import msgspec

from streams.domain import items as kinds
from streams.domain.control import Acknowledgement, detail_digest
from streams.domain.errors import Fenced
from streams.domain.lifecycle import IN_FLIGHT, TERMINAL, WorkState
from streams.domain.rows import (
    HALTED,
    AlarmRow,
    BlockRow,
    BlockStatus,
    CiphertextRow,
    ComputationRow,
    DigestRow,
    DivergenceRow,
    GatewayBlockRow,
    HandleRow,
    MemberRow,
    ProofRow,
    Row,
    WaitRow,
    WorkRow,
)
from streams.domain.schedule import DEFAULT_WEIGHT
from streams.domain.state import Changes, Read, State
from streams.domain.work import WorkClass
from streams.messages import assembly
from streams.ports import (
    Claim,
    Clock,
    DeadLetter,
    Demand,
    Offset,
    Outgoing,
    RaisedAlarm,
    Ready,
    Record,
    Unsent,
    Weight,
)

_WATCHED: Final = frozenset({WorkClass.TFHE, WorkClass.ZKPROOF, WorkClass.SNS})


class Tables(msgspec.Struct):
    """What is not a row of a decision; copied before a transaction, put back when it fails."""

    offsets: dict[tuple[str, int], Offset] = msgspec.field(default_factory=dict)
    halted: dict[str, tuple[int, str]] = msgspec.field(default_factory=dict)
    held: list[tuple[str, Record]] = msgspec.field(default_factory=list)
    letters: dict[bytes, DeadLetter] = msgspec.field(default_factory=dict)
    requests: set[str] = msgspec.field(default_factory=set)
    # alarms, by tenant, kind, subject and what they said
    acknowledged: set[tuple[str, str, bytes, bytes]] = msgspec.field(default_factory=set)
    shards: dict[tuple[str, str], int] = msgspec.field(default_factory=dict)  # of work items
    seen_ms: dict[tuple[str, str], int] = msgspec.field(default_factory=dict)  # when items were made

    def copy(self) -> "Tables":
        return Tables(
            dict(self.offsets), dict(self.halted), list(self.held), dict(self.letters), set(self.requests),
            set(self.acknowledged), dict(self.shards), dict(self.seen_ms),
        )  # fmt: skip


class MemoryTransaction:
    """A transaction of one shard; the store takes it back when it fails."""

    def __init__(self, state: State, tables: Tables, shard: int, epoch: int, at_ms: int = 0) -> None:
        self._state, self._tables, self._shard, self._epoch = state, tables, shard, epoch
        self._at_ms = at_ms

    async def load(self, reads: Sequence[Read]) -> list[list[Row]]:
        """Rows that answer each look-up."""
        return [self._answer(read) for read in reads]

    async def downstream(self, tenant: str, tokens: Sequence[bytes]) -> list[str]:
        """Items that wait for these tokens, for what those items bring, and so on."""
        found: dict[str, None] = {}
        pending = list(tokens)
        while pending:
            waits = self._state.find(WaitRow, ("tenant", "token"), tenant, pending.pop())
            fresh = [wait.item for wait in waits if wait.item not in found]
            found.update(dict.fromkeys(fresh))
            rows = (self._state.get(WorkRow, tenant, item) for item in fresh)
            pending += [
                token for row in rows if row is not None for token in kinds.products(self._state, row)
            ]
        return list(found)

    async def upstream(self, tenant: str, items: Sequence[str]) -> list[str]:
        """These items, those that make what they lack, and so on, as far as each has ended and lacks any."""
        found = dict.fromkeys(items)
        pending = list(items)
        while pending:
            row = self._state.get(WorkRow, tenant, pending.pop())
            if row is None or not row.missing or row.state not in TERMINAL:
                continue
            waits = self._state.find(WaitRow, ("tenant", "item"), tenant, row.id)
            known = (self._state.get(HandleRow, tenant, kinds.handle_of(wait.token)) for wait in waits)
            makers = (each.compute_item for each in known if each is not None and each.compute_item)
            fresh = [item for item in makers if item not in found]
            found.update(dict.fromkeys(fresh))
            pending += fresh
        return list(found)

    async def ancestors(self, tenant: str, hashes: Sequence[bytes], most: int) -> list[bytes]:
        """These blocks, their parents, and so on: at most so many of each branch."""
        found: dict[bytes, None] = {}
        for first in hashes:
            block = self._state.get(BlockRow, tenant, first)
            for _ in range(most):
                if block is None:
                    break
                found[block.hash] = None
                block = self._state.get(BlockRow, tenant, block.parent_hash)
        return list(found)

    async def orphans(self, tenant: str, hashes: Sequence[bytes], most: int) -> list[bytes]:
        """Blocks that wait for these, those that wait for them, and so on: at most so many."""
        found: dict[bytes, None] = {}
        pending = list(hashes)
        while pending and len(found) < most:
            children = self._state.find(BlockRow, ("tenant", "parent_hash"), tenant, pending.pop())
            waiting = [row.hash for row in children if row.status is BlockStatus.PENDING_PARENT]
            pending += [child for child in waiting if child not in found]
            found.update(dict.fromkeys(waiting))
        return list(found)[:most]

    async def ends(self, tenant: str, numbers: Sequence[int], most: int) -> list[int]:
        """These ends of ranges of the gateway, those before them, and so on: at most so many of each."""
        found: dict[int, None] = {}
        for first in numbers:
            end = self._state.get(GatewayBlockRow, tenant, first)
            for _ in range(most):
                if end is None:
                    break
                found[end.number] = None
                end = self._state.get(GatewayBlockRow, tenant, end.previous)
        return list(found)

    async def write(self, changes: Changes) -> None:
        """Store what decisions changed."""
        for table, keys in changes.deleted.items():
            for key in keys:
                row = self._state.get(table, *key)
                if row is not None:
                    self._state.delete(row)
        for rows in (*changes.created.values(), *changes.written.values()):
            for row in rows:
                self._state.put(row)
                if isinstance(row, WorkRow):
                    self._tables.shards[row.tenant, row.id] = self._shard
                    self._tables.seen_ms.setdefault((row.tenant, row.id), self._at_ms)

    async def advance(self, topic: str, partition: int, start: int, next_off: int) -> None:
        """Move the next offset from `start`; raises Fenced when it is not there."""
        known = self._tables.offsets[topic, partition]
        if known.next_off != start:
            raise Fenced(f"{topic}/{partition} is not at {start} any more")
        self._tables.offsets[topic, partition] = Offset(topic, known.topic_id, next_off)

    async def ready(
        self,
        work_class: str,
        now_ms: int,
        per_contract: int,
        paused: Collection[str] = (),
        key_ids: Collection[bytes] | None = None,
        *,
        most: int = sys.maxsize,
    ) -> Ready:
        """Items of a class that may be claimed now, of each contract, priority and key set; none paused.

        Of these key sets alone (`b""` names none), without `key_ids` of any.
        None at all while `most` are in flight: with many contracts the list is long, and nobody could use it.
        """
        of_class = self._of_class(work_class)
        in_flight = Counter(row.worker for row in of_class if row.state in IN_FLIGHT)
        if in_flight.total() >= most:
            return Ready((), in_flight)
        limit = min(per_contract, most - in_flight.total())
        flows: dict[tuple[str, bytes, int, bytes], list[WorkRow]] = defaultdict(list)
        for row in of_class:
            is_due = row.state is WorkState.READY and row.not_before_ms <= now_ms
            is_of_these = key_ids is None or row.key_id in key_ids
            if is_due and is_of_these and row.tenant not in paused:
                flows[row.tenant, row.contract, row.priority, row.key_id].append(row)
        best = (row for flow in flows.values() for row in sorted(flow, key=lambda row: row.id)[:limit])
        return Ready(tuple(sorted(best, key=_in_queue)), in_flight)

    async def reclaim(self) -> list[WorkRow]:
        """Take over what owners before claimed and may not have published."""
        taken = [
            msgspec.structs.replace(row, epoch=self._epoch)
            for row in self._own()
            if row.state is WorkState.CLAIMED and row.epoch < self._epoch
        ]
        for row in taken:
            self._state.put(row)
        return taken

    def messages(self, items: Sequence[WorkRow]) -> list[Outgoing | None]:
        """The message of each item; None when something that it needs is not stored."""
        return [self._message(item) for item in items]

    async def dispatched(
        self, items: Sequence[WorkRow], reported_us: Sequence[int], deadline_ms: int
    ) -> None:
        """The broker has these messages: dispatched, those of class `publish` done."""
        del reported_us  # it has no column for times
        for item in items:
            row = self._state.get(WorkRow, item.tenant, item.id)
            if row is not None and row.state is WorkState.CLAIMED and row.attempt == item.attempt:
                is_publication = row.work_class == WorkClass.PUBLISH
                after = WorkState.DONE if is_publication else WorkState.DISPATCHED
                deadline = max(row.deadline_ms, deadline_ms)
                self._state.put(msgspec.structs.replace(row, state=after, deadline_ms=deadline))

    async def late(self, now_ms: int, live: Collection[str]) -> list[WorkRow]:
        """Dispatched items that passed their deadline or lie at a worker that is not alive."""
        return [row for row in self._own() if _is_overdue(row, now_ms, live)]

    async def park(self, letter: DeadLetter) -> None:
        """Keep bytes that do not decode."""
        self._tables.letters.setdefault(letter.id, letter)

    async def halt(self, tenant: str, record: Record, error: str) -> None:
        """Apply nothing more of a tenant from this record on."""
        del record
        self._tables.halted[tenant] = (self._shard, error)

    async def hold(self, tenant: str, record: Record) -> None:
        """Keep a record of a halted tenant behind those kept before; the same one again changes nothing."""
        if record.identity not in {known.identity for _, known in self._tables.held}:
            self._tables.held.append((tenant, record))

    async def held(self, tenant: str, limit: int) -> list[Record]:
        """The oldest kept records of a tenant, in the order in which they were kept."""
        return [record for name, record in self._tables.held if name == tenant][:limit]

    async def drop_held(self, records: Sequence[Record]) -> None:
        """Forget kept records: they are applied."""
        gone = {record.identity for record in records}
        self._tables.held = [entry for entry in self._tables.held if entry[1].identity not in gone]

    async def resume(self, tenant: str) -> None:
        """The tenant is no longer halted, and its alarm is over."""
        self._tables.halted.pop(tenant, None)
        for row in self._state.rows(AlarmRow):
            if (row.tenant, row.kind) == (tenant, HALTED):
                self._state.delete(row)

    async def knows_request(self, request: str) -> bool:
        """Whether an operator's command was carried out."""
        return request in self._tables.requests

    async def take_request(self, request: str, tenant: str) -> None:
        """Remember an operator's command as carried out."""
        del tenant
        self._tables.requests.add(request)

    async def acknowledge(self, word: Acknowledgement) -> None:
        """Remember that an operator knows of these alarms, whether they stand yet or not."""
        self._tables.acknowledged |= {
            (word.tenant, word.kind, alarm.subject, alarm.detail_digest) for alarm in word.alarms
        }

    def _answer(self, read: Read) -> list[Row]:
        if read.columns == read.table.KEY:
            row = self._state.get(read.table, *read.values)
            return [] if row is None else [row]
        found = list[Row](self._state.find(read.table, read.columns, *read.values))
        return found[:1] if read.columns in read.table.SAMPLED else found

    def _own(self) -> list[WorkRow]:
        shards = self._tables.shards
        return [r for r in self._state.rows(WorkRow) if shards.get((r.tenant, r.id)) == self._shard]

    def _of_class(self, work_class: str) -> list[WorkRow]:
        return [row for row in self._own() if row.work_class == work_class]

    def _message(self, item: WorkRow) -> Outgoing | None:
        match item.kind:
            case kinds.COMPUTE:
                return self._computation(item)
            case kinds.PROOF | kinds.PROOF_REPLAY | kinds.PROOF_RESPONSE:
                return self._verification(item)
            case kinds.SQUASH:
                row = self._state.get(CiphertextRow, item.tenant, item.subject)
                return None if row is None else assembly.squash(item, row, self._transaction(item))
            case kinds.ALLOW:
                return assembly.right(item, self._seen_ms(item))
            case kinds.DEAD_LETTER:
                return self._letter(item)
            case _:
                return self._digests(item)

    def _computation(self, item: WorkRow) -> Outgoing | None:
        members = self._state.find(MemberRow, ("tenant", "item"), item.tenant, item.id)
        inside = {member.handle for member in members}
        outside = {handle for member in members for handle in member.dependencies} - inside
        rows = (self._state.get(CiphertextRow, item.tenant, handle) for handle in outside)
        inputs = [assembly.stored(row) for row in rows if row is not None]
        return assembly.compute(item, members, inputs) if members else None

    def _verification(self, item: WorkRow) -> Outgoing | None:
        request = self._state.get(ProofRow, item.tenant, assembly.proof_id(item))
        if request is None:
            return None
        if item.kind == kinds.PROOF_RESPONSE:
            return assembly.response(item, request, self._seen_ms(item))
        return assembly.proof(item, request)

    def _digests(self, item: WorkRow) -> Outgoing | None:
        digest = self._state.get(DigestRow, item.tenant, item.subject)
        handle = self._state.get(HandleRow, item.tenant, item.subject)
        if digest is None or handle is None:
            return None
        if item.kind == kinds.ADD_MATERIAL:
            return assembly.material(item, digest, self._seen_ms(item))
        return assembly.announcement(item, digest, handle.fhe_type)

    def _letter(self, item: WorkRow) -> Outgoing | None:
        if item.subject in self._tables.letters:
            return self._tables.letters[item.subject]
        failed = self._state.get(WorkRow, item.tenant, item.subject.decode("ascii", "replace"))
        return None if failed is None else assembly.failed(item, failed)

    def _seen_ms(self, item: WorkRow) -> int:
        return self._tables.seen_ms.get((item.tenant, item.id), 0)

    def _transaction(self, item: WorkRow) -> bytes:
        columns = ("tenant", "output_handle")
        made = self._state.find(ComputationRow, columns, item.tenant, item.subject)
        return min((row.transaction_id for row in made), default=b"")


class MemoryStore:
    """The materialised state of one deployment; without a clock nothing has a time."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock
        self.state = State(complete=True)
        self.tables = Tables()
        self.owners: dict[int, tuple[int, str]] = {}
        self._lock = asyncio.Lock()

    async def claim(self, shard: int, owner: str, topics: Mapping[str, str]) -> Claim:
        """Become the owner with a new epoch; waits for an open transaction of the one before."""
        async with self._lock:
            epoch = self.owners.get(shard, (0, ""))[0] + 1
            self.owners[shard] = (epoch, owner)
            offsets = self.tables.offsets
            for topic, topic_id in topics.items():
                offsets.setdefault((topic, shard), Offset(topic, topic_id, 0))
            halted = frozenset(tenant for tenant, (of, _) in self.tables.halted.items() if of == shard)
            known = tuple(offsets[topic, shard] for topic in topics)
            return Claim(shard=shard, epoch=epoch, offsets=known, halted=halted)

    @contextlib.asynccontextmanager
    async def begin(
        self, shard: int, epoch: int, *, is_patient: bool = False
    ) -> AsyncGenerator[MemoryTransaction]:
        """A transaction that begins with the fence; raises Fenced."""
        del is_patient  # it lasts as long as it does
        async with self._lock:
            if self.owners.get(shard, (0, ""))[0] != epoch:
                raise Fenced(f"shard {shard} has a newer owner than epoch {epoch}")
            mark, before = self.state.mark(), self.tables.copy()
            try:
                at_ms = 0 if self.clock is None else self.clock.now_ms()
                yield MemoryTransaction(self.state, self.tables, shard, epoch, at_ms)
            except BaseException:
                self.state.rollback(mark)
                self.tables = before
                raise

    async def messages(self, shard: int, epoch: int, items: Sequence[WorkRow]) -> list[Outgoing | None]:
        """The message of each item; raises Fenced."""
        async with self.begin(shard, epoch) as tx:
            return tx.messages(items)

    async def demand(
        self,
        now_ms: int,
        live: Collection[str],
        paused: Collection[str] = (),
        weights: Sequence[Weight] = (),
    ) -> list[Demand]:
        """Open work per shard, class and key set, that of paused tenants apart."""
        groups: dict[tuple[int, str, bytes], list[WorkRow]] = defaultdict(list)
        for row in self.state.rows(WorkRow):
            if row.state is WorkState.READY or row.state in IN_FLIGHT:
                shard = self.tables.shards[row.tenant, row.id]
                groups[shard, row.work_class, row.key_id].append(row)
        weighed = {(each.tenant, each.work_class): each.weight for each in weights}
        return [
            _demand(*place, rows, now_ms, live, paused, weighed) for place, rows in sorted(groups.items())
        ]

    async def outstanding(self) -> dict[str, dict[str, int]]:
        """Estimated cost in ms of what is in flight, by class and worker, over all shards."""
        costs: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for row in self.state.rows(WorkRow):
            if row.state in IN_FLIGHT and row.worker:
                costs[row.work_class][row.worker] += row.cost_ms
        return {work_class: dict(by_worker) for work_class, by_worker in costs.items()}

    async def unsent(self) -> Unsent:
        """What the gateway does not have yet, of all shards."""
        open_ones = (row for row in self.state.rows(DigestRow) if not row.txn_is_sent)
        handles = (self.state.get(HandleRow, row.tenant, row.handle) for row in open_ones)
        counts = Counter(
            row.kind
            for row in self.state.rows(WorkRow)
            if row.work_class == WorkClass.SENDER and (row.state is WorkState.READY or row.state in IN_FLIGHT)
        )
        return Unsent(
            digests=sum(handle is not None and handle.reasons > 0 for handle in handles),
            answers=counts[kinds.PROOF_RESPONSE],
            rights=counts[kinds.ALLOW],
        )

    async def alarms(self, tenant: str, kind: str) -> list[RaisedAlarm]:
        """Alarms that nobody has acknowledged as they are, by subject."""
        raised = [(row.tenant, row.kind, row.subject, row.detail) for row in self.state.rows(AlarmRow)]
        raised += [
            (row.tenant, f"divergence_{row.kind}", row.subject, row.other.hex())
            for row in self.state.rows(DivergenceRow)
        ]
        return [
            RaisedAlarm(subject, detail)
            for *of, subject, detail in sorted(raised)
            if of == [tenant, kind]
            and (tenant, kind, subject, detail_digest(detail)) not in self.tables.acknowledged
        ]

    async def repair(self, topic: str, partition: int, topic_id: str, next_off: int) -> None:
        """An operator accepts that records are lost: fence the owner and go on at this offset."""
        async with self._lock:
            self.owners[partition] = (self.owners.get(partition, (0, ""))[0] + 1, "repair")
            self.tables.offsets[topic, partition] = Offset(topic, topic_id, next_off)

    async def close(self) -> None:
        """Nothing to let go of."""


def _demand(
    shard: int,
    work_class: str,
    key_id: bytes,
    rows: list[WorkRow],
    now_ms: int,
    live: Collection[str],
    paused: Collection[str],
    weights: Mapping[tuple[str, str], int],
) -> Demand:
    in_flight = [row for row in rows if row.state in IN_FLIGHT]
    waiting = [row for row in rows if row.state is WorkState.READY and row.tenant not in paused]
    ready = [row for row in waiting if row.not_before_ms <= now_ms]
    return Demand(
        shard=shard,
        work_class=work_class,
        key_id=key_id,
        ready_cost_ms=sum(row.cost_ms for row in ready),
        weighed_cost_ms=sum(
            row.cost_ms * weights.get((row.tenant, work_class), DEFAULT_WEIGHT) for row in ready
        ),
        ready=len(ready),
        delayed=len(waiting) - len(ready),
        in_flight=len(in_flight),
        overdue=sum(_is_overdue(row, now_ms, live) for row in rows),
        paused=len(rows) - len(in_flight) - len(waiting),
    )


def _in_queue(row: WorkRow) -> tuple[str, bytes, int, str]:
    return row.tenant, row.contract, -row.priority, row.id


def _is_overdue(row: WorkRow, now_ms: int, live: Collection[str]) -> bool:
    if row.state is not WorkState.DISPATCHED:
        return False
    is_lost = row.work_class in _WATCHED and bool(row.worker) and row.worker not in live
    return is_lost or row.deadline_ms < now_ms
