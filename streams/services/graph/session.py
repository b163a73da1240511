"""Decisions of one transaction: rows are loaded when a decision asks for them.

A decision runs against a state that takes a row it does not hold for absent and writes down the question.
Most facts are about what nobody has seen yet: then the answers are that there is nothing, the guess was
right, and what was decided stands. Otherwise it is rolled back and decided again over what was found. So a
few rounds of queries serve a whole batch.

Rows that are remembered are guesses too: the decision takes them as they were, and the store is asked whether
they still are.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import Final

import msgspec

from streams.domain.chain import ADOPTED_MAX
from streams.domain.items import inputs, products
from streams.domain.lifecycle import TERMINAL
from streams.domain.rows import (
    BlockRow,
    DigestRow,
    EarlyRow,
    FailureRow,
    GatewayBlockRow,
    HandleRow,
    MemberRow,
    Row,
    WaitRow,
    WorkRow,
)
from streams.domain.state import Guesses, Read, State, Step
from streams.ports import Transaction
from streams.services.graph.remembered import Remembered

# Rows lead to rows: a block to its tip, the tip to handles, handles to items, items to what waits for them.
_ROUNDS: Final = 6
# Decisions that still miss rows after so many rounds follow a chain of items, blocks or ranges, which is
# asked for whole.
_DEEP: Final = 3
# Blocks of a branch (ranges of the gateway) that are asked for at first, and how many times as many where
# those were too few: nobody knows where it ends.
_BRANCH: Final = 256
_GROWTH: Final = 4
_BRANCH_MAX: Final = 1 << 20  # blocks
_ORPHANS_MAX: Final = 2 * ADOPTED_MAX  # of those that wait, which may be a month's, no more are connected
_BY_TOKEN: Final = ("tenant", "token")
_BY_ITEM: Final = ("tenant", "item")
_BY_PARENT: Final = ("tenant", "parent_hash")
_OF_TENANT: Final = ("tenant",)

Decision = Step


def _attempt(decision: Decision, state: State, failures: list[Exception]) -> None:
    try:
        decision(state)
    except Exception as failure:
        failures.append(failure)


def nothing(state: State) -> Sequence[Read]:
    """No rows beside those that decisions ask for."""
    del state
    return ()


def _about(place: tuple[str, str]) -> list[Read]:
    return [
        Read(WorkRow, WorkRow.KEY, place),
        Read(MemberRow, _BY_ITEM, place),
        Read(WaitRow, _BY_ITEM, place),
    ]


class Guess(msgspec.Struct, frozen=True):
    """Decisions over rows that were taken for absent: where they began, what they raised, those rows."""

    mark: int
    failures: list[Exception] = msgspec.field(default_factory=list)
    reads: Guesses = msgspec.field(default_factory=dict)
    rest: list[Step] = msgspec.field(default_factory=list)  # what the last of them put off
    watched: list[Read] = msgspec.field(default_factory=list)  # nothing rests on the answer


class Session:
    """The working set of a transaction, and of those that follow it at once."""

    def __init__(self, tx: Transaction | None = None, remembered: Remembered | None = None) -> None:
        self._tx = tx
        self._remembered = Remembered(0) if remembered is None else remembered
        self._recalled: dict[Read, Row] = {}  # what the store has not been asked for yet
        self._heard: dict[Read, list[Row]] = {}  # what it said in this transaction
        self._rest: list[Step] = []
        self._expected: set[str] = set()
        self._branch = _BRANCH
        self.state = State()

    def enter(self, tx: Transaction) -> None:
        """Ask this transaction from here on: the one before is committed, and nobody else wrote since."""
        self._tx = tx
        self._heard = {}

    def recall(self, reads: Iterable[Read]) -> bool:
        """Take what is remembered for the answer of look-ups; whether that answers all of them."""
        is_whole = True
        for read in reads:
            if self.state.is_loaded(read):
                continue
            row = self._remembered.get(read)
            if row is None:
                is_whole = False
            else:
                self.state.load(read, [row])
                self._recalled[read] = row
        return is_whole

    def expect(self, tenants: Iterable[str]) -> None:
        """Decisions of these tenants come: that no result of theirs is early is one guess for all items."""
        self._expected.update(tenants)

    async def decide_ahead(self, decisions: Iterable[Decision], *, puts_off: bool = False) -> Guess:
        """Decide before there is a transaction to hold the guesses against; others run in between.

        Args:
            puts_off: what the last decision leaves for later is left to `decide_rest`.
        """
        guess = self._begin()
        for decision in decisions:
            self._go_on(guess, decision, puts_off=puts_off)
            await asyncio.sleep(0)
        return guess

    def doubts(self, guess: Guess | None = None) -> list[Read]:
        """What the store has to confirm: of a guess, or of any that will be made over what is known now."""
        return [*self._recalled, *(self._early() if guess is None else (*guess.reads, *guess.watched))]

    def unknown(self, reads: Iterable[Read]) -> list[Read]:
        """Those of the look-ups whose answers are neither known nor guessed."""
        return [read for read in dict.fromkeys(reads) if not self.state.is_loaded(read)]

    def stored(self, inputs: Iterable[Read]) -> list[Read]:
        """Those of the ciphertexts that are stored as far as is remembered."""
        rows = ((read, self._recalled.get(Read(HandleRow, HandleRow.KEY, read.values))) for read in inputs)
        return [read for read, row in rows if isinstance(row, HandleRow) and row.ct64_digest]

    async def hear(self, reads: Iterable[Read]) -> None:
        """Ask the store for look-ups that it has not answered in this transaction; the state stays as it is.

        It may run beside `decide_ahead`.
        """
        wanted = [read for read in dict.fromkeys(reads) if read not in self._heard]
        self._heard.update(zip(wanted, await self._asked.load(wanted), strict=True))

    async def foresee(self, reads: Iterable[Read]) -> None:
        """Load what decisions will surely ask for, where nothing is known of it yet."""
        wanted = self.unknown(reads)
        await self.hear(wanted)
        for read in wanted:
            self._take(read, self._heard[read])

    async def decide_all(
        self,
        decisions: Sequence[Decision],
        ahead: Guess | None = None,
        besides: Callable[[State], Sequence[Read]] = nothing,
        *,
        puts_off: bool = False,
    ) -> bool:
        """Apply decisions one after the other, or none of them; whether they were applied.

        They are not where one of them raises, or where guesses are still wrong after some rounds.

        Args:
            ahead: what `decide_ahead` made of them, and nothing was decided since.
            besides: what is needed of the store once they are made; it is loaded with what proves them.
            puts_off: what the last decision leaves for later is left to `decide_rest`.
        """
        for rounds in range(_ROUNDS):
            guess, ahead = ahead or self._guess(decisions, puts_off=puts_off), None
            if await self._is_right(guess, () if guess.failures else besides(self.state)):
                if guess.failures:
                    self.state.rollback(guess.mark)
                self._rest = [] if guess.failures else guess.rest
                return not guess.failures
            if rounds >= _DEEP:
                await self._follow(guess.reads)
        return False

    async def decide_rest(self) -> None:
        """Decide what was put off; raises what that raises."""
        rest, self._rest = self._rest, []
        if rest:
            await self.decide_each(rest)

    async def decide_each(self, decisions: Sequence[Decision]) -> None:
        """Apply decisions one after the other, up to the first that raises; raises what it raises."""
        # one by one, so that the decision that raises is known and the others before it stand
        if not await self.decide_all(decisions):
            for decision in decisions:
                await self.decide(decision)

    async def decide(self, decision: Decision) -> None:
        """Apply a decision whole or not at all; raises what it raises."""
        for rounds in itertools.count():
            guess = self._guess([decision])
            if not await self._is_right(guess):
                if rounds >= _DEEP:
                    await self._follow(guess.reads)
                continue
            for failure in guess.failures:
                self.state.rollback(guess.mark)
                raise failure
            return

    def _guess(self, decisions: Sequence[Decision], *, puts_off: bool = False) -> Guess:
        """Decide; what is raised proves nothing if a guess is wrong."""
        guess = self._begin()
        for decision in decisions:
            self._go_on(guess, decision, puts_off=puts_off)
        return guess

    def _begin(self) -> Guess:
        guess = Guess(self.state.mark())
        for read in self._early():
            if self._remembered.is_populated(read):
                guess.watched.append(read)
            elif not self.state.is_loaded(read):
                self.state.presume(read.table, read.columns, *read.values)
                guess.reads[read] = False
        return guess

    def _early(self) -> list[Read]:
        """Whether the tenants of the decisions have early results."""
        return [Read(EarlyRow, _OF_TENANT, (tenant,)) for tenant in sorted(self._expected)]

    def _go_on(self, guess: Guess, decision: Decision, *, puts_off: bool) -> None:
        """Take one more decision, after what the one before put off."""
        state, before = self.state, list(guess.rest)
        with state.guessing(guess.reads), state.putting_off() if puts_off else nullcontext([]) as rest:
            for step in (*before, decision):
                _attempt(step, state, guess.failures)
        guess.rest[:] = rest

    async def _is_right(self, guess: Guess, besides: Sequence[Read] = ()) -> bool:
        """Ask the store for what was guessed; rolls back to the mark where it says something else."""
        recalled, self._recalled = self._recalled, {}
        reads = [*guess.reads, *guess.watched, *recalled, *besides]
        await self.hear(reads)
        answers = self._heard
        for read in guess.watched:
            self._remembered.learn(read, answers[read])
        for read in besides:
            self.state.load(read, answers[read])
        wrong = [read for read, is_wrong in guess.reads.items() if is_wrong or answers[read]]
        stale = [read for read, row in recalled.items() if answers[read] != [row]]
        if not wrong and not stale:
            return True
        self.state.rollback(guess.mark)
        self.state.forget(guess.reads)
        self.state.forget(stale)
        for read in (*guess.reads, *stale):
            self._take(read, answers[read])
        return False

    def _take(self, read: Read, rows: Sequence[Row]) -> None:
        self._remembered.learn(read, rows)
        # One of several rows is no answer: they are asked for by their keys.
        if not rows or read.columns not in read.table.SAMPLED:
            self.state.load(read, rows)

    @property
    def _asked(self) -> Transaction:
        assert self._tx is not None, "decided ahead, and entered into no transaction"
        return self._tx

    async def _follow(self, reads: Iterable[Read]) -> None:
        """Load what is at the end of the ways that decisions go from row to row, however long they are."""
        ways = (
            (WaitRow, _BY_TOKEN, self._load_downstream),
            (MemberRow, _BY_ITEM, self._load_upstream),
            (BlockRow, BlockRow.KEY, self._load_branch),
            (BlockRow, _BY_PARENT, self._load_orphans),
            (GatewayBlockRow, GatewayBlockRow.KEY, self._load_ends),
        )
        for table, columns, load in ways:
            begun = [read.values for read in reads if read.table is table and read.columns == columns]
            for tenant in sorted({tenant for tenant, _ in begun}):
                await load(tenant, [value for of, value in begun if of == tenant])

    async def _load_branch(self, tenant: str, hashes: Sequence[bytes]) -> None:
        """Load the blocks below some, as far as a branch may go."""
        found = await self._asked.ancestors(tenant, hashes, self._branch)
        self._branch = min(self._branch * _GROWTH, _BRANCH_MAX)
        await self.foresee([Read(BlockRow, BlockRow.KEY, (tenant, each)) for each in found])

    async def _load_ends(self, tenant: str, numbers: Sequence[int]) -> None:
        """Load the ends of ranges before some, as far as the gateway may have been reorganised."""
        found = await self._asked.ends(tenant, numbers, self._branch)
        self._branch = min(self._branch * _GROWTH, _BRANCH_MAX)
        await self.foresee([Read(GatewayBlockRow, GatewayBlockRow.KEY, (tenant, each)) for each in found])

    async def _load_orphans(self, tenant: str, hashes: Sequence[bytes]) -> None:
        """Load the blocks that wait for some."""
        found = await self._asked.orphans(tenant, hashes, _ORPHANS_MAX)
        await self.foresee([Read(BlockRow, _BY_PARENT, (tenant, each)) for each in (*hashes, *found)])

    async def _load_downstream(self, tenant: str, tokens: Sequence[bytes]) -> None:
        """Load what a word needs that travels from item to item, in two rounds however long the chain is."""
        places = [(tenant, item) for item in await self._asked.downstream(tenant, tokens)]
        await self.foresee([read for place in places for read in _about(place)])
        await self.foresee([read for place in places for read in self._around(*place)])

    async def _load_upstream(self, tenant: str, of: Sequence[str]) -> None:
        """Load what is revived with some items, in two rounds however long the chain is."""
        known = (item for item in of if self.state.is_loaded(Read(WorkRow, WorkRow.KEY, (tenant, item))))
        rows = (self.state.get(WorkRow, tenant, item) for item in known)
        lack = [row.id for row in rows if row is not None and row.missing and row.state in TERMINAL]
        if not lack:
            return
        places = [(tenant, item) for item in await self._asked.upstream(tenant, lack)]
        await self.foresee([read for place in places for read in _about(place)])
        handles = (handle for place in places for handle in inputs(self.state, *place))
        await self.foresee([Read(HandleRow, HandleRow.KEY, (tenant, handle)) for handle in handles])

    def _around(self, tenant: str, item: str) -> Iterator[Read]:
        """What the tokens that an item brings and waits for lead to."""
        row = self.state.get(WorkRow, tenant, item)
        brought = [] if row is None else products(self.state, row)
        awaited = [wait.token for wait in self.state.find(WaitRow, _BY_ITEM, tenant, item)]
        for token in (*brought, *awaited):
            yield Read(WaitRow, _BY_TOKEN, (tenant, token))
            yield Read(FailureRow, FailureRow.KEY, (tenant, token))
            kind, _, subject = token.partition(b":")
            yield Read(HandleRow if kind == b"ct64" else DigestRow, HandleRow.KEY, (tenant, subject))
