"""How much to ask of a node at once: half as much after a refusal, twice as much after some successes.

Limits of nodes are told by refusals only, each in its own words; and some hold for an hour, not for ever.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final, TypeVar

from streams.adapters.ethereum.errors import BlockUnknown, RpcRefused, TooMuch

_T = TypeVar("_T")
_GROWS_AFTER: Final = 8  # successes of full length: probing a limit that stays costs one call in nine


class Span:
    """A length between one and `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._well = 0
        self.length = most

    def refuse(self, asked: int) -> bool:
        """So many were too many; whether less can be asked for."""
        self._well = 0
        self.length = max(1, min(self.length, asked // 2))
        return asked > 1

    def succeed(self, asked: int) -> None:
        """So many were answered."""
        if asked < self.length or self.length == self._most:
            return
        self._well += 1
        if self._well == _GROWS_AFTER:
            self._well, self.length = 0, min(self._most, 2 * self.length)


async def pages(
    span: Span, first: int, last: int, ask: Callable[[int, int], Awaitable[_T]]
) -> AsyncGenerator[_T]:
    """What a node answers for blocks of a range, in order, in as many parts as it wants.

    Raises: RpcError. A refused part is asked for again in halves; parts grow again after successes.
    """
    while first <= last:
        until = min(last, first + span.length - 1)
        asked = until - first + 1
        try:
            page = await ask(first, until)
        except BlockUnknown:
            raise
        # Some nodes refuse by count of logs, some by range: halving finds what this one takes.
        except (RpcRefused, TooMuch):
            if not span.refuse(asked):
                raise
            continue
        span.succeed(asked)
        yield page
        first = until + 1
