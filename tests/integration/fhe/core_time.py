"""Processor time of what every run computes on really encrypted numbers: at most eight core-minutes.

CHANGEME It is told at the end of a run and not asserted: tests never judge time.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

BUDGET_S: Final = 8 * 60


class Ledger:
    """Core-seconds by what they were spent on."""

    def __init__(self) -> None:
        self.spent_s: defaultdict[str, float] = defaultdict(float)

    def add(self, what: str, core_s: float) -> None:
        self.spent_s[what] += core_s

    def lines(self) -> Iterator[str]:
        """What was spent, and last the sum; nothing where nothing was."""
        for what, core_s in self.spent_s.items():
            yield f"{what}: {core_s:.0f} core-seconds"
        if self.spent_s:
            yield f"really encrypted: {sum(self.spent_s.values()):.0f} of {BUDGET_S} core-seconds"
