"""Two forms of an algorithm.

Both give the same number and other ciphertexts of it. Which one runs is settled for a network and not by
load: see `docs/engine.md`, "Same bits".
"""

from dataclasses import dataclass
from enum import StrEnum


class Form(StrEnum):
    """What an algorithm is made for."""

    THROUGHPUT = "throughput"  # fewest look-ups: carries ripple from block to block
    LATENCY = "latency"  # fewest batches after one another: carries are looked ahead


@dataclass(frozen=True, slots=True)
class Cost:
    """What an algorithm takes."""

    look_ups: int
    depth: int  # batches that have to run one after another
    noise: float = 0  # the largest at an input of a look-up
