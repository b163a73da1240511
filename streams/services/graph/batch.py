"""Applies consecutive records: decisions, their rows, the offset and the claims are one transaction.

Bytes that do not decode are parked. What fails for another reason is repeated record by record, and the
record that fails FAILURES_MAX times halts its tenant: from there on the tenant's records are kept in
order, not applied, until an operator says `resume` (or `skip`, of a record that never succeeds). Those whose
transaction takes too long are repeated in smaller ones.
"""

import itertools
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Final

import msgspec
import structlog

from streams.domain.control import SKIP, TenantControl
from streams.domain.errors import (
    BlobError,
    BrokerError,
    Fenced,
    LogTruncated,
    StoreError,
    TransactionTooLong,
    Undecodable,
)
from streams.domain.rows import WorkRow
from streams.messages.topics import EVENTS
from streams.ports import Record, Transaction
from streams.services.crashpoints import crashpoint
from streams.services.graph import parking, skipping
from streams.services.graph.ahead import Ahead, decisions_of, series
from streams.services.graph.claims import Claims
from streams.services.graph.express import Express
from streams.services.graph.findings import Findings, found_in
from streams.services.graph.plans import Finish, Plan, plan_of
from streams.services.graph.room import Room
from streams.services.graph.session import Session
from streams.services.graph.spans import RecordSpans
from streams.services.graph.surroundings import Surroundings

FAILURES_MAX: Final = 5
_FAILURE_PAUSE_S: Final = 0.1
_HELD_BATCH: Final = 32
# Not the record's fault: waited out by the owner, or the end of its work.
PASSED_ON: Final = (StoreError, BrokerError, BlobError, Fenced, LogTruncated)

_log = structlog.get_logger(__name__)


class Progress(msgspec.Struct):
    """How far a batch came."""

    done: int = 0  # records
    claimed: list[WorkRow] = msgspec.field(default_factory=list)
    failure: Exception | None = None  # of the record after those


class Applier:
    """The transactions of one shard that apply records."""

    def __init__(self, shard: int, around: Surroundings, claims: Claims, express: Express) -> None:
        self._spans = RecordSpans(around.tracing)
        self._shard = shard
        self._store = around.store
        self._claims = claims
        self._express = express
        self._remembered = around.remembered
        self._rules = around.rules
        self._clock = around.clock
        self._tell = around.tell
        # results.v1 has as many partitions as events.v1
        self._home_of = partial(around.log.partition_of, EVENTS)
        self._room = Room()

    @property
    def most(self) -> int:
        """Records that one transaction may have for now."""
        return self._room.most

    @property
    def halted(self) -> set[str]:
        """Tenants whose records are kept."""
        return self._claims.halted

    @halted.setter
    def halted(self, tenants: set[str]) -> None:
        self._claims.halted = tenants

    async def apply(
        self, epoch: int, records: Sequence[Record], on_applied: Callable[[int], None]
    ) -> list[WorkRow]:
        """Apply consecutive records of one topic, telling each new offset; gives what was claimed with it.

        Raises: one of PASSED_ON.
        """
        claimed: list[WorkRow] = []
        ahead = Ahead(lambda record: self._planned(record, self.halted), self._remembered)
        batches = list(series(records))
        try:
            for batch, after in itertools.zip_longest(batches, batches[1:], fillvalue=()):
                ahead.expect(after)
                claimed += await self._apply(epoch, batch, ahead, on_applied)
        finally:
            await ahead.drop()
        return claimed

    async def _apply(
        self, epoch: int, records: Sequence[Record], ahead: Ahead, on_applied: Callable[[int], None]
    ) -> list[WorkRow]:
        claimed: list[WorkRow] = []
        rest = records
        # A round ends with the last record or with one that fails for good: its tenant is halted, the rest
        # goes on.
        while rest:
            progress = await self._steps(epoch, rest, self._advance, ahead)
            claimed += progress.claimed
            if progress.failure is not None:
                await self._halt(epoch, rest[progress.done], progress.failure)
                progress.done += 1
            # Only now: the transaction is committed, and the inbox may forget and acknowledge the records.
            on_applied(rest[progress.done - 1].offset + 1)
            rest = rest[progress.done :]
        return claimed

    async def resume(self, epoch: int, command: TenantControl) -> list[WorkRow]:
        """Apply what was kept of a tenant and let it go on, perhaps without the record that is given up.

        A command that was carried out does nothing.
        """
        claimed: list[WorkRow] = []
        async with self._store.begin(self._shard, epoch) as tx:
            is_known = await tx.knows_request(command.request)
        is_skip = command.action == SKIP
        # In small batches, so that a tenant with thousands of kept records does not stop the shard for
        # minutes.
        while not is_known and command.tenant in self.halted:
            step = self._skip(epoch, command) if is_skip else self._resume_some(epoch, command.tenant)
            progress, is_skip = await step, False
            claimed += progress.claimed
            if progress.failure is not None:
                break
        if not is_known:
            # Remembered last: a crash before it carries the command out again, which finds nothing kept and
            # does nothing.
            async with self._store.begin(self._shard, epoch) as tx:
                await tx.take_request(command.request, command.tenant)
        return claimed

    def _planned(self, record: Record, halted: Collection[str]) -> Plan:
        return plan_of(record, self._rules, halted, self._home_of)

    async def _resume_some(self, epoch: int, tenant: str) -> Progress:
        async with self._store.begin(self._shard, epoch) as tx:
            kept = await tx.held(tenant, min(_HELD_BATCH, self.most))
            if not kept:
                await tx.resume(tenant)
        if kept:
            halted = self.halted - {tenant}
            ahead = Ahead(lambda record: self._planned(record, halted), self._remembered)
            progress = await self._steps(epoch, kept, _drop_held, ahead)
            if progress.failure is not None:
                failed = kept[progress.done]
                await self._halt_again(epoch, failed, tenant, parking.error_of(progress.failure))
            return progress
        self.halted.discard(tenant)
        _log.info("tenant goes on", action="tenant_resumed", tenant=tenant)
        return Progress()

    async def _skip(self, epoch: int, command: TenantControl) -> Progress:
        """Leave out the record that a command names, if it is the one that holds its tenant up."""
        tenant = command.tenant
        async with self._store.begin(self._shard, epoch) as tx:
            kept = await tx.held(tenant, 1)
            if not kept or not skipping.is_meant(command, kept[0]):
                _log.warning("another record is the first", action="skip_ignored", tenant=tenant)
                return Progress()
            cause = await skipping.cause_of(tx, tenant, kept[0])
        letter = skipping.letter_of(command, kept[0], cause)
        ahead = Ahead(lambda record: skipping.plan_without(record, letter, self._rules), self._remembered)
        progress = await self._steps(epoch, kept, skipping.parking_it(letter), ahead)
        place = parking.place_of(kept[0])
        if progress.failure is None:
            _log.warning("record skipped", action="record_skipped", why=letter.error, tenant=tenant, **place)
        else:
            error = skipping.refused(cause, parking.error_of(progress.failure))
            await self._halt_again(epoch, kept[0], tenant, error)
        return progress

    async def _halt_again(self, epoch: int, record: Record, tenant: str, error: str) -> None:
        async with self._store.begin(self._shard, epoch) as tx:
            await parking.halt_again(tx, record, tenant, error)
        place = parking.place_of(record)
        _log.error("tenant is still halted", action="tenant_halted", error=error, tenant=tenant, **place)

    async def _steps(self, epoch: int, records: Sequence[Record], finish: Finish, ahead: Ahead) -> Progress:
        """Apply as many records as can be: all at once, or else one after the other."""
        try:
            return Progress(len(records), await self._commit(epoch, records, finish, ahead))
        except PASSED_ON:
            raise
        except Exception:
            place = parking.place_of(records[0])
            _log.warning("batch failed, one by one", action="batch_failed", exc_info=True, **place)
        progress = Progress()
        for record in records:
            progress.failure = await self._alone(epoch, record, finish, ahead, progress)
            if progress.failure is not None:
                break
        return progress

    async def _alone(
        self, epoch: int, record: Record, finish: Finish, ahead: Ahead, progress: Progress
    ) -> Exception | None:
        """Apply one record; gives the error that it failed with to the last."""
        cause: Exception | None = None
        for failures in range(1, FAILURES_MAX + 1):
            try:
                progress.claimed += await self._commit(epoch, [record], finish, ahead)
            except PASSED_ON:
                raise
            except Exception as error:
                cause = error
                place = parking.place_of(record)
                _log.warning("record failed", action="record_failed", failures=failures, **place)
                # Some failures pass by themselves: a tenant is halted only for what stays.
                await self._clock.sleep(_FAILURE_PAUSE_S)
            else:
                progress.done += 1
                return None
        self._room.widen([record])
        return cause

    async def _commit(
        self, epoch: int, records: Sequence[Record], finish: Finish, ahead: Ahead
    ) -> list[WorkRow]:
        since = self._spans.now()
        try:
            await ahead.prepare(records)
            claimed, found = await self._transact(epoch, records, finish, ahead)
        except BaseException as error:
            if isinstance(error, TransactionTooLong):
                self._narrow(records)
            self._claims.forget()
            self._express.drop()
            # Also what was prepared for a transaction that did not begin: the next one is of other records.
            await ahead.drop()
            raise
        self._room.widen(records)
        self._express.committed()
        crashpoint("graph.committed")
        self._tell(found)
        self._spans.applied(records, since)
        return claimed

    def _narrow(self, records: Sequence[Record]) -> None:
        is_heavy, place = self._room.narrow(records), parking.place_of(records[0])
        if is_heavy:
            tenant = parking.tenant_of(records[0])
            _log.error("record too heavy", action="record_heavy", tenant=tenant, **place)
            self._tell(Findings(drifted=(), disputed=(), slowed=(), heavy=(tenant,)))
        else:
            _log.warning("batch too heavy", action="batch_heavy", records=len(records), **place)

    async def _transact(
        self, epoch: int, records: Sequence[Record], finish: Finish, ahead: Ahead
    ) -> tuple[list[WorkRow], Findings]:
        is_patient = self._room.is_patient(records)
        async with self._store.begin(self._shard, epoch, is_patient=is_patient) as tx:
            draft = await ahead.take(tx, with_inputs=self._express.is_open)
            session, decisions = draft.session, decisions_of(draft.plans)
            is_whole = bool(decisions) and await session.decide_all(
                decisions, draft.guess, self._express.reads, puts_off=ahead.is_last
            )
            if not is_whole:
                for plan in draft.plans:
                    await self._carry_out(tx, session, plan)
            crashpoint("graph.decided")
            # In the same transaction: what became ready is on its way without waiting for the next sweep,
            # and credit is counted by the rows that say so.
            claimed = self._claims.at_once(session.state, epoch)
            if is_whole:
                await self._express.send(session.state, claimed, is_last=ahead.is_last)
                mark = session.state.mark()
                await session.decide_rest()
                claimed += self._claims.at_once(session.state, epoch, mark)
            changes = session.state.changes()
            self._remembered.keep(changes)
            found = found_in(session.state, changes)
            if is_whole:
                ahead.start(session)
            await tx.write(changes)
            await finish(tx, records)
            claimed = await self._express.settle(tx, claimed)
            claimed += await self._claims.claim(tx, epoch, self._claims.waiting(changes))
        return claimed, found

    async def _carry_out(self, tx: Transaction, session: Session, plan: Plan) -> None:
        if plan.defect is not None:
            await parking.park(tx, session.state, plan.record, plan.tenant, plan.defect)
        elif plan.decision is None:
            await tx.hold(plan.tenant, plan.record)
        else:
            try:
                await session.decide(plan.decision)
            except Undecodable as error:
                # The decision was rolled back whole by the session; what is parked is the record.
                await parking.park(tx, session.state, plan.record, plan.tenant, error)

    async def _advance(self, tx: Transaction, records: Sequence[Record]) -> None:
        first, last = records[0], records[-1]
        await tx.advance(first.topic, first.partition, first.offset, last.offset + 1)

    async def _halt(self, epoch: int, record: Record, cause: Exception) -> None:
        tenant = parking.tenant_of(record)
        async with self._store.begin(self._shard, epoch) as tx:
            await parking.halt(tx, record, tenant, parking.error_of(cause))
            await self._advance(tx, [record])
        self.halted.add(tenant)
        place = parking.place_of(record)
        _log.error("tenant halted", action="tenant_halted", exc_info=cause, tenant=tenant, **place)


async def _drop_held(tx: Transaction, records: Sequence[Record]) -> None:
    await tx.drop_held(records)
