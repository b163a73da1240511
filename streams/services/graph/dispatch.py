"""The dispatcher of a shard: publishes what is claimed, and says so when the broker has it.

An item is claimed before it is published and dispatched after the delivery report, so a crash at any
point leaves it claimed, and the next owner publishes it again.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

import structlog

from streams.domain.errors import BlobError, BrokerError, Irrecoverable
from streams.domain.rows import WorkRow
from streams.domain.schedule import PIPE_WAIT_MS_MIN
from streams.services.crashpoints import crashpoint
from streams.services.graph.batch import PASSED_ON
from streams.services.graph.claims import Claims
from streams.services.graph.express import Express, Report, append
from streams.services.graph.outgoing import Publication, first_batch, is_large, publication
from streams.services.graph.spans import ItemSpans
from streams.services.graph.surroundings import Surroundings
from streams.services.graph.sweep import give_up, put_off, refuse

_log = structlog.get_logger(__name__)


class Dispatcher:
    """Claimed items of one shard, on their way out."""

    def __init__(self, shard: int, around: Surroundings, claims: Claims, express: Express) -> None:
        self._shard = shard
        self._store = around.store
        self._to = around.log
        self._clock = around.clock
        self._claims = claims
        self._express = express
        self._seal = around.seal
        self._health = around.health
        self._graph = around.graph
        self._signer = around.market.signer
        self._spans = ItemSpans(around.tracing)
        self._pending: deque[WorkRow] = deque()

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, items: Sequence[WorkRow]) -> None:
        """Take items that this owner claimed."""
        self._pending.extend(items)

    def reset(self) -> None:
        """Forget everything: a new claim of the shard finds it again."""
        self._pending.clear()
        self._claims.forget()
        self._express.drop()

    async def turn(self, epoch: int) -> None:
        """Publish the oldest claimed items; raises BrokerError when some have to wait."""
        since = self._spans.now()
        items = first_batch(self._pending, self._graph)
        crashpoint("dispatcher.claimed")
        ready = await self._messages(epoch, [item for item in items if not self._express.has(item)])
        # all at once: one round trip to the broker for the whole batch
        appends = [*self._express.take(items), *((item, self._append(record)) for item, record in ready)]
        reports = await asyncio.gather(*(appending for _, appending in appends))
        crashpoint("dispatcher.reported")
        # Everything of this batch goes, also what had no message and was given up; what was not sent comes
        # back below.
        for _ in items:
            self._pending.popleft()
        sent, failure = self._sort([item for item, _ in appends], reports)
        self._spans.dispatched([item for item, _ in sent], since)
        if sent:
            await self._settle(epoch, sent)
        if failure is not None:
            raise failure

    def _sort(
        self, items: Sequence[WorkRow], reports: Sequence[Report]
    ) -> tuple[list[tuple[WorkRow, int]], BrokerError | None]:
        """What was sent, and when the broker had it; what was not stays first in line."""
        sent: list[tuple[WorkRow, int]] = []
        unsent: list[WorkRow] = []
        failure: BrokerError | None = None
        for item, report in zip(items, reports, strict=True):
            if isinstance(report.outcome, BrokerError):
                failure = report.outcome
                unsent.append(item)
            else:
                sent.append((item, report.at_us))
        # in front and in their order: work.sender depends on it
        self._pending.extendleft(reversed(unsent))
        return sent, failure

    async def _messages(self, epoch: int, items: list[WorkRow]) -> list[tuple[WorkRow, Publication]]:
        ready: list[tuple[WorkRow, Publication]] = []
        kept: list[WorkRow] = []
        for item, made in zip(items, await self._made(epoch, items), strict=True):
            if made is None:
                await self._give_up(epoch, item)
                continue
            try:
                sealed = await self._sealed(made, is_away=bool(kept))
                ready.append((item, sealed))
            except BlobError:
                kept.append(item)
            except Irrecoverable as error:
                await self._refuse(epoch, item, error)
        if kept:
            await self._put_off(epoch, kept)
        return ready

    async def _made(self, epoch: int, items: list[WorkRow]) -> list[Publication | None]:
        """Their records; one that cannot be made must not keep the others, and the shard, from going on."""
        try:
            return await self._assembled(epoch, items)
        except PASSED_ON:
            raise
        except Exception:
            _log.exception("a message cannot be made", action="message_defect", items=len(items))
        if len(items) == 1:
            return [None]
        return [made for item in items for made in await self._made(epoch, [item])]

    async def _assembled(self, epoch: int, items: list[WorkRow]) -> list[Publication | None]:
        messages = await self._store.messages(self._shard, epoch, items)
        pairs = zip(items, messages, strict=True)
        return [None if told is None else publication(item, told, self._signer) for item, told in pairs]

    async def _sealed(self, open_: Publication, *, is_away: bool) -> Publication:
        """What may be published; an object store that is known to be away is not asked once more."""
        if not is_large(open_):
            return await self._seal(open_)
        if is_away:
            raise BlobError
        try:
            sealed = await self._seal(open_)
        except BlobError as error:
            self._health("object_store", False, str(error))
            raise
        crashpoint("dispatcher.sealed")
        self._health("object_store", True, "")
        return sealed

    async def _put_off(self, epoch: int, items: list[WorkRow]) -> None:
        """Their bodies have no place now: they give their credit to what needs none."""
        _log.warning("object store is away", action="sealing_put_off", items=len(items))
        self._claims.forget()
        async with self._store.begin(self._shard, epoch) as tx:
            await put_off(tx, items, self._clock.now_ms())

    async def _give_up(self, epoch: int, item: WorkRow) -> None:
        """There is no message, because something is not stored: try again later, unless nothing wants it."""
        _log.error("nothing to send", action="message_missing", tenant=item.tenant, item=item.id)
        self._claims.forget()
        async with self._store.begin(self._shard, epoch) as tx:
            await give_up(tx, [item], "MessageMissing", self._clock.now_ms())

    async def _refuse(self, epoch: int, item: WorkRow, error: Irrecoverable) -> None:
        _log.error("message refused", action="message_refused", item=item.id, error=str(error))
        self._claims.forget()
        async with self._store.begin(self._shard, epoch) as tx:
            await refuse(tx, item, error)

    def _append(self, record: Publication) -> asyncio.Task[Report]:
        return asyncio.create_task(append(self._to, self._clock, record, "dispatcher.produced"))

    async def _settle(self, epoch: int, sent: list[tuple[WorkRow, int]]) -> None:
        items, reported_us = [item for item, _ in sent], [at_us for _, at_us in sent]
        async with self._store.begin(self._shard, epoch) as tx:
            # The least deadline counts from here: what waited for the broker did not wait for a worker.
            await tx.dispatched(items, reported_us, self._clock.now_ms() + PIPE_WAIT_MS_MIN)
            claimed = await self._claims.claim(tx, epoch, self._claims.sent(items))
        crashpoint("dispatcher.settled")
        self.add(claimed)
