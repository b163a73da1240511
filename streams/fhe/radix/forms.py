"""Two forms of an algorithm, and which one to take."""

from collections.abc import Mapping
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


def choose(costs: Mapping[Form, Cost], ready: int, batch_size: int) -> Form:
    """The form in which `ready` operations of the same kind are finished first.

    A device takes about the same time for any batch up to `batch_size`. So the work takes at least as many
    batches as it is deep, and at least as many as its look-ups fill; the larger bound is close to the truth.
    On a tie the form with fewer look-ups leaves more of the device to others.
    """

    def batches(form: Form) -> tuple[int, int]:
        """Batches that the work takes at least, then look-ups, which decide a tie."""
        cost = costs[form]
        # rounded up: a batch that is not full takes its time all the same
        filled = -(-ready * cost.look_ups // batch_size)
        return max(cost.depth, filled), cost.look_ups

    # Of two equal ones `min` takes the first: the throughput form, which the enum names first.
    return min(costs, key=batches)
