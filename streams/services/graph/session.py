"""Decisions of one transaction: rows are loaded when a decision asks for them.

Most of what a decision will ask for is guessed first: it runs once against a state that answers an
unknown row with "none" and writes down the question. A few rounds of queries then serve a whole batch.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from streams.domain.rows import Row
from streams.domain.state import Missing, Read, State
from streams.ports import Transaction

# Rows lead to rows: a block to its tip, the tip to handles, handles to items, items to what waits for them.
_ROUNDS: Final = 6

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
        while True:
            mark = self.state.mark()
            try:
                decision(self.state)
            except Missing as missing:
                self.state.rollback(mark)
                await self._load([missing.read, *self._guess([decision])])
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

    async def _load(self, reads: list[Read]) -> None:
        wanted = [read for read in dict.fromkeys(reads) if not self.state.is_loaded(read)]
        for read, rows in zip(wanted, await self._tx.load(wanted), strict=True):
            self.state.load(read, rows)
