"""The order of an address's calls: nonces are taken as the items came, whichever call is ready first."""

import asyncio
import contextlib
from collections.abc import Generator


class Turn:
    """One call's place in the line; it ends with its nonce, or when the call needs none now."""

    def __init__(self, earlier: tuple["Turn", ...]) -> None:
        self._earlier = earlier
        self._ended = asyncio.Event()

    @property
    def is_over(self) -> bool:
        """Whether those behind may go on."""
        return self._ended.is_set()

    async def come(self) -> None:
        """Return when every turn before this one is over, at once for a turn that is over itself."""
        if self.is_over:
            return
        for turn in self._earlier:
            await turn._ended.wait()
        self._earlier = ()

    def end(self) -> None:
        """Let those behind go on; further calls do nothing."""
        self._ended.set()
        self._earlier = ()  # or those who never came would keep all that ever went before them


class Turns:
    """The line of one address."""

    def __init__(self) -> None:
        self._open: list[Turn] = []

    @contextlib.contextmanager
    def next(self) -> Generator[Turn]:
        """The turn behind all that are open."""
        self._open = [turn for turn in self._open if not turn.is_over]
        # knows those before it and not all: it waits for nobody who came later
        turn = Turn(tuple(self._open))
        self._open.append(turn)
        try:
            yield turn
        finally:
            turn.end()
