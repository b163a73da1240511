"""Items that are ready for the child at the same moment go to it in one frame."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from streams.domain.errors import Undecodable
from streams.domain.work import ComputeWork, ProofWork
from streams.services.worker import frames

ITEMS_MAX: Final = 64
BYTES_MAX: Final = 8 << 20  # one item may be larger; it goes alone
_STEP_BYTES: Final = 512  # handles, operands and names of an operation
_UNSENDABLE: Final = (Undecodable, OverflowError, TypeError, ValueError)  # what encoding a frame raises

Refused = Callable[[frames.Run, Exception], None]


class Outbox:
    """Collects what is posted within one turn of the loop; `refused` is told what cannot be sent."""

    def __init__(self, send: Callable[[frames.Batch], None], refused: Refused) -> None:
        self._send = send
        self._refused = refused
        self._waiting: list[frames.Run] = []

    def post(self, run: frames.Run) -> None:
        """Send that item with whatever else is posted before the loop turns."""
        if not self._waiting:
            # after everything that is ready now has posted: no timer, so a lone item waits for nobody
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append(run)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for batch in cut(waiting):
            self._send_whole_or_each(batch)

    def _send_whole_or_each(self, batch: frames.Batch) -> None:
        try:
            self._send(batch)
        except _UNSENDABLE as error:
            if len(batch.runs) == 1:
                self._refused(batch.runs[0], error)
                return
            for run in batch.runs:
                self._send_whole_or_each(frames.Batch((run,)))


def cut(runs: Sequence[frames.Run]) -> Iterator[frames.Batch]:
    """Batches in order, each of ITEMS_MAX items and BYTES_MAX bytes at most."""
    group: list[frames.Run] = []
    used = 0
    for run in runs:
        size_bytes = payload_bytes(run.work)
        if group and (len(group) == ITEMS_MAX or used + size_bytes > BYTES_MAX):
            yield frames.Batch(tuple(group))
            group, used = [], 0
        group.append(run)
        used += size_bytes
    if group:
        yield frames.Batch(tuple(group))


def payload_bytes(work: frames.ChildWork) -> int:
    """About what an item takes in a frame."""
    if isinstance(work, ComputeWork):
        return sum(len(given.ct64) for given in work.inputs) + _STEP_BYTES * len(work.steps)
    if isinstance(work, ProofWork):
        return len(work.ciphertext_with_proof)
    return len(work.ciphertext.ct64)
