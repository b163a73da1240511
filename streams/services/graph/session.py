"""Decisions of one transaction: rows are loaded when a decision asks for them.

Most of what a decision will ask for is guessed first: it runs once against a state that answers an
unknown row with "none" and writes down the question. A few rounds of queries then serve a whole batch.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from streams.domain.items import products
from streams.domain.rows import DigestRow, FailureRow, HandleRow, MemberRow, Row, WaitRow, WorkRow
from streams.domain.state import Missing, Read, State
from streams.ports import Transaction

# Rows lead to rows: a block to its tip, the tip to handles, handles to items, items to what waits for them.
_ROUNDS: Final = 6

# A decision that still misses rows after so many rounds follows a chain of items: it is asked for whole.
_DEEP: Final = 8
_BY_TOKEN: Final = ("tenant", "token")
_BY_ITEM: Final = ("tenant", "item")

R = TypeVar("R", bound=Row)
Decision = Callable[[State], None]


class _Guess(State):
    """Runs on another state, notes what that one misses, and goes on as if it did not exist."""

    def __init__(self, behind: State) -> None:
        super().__init__()
        self._behind = behind
        self.missed: dict[Read, None] = {}

    def get(self, table: type[R], *key: Any) -> R | None:
        try:
            return self._behind.get(table, *key)
        except Missing as missing:
            self.missed[missing.read] = None
            return None

    def find(self, table: type[R], columns: tuple[str, ...], *values: Any) -> list[R]:
        try:
            return self._behind.find(table, columns, *values)
        except Missing as missing:
            self.missed[missing.read] = None
            return []

    def put(self, row: Row) -> None:
        self._behind.put(row)

    def delete(self, row: Row) -> None:
        self._behind.delete(row)

    def mark(self) -> int:
        return self._behind.mark()

    def rollback(self, mark: int) -> None:
        self._behind.rollback(mark)


def _about(place: tuple[str, str]) -> list[Read]:
    return [
        Read(WorkRow, WorkRow.KEY, place),
        Read(MemberRow, _BY_ITEM, place),
        Read(WaitRow, _BY_ITEM, place),
    ]


class Session:
    """The working set of a transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self.state = State()

    async def foresee(self, decisions: list[Decision]) -> None:
        """Load what these decisions, one after the other, will probably ask for."""
        for _ in range(_ROUNDS):
            missed = self._guess(decisions)
            if not missed:
                return
            await self._load(missed)

    async def decide(self, decision: Decision) -> None:
        """Apply a decision whole or not at all; raises what it raises."""
        for rounds in itertools.count():
            mark = self.state.mark()
            try:
                decision(self.state)
            except Missing as missing:
                self.state.rollback(mark)
                reads = [missing.read, *self._guess([decision])]
                await self._load(reads)
                if rounds >= _DEEP:
                    await self._load_downstream(reads)
            except Exception:
                self.state.rollback(mark)
                raise
            else:
                return

    def _guess(self, decisions: list[Decision]) -> list[Read]:
        guess = _Guess(self.state)
        mark = self.state.mark()
        for decision in decisions:
            try:
                decision(guess)
            except Exception:  # noqa: S112  # it went astray on a row that does exist: a guess proves nothing
                continue
        self.state.rollback(mark)
        return list(guess.missed)

    async def _load_downstream(self, reads: list[Read]) -> None:
        """Load what a word needs that travels from item to item, in two rounds however long the chain is."""
        waits = [read.values for read in reads if read.table is WaitRow and read.columns == _BY_TOKEN]
        for tenant in {tenant for tenant, _ in waits}:
            items = await self._tx.downstream(tenant, [token for of, token in waits if of == tenant])
            places = [(tenant, item) for item in items]
            await self._load([read for place in places for read in _about(place)])
            await self._load([read for place in places for read in self._around(*place)])

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

    async def _load(self, reads: list[Read]) -> None:
        wanted = [read for read in dict.fromkeys(reads) if not self.state.is_loaded(read)]
        for read, rows in zip(wanted, await self._tx.load(wanted), strict=True):
            self.state.load(read, rows)
