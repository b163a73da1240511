"""Records are planned while their transaction begins, and decided over while the store is asked.

Those after them are decided over while that transaction is written. There is still one at a time, and each
asks the store for what was guessed before it writes. What is decided ahead rests on the rows that the
transaction before writes; where that fails, it is dropped.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec

from streams.domain.state import Read
from streams.ports import Record, Transaction
from streams.services.graph.plans import Plan
from streams.services.graph.remembered import Remembered
from streams.services.graph.session import Decision, Guess, Session

# Of the records of one transaction: enough that its fixed cost is small, and few enough that what is
# decided ahead of the next one has something to run beside.
SERIES_BYTES: Final = 512 * 1024

Planned = Callable[[Record], Plan]


class Draft(msgspec.Struct, frozen=True):
    """Records as far as they have come; without a guess nothing is decided yet."""

    session: Session
    plans: Sequence[Plan]
    guess: Guess | None = None


class Ahead:
    """What is known of the next records."""

    def __init__(self, planned: Planned, remembered: Remembered | None = None) -> None:
        self._planned = planned
        self._remembered = remembered
        self._next: tuple[Record, ...] = ()
        self._plans: tuple[Plan, ...] = ()
        self._drafting: asyncio.Task[Draft] | None = None

    @property
    def is_last(self) -> bool:
        """Whether nothing comes after the records of this transaction."""
        return not self._next

    def expect(self, records: Sequence[Record]) -> None:
        """These come after those of the next transaction."""
        self._next, self._plans = tuple(records), ()

    async def prepare(self, records: Sequence[Record]) -> None:
        """Wait for what is being decided, so that no transaction stands open meanwhile.

        Where nothing is, these records come next: they are planned while the transaction is being begun.
        """
        if self._drafting is None:
            self._drafting = asyncio.create_task(self._plan(records))
        else:
            await asyncio.wait((self._drafting,))

    async def take(self, tx: Transaction, *, with_inputs: bool) -> Draft:
        """What was prepared, for this transaction, and the rows that the records after it will need.

        Args:
            with_inputs: messages are likely to go out at once, and will need what they bring along.
        """
        draft = await self._drafted()
        session = draft.session
        session.enter(tx)
        self._plans = tuple(map(self._planned, self._next))
        # What the next ones need and what proves the decisions is one question.
        if draft.guess is None:
            draft = await self._decide(draft, _reads(self._plans), with_inputs=with_inputs)
        else:
            await session.hear([*session.unknown(_reads(self._plans)), *session.doubts(draft.guess)])
        await session.foresee([*_reads(draft.plans), *_reads(self._plans)])
        return draft

    async def _plan(self, records: Sequence[Record]) -> Draft:
        session, plans = Session(remembered=self._remembered), tuple(map(self._planned, records))
        session.expect(_tenants(plans))
        return Draft(session, plans)

    async def _decide(self, draft: Draft, besides: Iterable[Read], *, with_inputs: bool) -> Draft:
        """Ask for all that the plans foresee, and decide meanwhile if what that rests on is remembered."""
        session, plans = draft.session, draft.plans
        is_known = session.recall(_reads(plans))
        inputs = (read for plan in plans for read in plan.foresight.inputs) if with_inputs else ()
        questions = [
            *session.unknown([*_reads(plans), *besides]),
            *session.doubts(),
            *(read for plan in plans for read in plan.foresight.guesses),
            *session.stored(inputs),
        ]
        self._drafting = asyncio.create_task(
            _draft(session, plans, decisions_of(plans) if is_known else (), puts_off=self.is_last)
        )
        await session.hear(questions)
        return await self._drafted()

    async def _drafted(self) -> Draft:
        # It stays to be dropped while it is waited for.
        assert self._drafting is not None, "nothing was prepared"
        draft = await self._drafting
        self._drafting = None
        return draft

    def start(self, session: Session) -> None:
        """Decide over what comes next, beside the transaction that writes what was decided before."""
        decisions = decisions_of(self._plans)
        if decisions:
            session.state.settle()
            session.expect(_tenants(self._plans))
            self._drafting = asyncio.create_task(_draft(session, self._plans, decisions))

    async def drop(self) -> None:
        """Forget it: the transaction before was not committed, or is not followed by another."""
        drafting, self._drafting = self._drafting, None
        self._next = self._plans = ()
        if drafting is not None:
            drafting.cancel()
            await asyncio.gather(drafting, return_exceptions=True)


def decisions_of(plans: Sequence[Plan]) -> list[Decision]:
    """What the plans decide; nothing where one of them is no decision."""
    decisions = [plan.decision for plan in plans if plan.decision is not None]
    return decisions if len(decisions) == len(plans) else []


def series(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """Records cut to what one transaction takes."""
    first, size = 0, 0
    for at, record in enumerate(records):
        size += len(record.value or b"")
        if size >= SERIES_BYTES:
            yield records[first : at + 1]
            first, size = at + 1, 0
    if first < len(records):
        yield records[first:]


def _tenants(plans: Sequence[Plan]) -> Iterator[str]:
    # Nothing is decided over what is kept or parked.
    return (plan.tenant for plan in plans if plan.decision is not None)


def _reads(plans: Sequence[Plan]) -> Iterator[Read]:
    return (read for plan in plans for read in plan.foresight.reads)


async def _draft(
    session: Session, plans: Sequence[Plan], decisions: Sequence[Decision], *, puts_off: bool = False
) -> Draft:
    guess = await session.decide_ahead(decisions, puts_off=puts_off) if decisions else None
    return Draft(session, plans, guess)
