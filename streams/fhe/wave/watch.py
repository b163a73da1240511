"""How a window learns whether what devices have computed may be believed."""

from dataclasses import dataclass
from typing import Final, Protocol


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment: what had come back from which device."""

    epoch: int = 0
    done: tuple[int, ...] = ()


class Watch(Protocol):
    """Asks devices for known answers; for several threads at once."""

    @property
    def epoch(self) -> int:
        """How many devices were taken out of service: nothing that began under another number is believed."""
        ...

    def mark(self) -> Mark:
        """Now."""
        ...

    def is_proven(self, mark: Mark) -> bool:
        """Whether every device that had computed by then was asked since, and answered rightly."""
        ...

    def prove(self) -> None:
        """Ask every device that has computed since it was asked last.

        Raises:
            DeviceDistrusted: one of them did not answer rightly.
            DevicesLost: it was the last one.
        """
        ...


class _Trusting:
    """Believes what comes."""

    epoch: int = 0

    def mark(self) -> Mark:
        return Mark()

    def is_proven(self, mark: Mark) -> bool:
        del mark
        return True

    def prove(self) -> None:
        return


# Of windows whose device nobody watches: measurements and tests.
TRUSTING: Final[Watch] = _Trusting()
