"""When a tenant's log is read back, and from where on: a broker may lose what it acknowledged."""

from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from streams.domain.facts import Fact
from streams.ports import Clock, Log
from streams.services.listener.position import Placed, placed_facts

# A broker that loses its leader uncleanly loses what it acknowledged; so the log is read back now and then.
AUDIT_S: Final = 60.0
# Published between two readings at the most: so far behind the end a listener that starts has to look.
AUDIT_FACTS: Final = 1_000

T = TypeVar("T")


class Audit(Generic[T]):
    """Of what one source tells one tenant. It is due from the start."""

    def __init__(
        self,
        log: Log,
        tenant: str,
        clock: Clock,
        pick: Callable[[Fact], T | None],
        is_first: Callable[[T], bool],
        follows: Callable[[T, T], bool],
    ) -> None:
        """Args: pick, is_first, follows: as of `placed_facts`."""
        self._log, self._tenant, self._clock = log, tenant, clock
        self._pick, self._is_first, self._follows = pick, is_first, follows
        self._mark: Placed[T] | None = None
        self._read_s = 0.0
        self._is_read = False
        self._published = 0

    @property
    def is_due(self) -> bool:
        """Whether the log is to be read before anything more is published."""
        if not self._is_read or self._published >= AUDIT_FACTS:
            return True
        return self._clock.monotonic_s() - self._read_s >= AUDIT_S

    async def read(self, least: int) -> tuple[list[Placed[T]], bool]:
        """Facts from the mark on, itself first, and True: they go on from what was known at it.

        Without a mark, or where the log lost it, the newest ones, those of a whole audit and `least` before
        them, and False. Raises: BrokerError.
        """
        if self._mark is not None:
            # No further back: what lies before the mark and did not count then would be taken as given now.
            found = await placed_facts(self._log, self._tenant, self._pick, since=self._mark[0])
            if found[:1] == [self._mark]:
                return found, True
        count = AUDIT_FACTS + least
        of = self._log, self._tenant, self._pick, count
        return await placed_facts(*of, is_first=self._is_first, follows=self._follows), False

    def mark(self, found: Sequence[Placed[T]], is_tip: Callable[[T], bool]) -> None:
        """What follows the newest fact that counts is looked at the next time."""
        self._mark = next((placed for placed in reversed(found) if is_tip(placed[1])), None)

    def published(self) -> None:
        """Note a fact that was acknowledged."""
        self._published += 1

    def done(self) -> None:
        """Note that the log was read, and that what it says is acted on."""
        self._is_read, self._read_s, self._published = True, self._clock.monotonic_s(), 0
