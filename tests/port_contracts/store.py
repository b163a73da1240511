"""What every Store promises; the memory twin and the real Postgres run the same sentences."""

import contextlib
from collections import Counter
from typing import Any

import msgspec
import pytest

from streams.domain import items as kinds
from streams.domain.control import (
    AcknowledgedAlarm,
    Acknowledgement,
    CiphertextAnnouncement,
    detail_digest,
)
from streams.domain.errors import Fenced
from streams.domain.lifecycle import ProofState, WorkState
from streams.domain.requests import replay_item, subject_of
from streams.domain.rows import (
    HALTED,
    AlarmRow,
    AllowedRow,
    BlockRow,
    BlockStatus,
    CiphertextRow,
    ComputationRow,
    ConsensusRow,
    DigestRow,
    DivergenceRow,
    DriftRow,
    DriftState,
    HandleRow,
    MaterialRow,
    MemberRow,
    ProofRow,
    Row,
    TenantRow,
    WorkRow,
)
from streams.domain.schedule import DEFAULT_WEIGHT
from streams.domain.state import Read, State, key_of
from streams.domain.work import (
    AddMaterial,
    AllowAccount,
    AllowPublicDecrypt,
    ComputeWork,
    ProofWork,
    RejectResponse,
    SendWork,
    SquashWork,
    VerifyResponse,
)
from streams.ports import DeadLetter, RaisedAlarm, Record, Store, Unsent, Weight

T = "12345." + "0a" * 20
TOPICS = {"events.v1": "id-e", "results.v1": "id-r"}
NOW = 1_700_000_000_000
A, B, C = b"\xaa" * 32, b"\xbb" * 32, b"\xcc" * 32


def work(name: str, **fields: object) -> WorkRow:
    known = {
        "tenant": T,
        "id": name,
        "work_class": "tfhe",
        "kind": kinds.COMPUTE,
        "subject": A,
        "affinity": A,
        "contract": b"\x01" * 20,
        "cost_ms": 100,
        "state": WorkState.READY,
    }
    return WorkRow(**{**known, **fields})


def alarm(subject: bytes, detail: str, *, kind: str = "undecodable", tenant: str = T) -> AlarmRow:
    return AlarmRow(tenant=tenant, kind=kind, subject=subject, detail=detail)


def acknowledgement(*told: tuple[bytes, str], kind: str = "undecodable") -> Acknowledgement:
    """Of alarms of that subject, which said that."""
    alarms = (AcknowledgedAlarm(subject=of, detail_digest=detail_digest(detail)) for of, detail in told)
    return Acknowledgement(tenant=T, kind=kind, alarms=tuple(alarms), reason="known", request="r")


def member(item: str, handle: bytes, position: int, dependencies: tuple[bytes, ...]) -> MemberRow:
    return MemberRow(
        tenant=T,
        item=item,
        handle=handle,
        position=position,
        fhe_operation=0,
        dependencies=dependencies,
        is_scalar=False,
        fhe_type=5,
        is_output=handle == C,
    )


def ciphertext(handle: bytes, body: bytes = b"ct") -> CiphertextRow:
    return CiphertextRow(
        tenant=T, handle=handle, fhe_type=5, key_id=b"\x04" * 32, ciphertext=body, is_input=False
    )


def digests(of: bytes, *, txn_is_sent: bool = False) -> DigestRow:
    return DigestRow(
        tenant=T,
        handle=of,
        key_id=b"\x04" * 32,
        ciphertext=B,
        ciphertext128=C,
        ciphertext128_format=11,
        signer=b"",
        attestation=b"",
        txn_is_sent=txn_is_sent,
    )


def handle(name: bytes, reasons: int) -> HandleRow:
    return HandleRow(tenant=T, handle=name, fhe_type=5, reasons=reasons)


def request(proof_id: int, verified: bool | None, handles: tuple[bytes, ...] = ()) -> ProofRow:
    return ProofRow(
        tenant=T,
        zk_proof_id=proof_id,
        range_end=5,
        block_number=4,
        transaction_id=b"\x07" * 32,
        chain_id=12345,
        contract_address=b"\x08" * 20,
        user_address=b"\x09" * 20,
        input=b"list",
        extra_data=b"\0",
        state=ProofState.REQUESTED,
        crs_id=b"\x06" * 32,
        verified=verified,
        handles=handles,
    )


COMMITTED: dict[str, Any] = {
    "key_id": A, "ciphertext": B, "ciphertext128": C, "block_number": 3, "range_end": 4,
}  # fmt: skip


def drift(handle: bytes, **fields: Any) -> DriftRow:
    """The commits of a handle."""
    return DriftRow(tenant=T, handle=handle, state=DriftState.DISPUTED, opened_block=3, **fields)


def record(offset: int, value: bytes = b"v", topic: str = "events.v1") -> Record:
    return Record(
        topic=topic, partition=0, offset=offset, key=T.encode(), value=value, headers=(("h", b"1"),)
    )


async def written(store: Store, *rows: Row, shard: int = 0) -> int:
    """Stores rows; gives the epoch."""
    epoch = (await store.claim(shard, "me", TOPICS)).epoch
    state = State()
    for row in rows:
        state.put(row)
    async with store.begin(shard, epoch) as tx:
        await tx.write(state.changes())
    return epoch


class StoreContract:
    """Subclasses give the fixture `store`, empty."""

    async def test_a_first_claim_starts_at_the_first_record(self, store: Store) -> None:
        claim = await store.claim(3, "me", TOPICS)
        assert claim.epoch == 1
        found = {offset.topic: (offset.topic_id, offset.next_off) for offset in claim.offsets}
        assert found == {"events.v1": ("id-e", 0), "results.v1": ("id-r", 0)}
        assert claim.halted == frozenset()

    async def test_a_later_claim_raises_the_epoch_and_keeps_offsets_and_topic_id(self, store: Store) -> None:
        first = await store.claim(3, "me", TOPICS)
        async with store.begin(3, first.epoch) as tx:
            await tx.advance("events.v1", 3, 0, 7)
        claim = await store.claim(3, "you", {**TOPICS, "events.v1": "another"})
        assert claim.epoch == 2
        found = {offset.topic: (offset.topic_id, offset.next_off) for offset in claim.offsets}
        assert found == {"events.v1": ("id-e", 7), "results.v1": ("id-r", 0)}

    async def test_an_owner_before_is_fenced(self, store: Store) -> None:
        first = await store.claim(0, "me", TOPICS)
        await store.claim(0, "you", TOPICS)
        with pytest.raises(Fenced):
            async with store.begin(0, first.epoch):
                pytest.fail("a zombie got a transaction")

    async def test_an_offset_moves_only_from_where_it_is(self, store: Store) -> None:
        epoch = (await store.claim(0, "me", TOPICS)).epoch
        with pytest.raises(Fenced):
            async with store.begin(0, epoch) as tx:
                await tx.advance("events.v1", 0, 1, 2)

    async def test_rows_come_back_as_they_were(self, store: Store) -> None:
        rows: list[Row] = [
            TenantRow(tenant=T, chain_id=1234, tip_hash=A, coprocessors=(A, B), gateway_s=7, anchor_number=3),
            MaterialRow(tenant=T, handle=A, tx_sender=B, **COMMITTED),
            ConsensusRow(tenant=T, handle=A, **COMMITTED),
            drift(A, differing=(B, C)),
            BlockRow(
                tenant=T, hash=A, parent_hash=B, number=1, timestamp=2, status=BlockStatus.SIDE, sequence=0
            ),
            AllowedRow(tenant=T, handle=A, account_address=b"", block_hash=B, event_type=1, transaction_id=C),
            member("i", A, 0, (B, b"\x00\x01", b"")),
            member("i", C, 1, ()),
            request(9, None, (A, B)),
            work("w", state=WorkState.BLOCKED, missing=2, cause='it\'s {"odd"}'),
        ]
        epoch = await written(store, *rows)
        async with store.begin(0, epoch) as tx:
            reads = [Read(type(row), row.KEY, tuple(getattr(row, k) for k in row.KEY)) for row in rows]
            assert await tx.load(reads) == [[row] for row in rows]

    @pytest.mark.parametrize(
        "verdicts", [(True, None, False, True), (None, None), (True, True), (False, None, False)]
    )
    async def test_rows_of_one_write_keep_apart_what_they_have_in_common(
        self, store: Store, verdicts: tuple[bool | None, ...]
    ) -> None:
        """Null is a value: neither taken from a row beside it nor filled with that row's."""
        rows: list[Row] = [request(at, verified, (A, B)) for at, verified in enumerate(verdicts)]
        epoch = await written(store, *rows)
        async with store.begin(0, epoch) as tx:
            reads = [Read(ProofRow, ProofRow.KEY, (T, at)) for at in range(len(rows))]
            assert await tx.load(reads) == [[row] for row in rows]

    async def test_one_load_answers_reads_of_many_tables(self, store: Store) -> None:
        epoch = await written(store, member("i", A, 0, ()), member("i", B, 1, ()), member("j", A, 0, ()))
        async with store.begin(0, epoch) as tx:
            found = await tx.load(
                [
                    Read(MemberRow, ("tenant", "item"), (T, "i")),
                    Read(TenantRow, ("tenant",), (T,)),
                    Read(MemberRow, ("tenant", "item"), (T, "none")),
                    Read(MemberRow, ("tenant", "item"), (T, "j")),
                ]
            )
        assert [len(rows) for rows in found] == [2, 0, 0, 1]

    async def test_drift_is_found_by_what_is_due_and_by_what_waits(self, store: Store) -> None:
        rows = (drift(A, due=7), drift(B, due=7, is_waiting=False), drift(C, due=8))
        epoch = await written(store, *rows)
        async with store.begin(0, epoch) as tx:
            by_tick, waiting = await tx.load(
                [
                    Read(DriftRow, ("tenant", "due"), (T, 7)),
                    Read(DriftRow, ("tenant", "is_waiting"), (T, True)),
                ]
            )
        assert sorted(row.handle for row in by_tick if isinstance(row, DriftRow)) == sorted((A, B))
        assert sorted(row.handle for row in waiting if isinstance(row, DriftRow)) == sorted((A, C))

    async def test_a_write_replaces_and_deletes(self, store: Store) -> None:
        epoch = await written(store, work("w"), ciphertext(A))
        state = State()
        for row in (work("w"), ciphertext(A)):
            state.load(Read(type(row), row.KEY, tuple(getattr(row, k) for k in row.KEY)), [row])
        state.put(work("w", state=WorkState.CANCELLED))
        state.delete(ciphertext(A))
        async with store.begin(0, epoch) as tx:
            await tx.write(state.changes())
            reads = [Read(WorkRow, WorkRow.KEY, (T, "w")), Read(CiphertextRow, CiphertextRow.KEY, (T, A))]
            assert await tx.load(reads) == [[work("w", state=WorkState.CANCELLED)], []]

    async def test_nothing_of_a_failed_transaction_is_seen(self, store: Store) -> None:
        epoch = (await store.claim(0, "me", TOPICS)).epoch
        state = State()
        state.put(work("w"))
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(pytest.raises(KeyError))
            tx = await stack.enter_async_context(store.begin(0, epoch))
            await tx.write(state.changes())
            await tx.advance("events.v1", 0, 0, 5)
            await tx.halt("t", record(0), "why")
            raise KeyError
        claim = await store.claim(0, "me", TOPICS)
        assert {offset.next_off for offset in claim.offsets} == {0}
        assert claim.halted == frozenset()
        async with store.begin(0, claim.epoch) as tx:
            assert await tx.load([Read(WorkRow, WorkRow.KEY, (T, "w"))]) == [[]]

    async def test_ready_gives_the_first_of_each_contract_that_are_due(self, store: Store) -> None:
        epoch = await written(
            store,
            work("a"),
            work("b", priority=5),
            work("c"),
            work("d", contract=b"\x02" * 20),
            work("later", not_before_ms=NOW + 1, contract=b"\x03" * 20),
            work("other", work_class="sns"),
            work("out", state=WorkState.DISPATCHED, worker="w"),
            work("taken", state=WorkState.CLAIMED),
        )
        async with store.begin(0, epoch) as tx:
            ready = await tx.ready("tfhe", NOW, 2)
            last = await tx.ready("tfhe", NOW, 2, most=3)
            none = await tx.ready("tfhe", NOW, 2, most=2)
        assert sorted(item.id for item in ready.items) == ["a", "b", "c", "d"]
        assert sorted(item.id for item in last.items) == ["a", "b", "d"]
        assert none.items == ()
        assert ready.in_flight == last.in_flight == none.in_flight == {"w": 1, "": 1}

    async def test_ready_gives_the_first_of_each_priority_so_that_none_hides_another(
        self, store: Store
    ) -> None:
        high = [work(f"high{at}", priority=2) for at in range(5)]
        low = [work(f"low{at}", priority=-3) for at in range(5)]
        other = [work(f"other{at}", priority=-3, contract=b"\x02" * 20) for at in range(5)]
        epoch = await written(store, *low, *high, *other, work("even"))
        async with store.begin(0, epoch) as tx:
            ready = await tx.ready("tfhe", NOW, 2)
        found = Counter((item.contract, item.priority) for item in ready.items)
        lanes = {high[0].contract: (2, 0, -3), other[0].contract: (-3,)}
        assert found == {
            (contract, priority): 1 if priority == 0 else 2
            for contract, priorities in lanes.items()
            for priority in priorities
        }

    async def test_demand_weighs_the_cost_of_tenants_of_which_something_was_said(self, store: Store) -> None:
        await written(store, work("a"), work("a", tenant="2.bb"), work("s", work_class="sns"))
        weights = [Weight("2.bb", "tfhe", 64), Weight("2.bb", "sns", 1), Weight(T, "sns", 2)]
        plain = {each.work_class: each for each in await store.demand(NOW, [])}
        weighed = {each.work_class: each for each in await store.demand(NOW, [], (), weights)}
        cost_ms = work("a").cost_ms
        assert plain["tfhe"].weighed_cost_ms == 2 * DEFAULT_WEIGHT * cost_ms
        assert weighed["tfhe"].weighed_cost_ms == (DEFAULT_WEIGHT + 64) * cost_ms
        assert weighed["sns"].weighed_cost_ms == 2 * cost_ms
        assert weighed["tfhe"].ready_cost_ms == plain["tfhe"].ready_cost_ms == 2 * cost_ms

    async def test_nothing_of_a_paused_tenant_is_ready(self, store: Store) -> None:
        names = ("1.aa", "2.bb", "3.cc")
        epoch = await written(store, *(work("w", tenant=tenant) for tenant in names))
        async with store.begin(0, epoch) as tx:
            ready = await tx.ready("tfhe", NOW, 2, {"1.aa", "3.cc"})
            everything = await tx.ready("tfhe", NOW, 2)
        assert [item.tenant for item in ready.items] == ["2.bb"]
        assert sorted(item.tenant for item in everything.items) == list(names)

    async def test_what_is_of_another_key_set_is_passed_over_and_hides_nothing(self, store: Store) -> None:
        stuck = [work(f"a{at}", key_id=b"old") for at in range(5)]
        epoch = await written(store, *stuck, work("b", key_id=b"new"), work("c"))
        async with store.begin(0, epoch) as tx:
            ready = await tx.ready("tfhe", NOW, 2, (), {b"", b"new"})
            nothing = await tx.ready("tfhe", NOW, 2, (), ())
            everything = await tx.ready("tfhe", NOW, 9)
        assert [item.id for item in ready.items] == ["b", "c"]
        assert (nothing.items, nothing.in_flight, len(everything.items)) == ((), {}, 7)

    async def test_ready_gives_the_first_of_each_key_set_in_the_order_of_the_queue(
        self, store: Store
    ) -> None:
        old = [work(f"b{at}", key_id=b"z") for at in range(4)]
        new = [work(f"c{at}", key_id=b"k") for at in range(4)]
        epoch = await written(store, work("a"), *old, *new, work("d", key_id=b"z", contract=b"\x02" * 20))
        async with store.begin(0, epoch) as tx:
            some = await tx.ready("tfhe", NOW, 2, (), {b"", b"k", b"z"})
            every = await tx.ready("tfhe", NOW, 2)
        assert [item.id for item in some.items if item.id != "d"] == ["a", "b0", "b1", "c0", "c1"]
        assert every == some

    async def test_contracts_of_tenants_are_told_apart_whatever_their_bytes(self, store: Store) -> None:
        flows = [("1.a", b""), ("1.a", b"\0"), ("1.a", b"\xff"), ("1.a\u00ff", b""), ("1.b", b"\xff\0")]
        items = [work("w" + c.hex(), tenant=t, contract=c, priority=p) for p, (t, c) in enumerate(flows)]
        epoch = await written(store, *items)
        async with store.begin(0, epoch) as tx:
            ready = await tx.ready("tfhe", NOW, 1)
        assert sorted((item.tenant, item.contract) for item in ready.items) == sorted(flows)

    async def test_outstanding_counts_what_is_in_flight_per_worker_in_all_shards(self, store: Store) -> None:
        await written(store, work("a", state=WorkState.CLAIMED, worker="w1"), work("b"))
        claimed = (work("c", state=WorkState.DISPATCHED, worker="w1"), work("d", work_class="sns"))
        await written(store, *claimed, shard=1)
        assert await store.outstanding() == {"tfhe": {"w1": 200}}

    async def test_a_new_owner_takes_over_what_was_claimed(self, store: Store) -> None:
        await written(store, work("a", state=WorkState.CLAIMED, epoch=1), work("b"))
        claim = await store.claim(0, "you", TOPICS)
        async with store.begin(0, claim.epoch) as tx:
            assert await tx.reclaim() == [work("a", state=WorkState.CLAIMED, epoch=2)]
            assert await tx.reclaim() == []

    async def test_dispatched_moves_only_the_attempt_that_was_sent(self, store: Store) -> None:
        sent = work("a", state=WorkState.CLAIMED)
        again = work("b", state=WorkState.CLAIMED, attempt=1)
        published = work("p", state=WorkState.CLAIMED, work_class="publish", kind=kinds.CIPHERTEXT)
        epoch = await written(store, sent, again, published)
        async with store.begin(0, epoch) as tx:
            items = [sent, work("b", state=WorkState.CLAIMED), published]
            await tx.dispatched(items, [NOW] * len(items), NOW)
            reads = [Read(WorkRow, WorkRow.KEY, (T, name)) for name in ("a", "b", "p")]
            found = [row for (row,) in await tx.load(reads)]
        states = [row.state for row in found if isinstance(row, WorkRow)]
        assert states == [WorkState.DISPATCHED, WorkState.CLAIMED, WorkState.DONE]

    async def test_late_are_those_past_their_time_and_the_lost(self, store: Store) -> None:
        out = {"state": WorkState.DISPATCHED, "deadline_ms": NOW + 1}
        epoch = await written(
            store,
            work("late", **{**out, "deadline_ms": NOW - 1}),
            work("lost", **out, worker="dead", partition=3),
            work("fine", **out, worker="live"),
            work("send", **out, work_class="sender", worker="unheard"),
            work("ready"),
            work("claimed", **{**out, "state": WorkState.CLAIMED, "deadline_ms": NOW - 1}),
        )
        async with store.begin(0, epoch) as tx:
            found = await tx.late(NOW, {"live"})
        assert sorted(row.id for row in found) == ["late", "lost"]
        assert work("lost", **out, worker="dead", partition=3) in found

    async def test_demand_tells_each_shard_and_class(self, store: Store) -> None:
        out = {"state": WorkState.DISPATCHED, "deadline_ms": NOW + 1}
        later = work("e", not_before_ms=NOW + 1)
        await written(store, work("a"), work("b", cost_ms=50), work("c", **out, worker="dead"), later)
        await written(store, work("d", work_class="sns", **out, worker="live"), shard=1)
        found = {(d.shard, d.work_class): d for d in await store.demand(NOW, {"live"})}
        tfhe, sns = found[0, "tfhe"], found[1, "sns"]
        counts = (tfhe.ready, tfhe.delayed, tfhe.in_flight, tfhe.overdue)
        assert (tfhe.ready_cost_ms, counts) == (150, (2, 1, 1, 1))
        counts = (sns.ready, sns.delayed, sns.in_flight, sns.overdue)
        assert (sns.ready_cost_ms, counts) == (0, (0, 0, 1, 0))

    async def test_demand_tells_key_sets_apart(self, store: Store) -> None:
        await written(store, work("a", key_id=b"k"), work("b", key_id=b"k"), work("c"))
        found = {d.key_id: d.ready_cost_ms for d in await store.demand(NOW, ())}
        assert found == {b"": 100, b"k": 200}

    async def test_demand_of_paused_tenants_is_apart(self, store: Store) -> None:
        out = work("c", state=WorkState.DISPATCHED, deadline_ms=NOW - 1)
        later = work("e", not_before_ms=NOW + 1)
        await written(store, work("a"), later, out, work("b", tenant="2.bb", cost_ms=7))
        (found,) = await store.demand(NOW, set(), {T})
        assert (found.ready_cost_ms, found.ready, found.delayed, found.paused) == (7, 1, 0, 2)
        assert (found.in_flight, found.overdue) == (1, 1)

    async def test_unsent_are_digests_of_goals_without_their_commit(self, store: Store) -> None:
        rows = (
            digests(A),
            handle(A, 1),
            digests(B, txn_is_sent=True),
            handle(B, 1),
            digests(C),
            handle(C, 0),
        )
        await written(store, *rows)
        assert await store.unsent() == Unsent(digests=1)

    async def test_unsent_are_open_answers_and_rights_of_all_shards(self, store: Store) -> None:
        def call(name: str, kind: str, state: WorkState) -> WorkRow:
            return work(name, work_class="sender", kind=kind, state=state)

        answers = [
            call(f"a{at}", kinds.PROOF_RESPONSE, state)
            for at, state in enumerate((WorkState.READY, WorkState.CLAIMED, WorkState.DISPATCHED))
        ]
        over = [
            call(f"o{at}", kinds.PROOF_RESPONSE, state)
            for at, state in enumerate((WorkState.BLOCKED, WorkState.DONE, WorkState.CANCELLED))
        ]
        await written(store, *answers, *over, call("commit", kinds.ADD_MATERIAL, WorkState.READY))
        await written(store, call("right", kinds.ALLOW, WorkState.READY), shard=1)
        assert await store.unsent() == Unsent(answers=3, rights=1)

    async def test_compute_message_has_the_steps_and_the_inputs_from_outside(self, store: Store) -> None:
        item = work("i", key_id=b"\x04" * 32)
        scalar = msgspec.structs.replace(member("i", B, 0, (A, b"\x05")), is_scalar=True)
        rows = (member("i", C, 1, (B, A)), scalar, ciphertext(A), ciphertext(B))
        epoch = await written(store, item, *rows)
        (message,) = await store.messages(0, epoch, [item])
        assert isinstance(message, ComputeWork)
        assert [step.result for step in message.steps] == [B, C]
        assert [step.operands for step in message.steps] == [(A, b"\x05"), (B, A)]
        assert [given.handle for given in message.inputs] == [A]
        assert (message.outputs, message.timeout_s, message.key_id) == ((C,), 60.0, b"\x04" * 32)

    async def test_a_right_is_told_by_its_item_alone(self, store: Store) -> None:
        account = work("a", work_class="sender", kind=kinds.ALLOW, subject=A + b"\x0b" * 20)
        public = work("p", work_class="sender", kind=kinds.ALLOW, subject=A)
        epoch = await written(store, account, public)
        messages = await store.messages(0, epoch, [account, public])
        assert [message.call for message in messages if isinstance(message, SendWork)] == [
            AllowAccount(handle=A, account=b"\x0b" * 20),
            AllowPublicDecrypt(handle=A),
        ]

    async def test_every_attempt_of_a_call_says_when_it_was_first_asked_for(self, store: Store) -> None:
        answer = request(7, True, (A,))
        asked = [
            work("m", work_class="sender", kind=kinds.ADD_MATERIAL),
            work("r", work_class="sender", kind=kinds.ALLOW),
            work("a", work_class="sender", kind=kinds.PROOF_RESPONSE, subject=subject_of(answer)),
        ]
        epoch = await written(store, *asked, digests(A), handle(A, 1), answer)
        first = await store.messages(0, epoch, asked)
        again = [msgspec.structs.replace(item, attempt=1) for item in asked]
        epoch = await written(store, *again)
        second = await store.messages(0, epoch, again)
        told = [message.seen_ms for message in first if isinstance(message, SendWork)]
        assert len(told) == 3
        assert min(told) >= NOW
        assert [message.seen_ms for message in second if isinstance(message, SendWork)] == told

    async def test_messages_of_every_kind_come_in_the_order_asked(self, store: Store) -> None:
        computed = ComputationRow(
            tenant=T,
            output_handle=A,
            transaction_id=b"\x0f" * 32,
            block_hash=B,
            log_index=0,
            fhe_operation=0,
            dependencies=(),
            is_scalar=False,
            fhe_type=5,
            caller=b"",
        )
        digests = DigestRow(
            tenant=T,
            handle=A,
            key_id=b"\x04" * 32,
            ciphertext=B,
            ciphertext128=C,
            ciphertext128_format=11,
            signer=b"",
            attestation=b"",
        )
        true, false = request(7, True, (A,)), request(8, False)
        again = msgspec.structs.replace(request(9, False), accepted=True, agreed=(A, B), answer_end=7)
        asked = [
            work("p", kind=kinds.PROOF, subject=subject_of(true)),
            work("s", kind=kinds.SQUASH),
            work("none", kind=kinds.SQUASH, subject=B),
            work("m", kind=kinds.ADD_MATERIAL),
            work("yes", kind=kinds.PROOF_RESPONSE, subject=subject_of(true)),
            work("no", kind=kinds.PROOF_RESPONSE, subject=subject_of(false)),
            work("taken", kind=kinds.PROOF, subject=(7).to_bytes(32, "big") + B),
            work("over", kind=kinds.PROOF_RESPONSE, subject=(8).to_bytes(32, "big") + B),
            work(replay_item(again), kind=kinds.PROOF_REPLAY, subject=subject_of(again)),
            work("withdrawn", kind=kinds.PROOF_REPLAY, subject=subject_of(false)),
            work("c", kind=kinds.CIPHERTEXT, work_class="publish"),
            work("d", kind=kinds.DEAD_LETTER, work_class="publish", subject=b"bad"),
        ]
        epoch = await written(
            store, *asked, computed, digests, ciphertext(A), true, false, again,
            HandleRow(tenant=T, handle=A, fhe_type=5),
            work("bad", state=WorkState.FAILED, cause="OperationError: no such code"),
        )  # fmt: skip
        messages = await store.messages(0, epoch, asked)
        proof, squash, none, material, yes, no, *others, published, letter = messages
        assert isinstance(proof, ProofWork)
        assert (proof.crs_id, proof.acl_address, proof.zk_proof_id) == (b"\x06" * 32, b"\x0a" * 20, 7)
        assert isinstance(squash, SquashWork)
        assert (squash.ciphertext.ct64, squash.transaction_hash) == (b"ct", b"\x0f" * 32)
        assert none is None
        assert isinstance(material, SendWork)
        assert material.call == AddMaterial(handle=A, key_id=b"\x04" * 32, ct64_digest=B, ct128_digest=C)
        assert isinstance(yes, SendWork)
        assert isinstance(yes.call, VerifyResponse)
        assert yes.call.handles == (A,)
        assert isinstance(no, SendWork)
        assert no.call == RejectResponse(zk_proof_id=8, extra_data=b"\0")
        taken, over, replay, withdrawn = others
        assert (taken, over) == (None, None)  # their request has lost its number
        assert isinstance(replay, ProofWork)
        assert (replay.agreed, replay.zk_proof_id, proof.agreed) == ((A, B), 9, None)
        assert withdrawn is None
        assert isinstance(published, CiphertextAnnouncement)
        assert (published.format, published.fhe_type, published.ct64_digest) == (11, 5, B)
        assert isinstance(letter, DeadLetter)
        assert (letter.error_class, letter.error) == ("OperationError", "no such code")

    async def test_parked_bytes_become_their_letter(self, store: Store) -> None:
        letter = DeadLetter(
            id=A, tenant=T, record=record(4, b"\xff"), error_class="Undecodable", error="not a fact"
        )
        item = work("l", kind=kinds.DEAD_LETTER, work_class="publish", subject=A)
        epoch = (await store.claim(0, "me", TOPICS)).epoch
        async with store.begin(0, epoch) as tx:
            await tx.park(letter)
            await tx.park(letter)
        assert await store.messages(0, epoch, [item]) == [letter]

    async def test_letters_of_two_logs_stay_both(self, store: Store) -> None:
        letters = [
            DeadLetter(id=parked.identity, tenant=T, record=parked, error_class="Undecodable", error="no")
            for parked in (record(4, b"\xff"), record(4, b"\xfe"))
        ]
        items = [
            work(str(n), kind=kinds.DEAD_LETTER, work_class="publish", subject=letter.id)
            for n, letter in enumerate(letters)
        ]
        epoch = (await store.claim(0, "me", TOPICS)).epoch
        async with store.begin(0, epoch) as tx:
            for letter in letters:
                await tx.park(letter)
        assert await store.messages(0, epoch, items) == letters

    async def test_an_owner_of_before_gets_no_message(self, store: Store) -> None:
        compute, right = work("i"), work("a", work_class="sender", kind=kinds.ALLOW)
        epoch = await written(store, compute, member("i", C, 0, (A,)), ciphertext(A), right)
        assert None not in await store.messages(0, epoch, [compute, right])
        await store.claim(0, "you", TOPICS)
        with pytest.raises(Fenced):
            await store.messages(0, epoch, [compute, right])

    async def test_a_message_of_nothing_that_is_stored_does_not_keep_the_others(self, store: Store) -> None:
        asked = [work(name) for name in ("none", "without", "all")]
        rows = [member(item.id, C, 0, (handle,)) for item, handle in zip(asked[1:], (B, A), strict=True)]
        epoch = await written(store, *asked, *rows, ciphertext(A))
        none, without, message = await store.messages(0, epoch, asked)
        assert (none, without) == (None, None)
        assert isinstance(message, ComputeWork)
        assert message.item == "all"

    async def test_kept_records_come_back_in_order_and_go(self, store: Store) -> None:
        first, second = record(9), record(2, topic="results.v1")
        epoch = (await store.claim(0, "me", TOPICS)).epoch
        async with store.begin(0, epoch) as tx:
            await tx.halt(T, first, "defect")
            for kept in (first, second, record(10)):
                await tx.hold(T, kept)
        claim = await store.claim(0, "me", TOPICS)
        assert claim.halted == {T}
        async with store.begin(0, claim.epoch) as tx:
            assert await tx.held(T, 2) == [first, second]
            await tx.drop_held([first, second])
            assert await tx.held(T, 2) == [record(10)]
            await tx.resume(T)
        assert (await store.claim(0, "me", TOPICS)).halted == frozenset()

    async def test_records_of_two_logs_are_kept_side_by_side_and_the_same_once(self, store: Store) -> None:
        old, new = record(9), record(9, value=b"of the new log")
        again = msgspec.structs.replace(old, headers=(("h", b"2"),), timestamp_ms=5)
        epoch = (await store.claim(0, "me", TOPICS)).epoch
        async with store.begin(0, epoch) as tx:
            for kept in (old, record(10), new, again, new):
                await tx.hold(T, kept)
        async with store.begin(0, epoch) as tx:
            assert await tx.held(T, 4) == [old, record(10), new]
            await tx.drop_held([again])
            assert await tx.held(T, 4) == [record(10), new]
            await tx.drop_held([new, record(10)])
            assert await tx.held(T, 4) == []

    async def test_with_the_halt_ends_its_alarm_and_no_other(self, store: Store) -> None:
        told = [
            AlarmRow(tenant=tenant, kind=kind, subject=A, detail="why")
            for tenant, kind in ((T, HALTED), (T, "undecodable"), ("other", HALTED))
        ]
        reads = [Read(AlarmRow, AlarmRow.KEY, key_of(alarm)) for alarm in told]
        epoch = await written(store, *told)
        async with store.begin(0, epoch) as tx:
            await tx.halt(T, record(9), "defect")
            await tx.resume(T)
        async with store.begin(0, epoch) as tx:
            assert await tx.load(reads) == [[], [told[1]], [told[2]]]

    async def test_a_command_is_remembered(self, store: Store) -> None:
        epoch = (await store.claim(0, "me", TOPICS)).epoch
        async with store.begin(0, epoch) as tx:
            assert not await tx.knows_request("r1")
            await tx.take_request("r1", T)
            await tx.take_request("r1", T)
            assert await tx.knows_request("r1")

    async def test_an_alarm_that_is_acknowledged_as_it_is_stands_no_more(self, store: Store) -> None:
        told = [
            alarm(A, "one"),
            alarm(B, "two"),
            alarm(A, "other", kind="drift"),
            alarm(A, "one", tenant="x"),
        ]
        await written(store, *told)
        assert await store.alarms(T, "undecodable") == [RaisedAlarm(A, "one"), RaisedAlarm(B, "two")]
        await self._acknowledge(store, acknowledgement((A, "one"), (C, "of nothing")))
        assert await store.alarms(T, "undecodable") == [RaisedAlarm(B, "two")]
        assert await store.alarms(T, "drift") == [RaisedAlarm(A, "other")]
        assert await store.alarms("x", "undecodable") == [RaisedAlarm(A, "one")]
        reads = [Read(AlarmRow, AlarmRow.KEY, key_of(each)) for each in told]
        epoch = (await store.claim(0, "me", TOPICS)).epoch
        async with store.begin(0, epoch) as tx:
            assert await tx.load(reads) == [[each] for each in told]  # what decisions see is as it was

    async def test_an_alarm_that_says_something_else_stands_again(self, store: Store) -> None:
        await self._acknowledge(store, acknowledgement((A, "öne")))  # before it is raised, as in a replay
        await written(store, alarm(A, "öne"))
        assert await store.alarms(T, "undecodable") == []
        await written(store, alarm(A, "two"))
        assert await store.alarms(T, "undecodable") == [RaisedAlarm(A, "two")]
        await self._acknowledge(store, acknowledgement((A, "two"), (A, "öne")))
        assert await store.alarms(T, "undecodable") == []

    async def test_a_divergence_is_acknowledged_with_what_differs(self, store: Store) -> None:
        rows = [DivergenceRow(tenant=T, kind="ct64", subject=A, other=other) for other in (B, C)]
        await written(store, *rows)
        assert await store.alarms(T, "divergence_ct64") == [RaisedAlarm(A, x.hex()) for x in (B, C)]
        await self._acknowledge(store, acknowledgement((A, B.hex()), kind="divergence_ct64"))
        assert await store.alarms(T, "divergence_ct64") == [RaisedAlarm(A, C.hex())]

    async def test_an_acknowledgement_that_is_rolled_back_is_none(self, store: Store) -> None:
        epoch = await written(store, alarm(A, "one"))
        with contextlib.suppress(ZeroDivisionError):
            async with store.begin(0, epoch) as tx:
                await tx.acknowledge(acknowledgement((A, "one")))
                raise ZeroDivisionError
        assert await store.alarms(T, "undecodable") == [RaisedAlarm(A, "one")]

    async def _acknowledge(self, store: Store, word: Acknowledgement) -> None:
        epoch = (await store.claim(0, "me", TOPICS)).epoch
        async with store.begin(0, epoch) as tx:
            await tx.acknowledge(word)
