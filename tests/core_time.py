"""Processor time of what every run computes on really encrypted numbers: at most eight core-minutes.

Runs of the gate took 434 to 492 core-seconds, as fast as the machine was: 243 to 281 for the operations of
the known answers, 72 to 86 for their part, 75 to 89 for the programs that are decrypted and 44 to 48 for the
same with `wave`. Since then the part is smaller, and takes some 30 less. The end of a run tells what it
was. Nothing asserts it: tests do not judge time.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

BUDGET_S: Final = 8 * 60
PROPERTY: Final = "core-seconds: "  # and what for; a property of the test, so that it comes from any process


def lines(properties: Iterable[tuple[str, object]]) -> Iterator[str]:
    """What was spent by purpose, and last the sum; nothing where nothing was."""
    spent_s: defaultdict[str, float] = defaultdict(float)
    for name, value in properties:
        if name.startswith(PROPERTY) and isinstance(value, float):
            spent_s[name.removeprefix(PROPERTY)] += value
    for what, core_s in spent_s.items():
        yield f"{what}: {core_s:.0f} core-seconds"
    if spent_s:
        yield f"really encrypted: {sum(spent_s.values()):.0f} of {BUDGET_S} core-seconds"
