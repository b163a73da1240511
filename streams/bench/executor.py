"""What the wave executor costs by itself: transfers on a device that answers at once.

All of it is Python, and of that one process computes on one core. So it bounds how many transfers a worker
computes in a second, whatever its device does meanwhile. Results are zeros: which look-ups are asked for
depends on ranges and noises, never on values.
"""

import time
from typing import Final

import numpy as np

from streams.bench.report import Figure, Report
from streams.domain.operations import FheType
from streams.fhe.devices.port import Bootstraps
from streams.fhe.devices.words import Words
from streams.fhe.parameters import PINNED
from streams.fhe.radix.block import DIGIT_MAX, Block, Wire
from streams.fhe.radix.operations import blocks_of
from streams.fhe.radix.steps import LOADED
from streams.fhe.wave.component import Component, Value
from streams.fhe.wave.executor import WaveExecutor
from streams.fhe.wave.measure import AMOUNT, BALANCE, EXAMPLES, KEY_ID, LEFT, RECEIVED, RECEIVER

REPEATS: Final = 3  # the least of them counts: a busy neighbour only adds
BATCH: Final = 395  # what a GPU of 132 multiprocessors likes, with a place for a question
_WORDS: Final = PINNED.big_dimension + 1


class IdleDevice:
    """Zeros for every look-up, at once."""

    parameters = PINNED
    batch_size = BATCH

    def bootstrap(self, batch: Bootstraps) -> list[Words]:
        """For each ciphertext its results, shape (boxes of it, 2049)."""
        return batch.by_ciphertext(np.zeros((sum(map(len, batch.boxes)), _WORDS), np.uint64))

    def rotate(self, batch: Bootstraps) -> list[Words]:
        """The same, without a keyswitch."""
        return self.bootstrap(batch)


def measure(transfers: int) -> Report:
    """Processor time of so many transfers at once (le, select, add, sub on 64 bits), and of a look-up."""
    windows = [_window(transfers) for _ in range(REPEATS)]
    seconds = min(_drained(window) for window in windows)
    utilisation = windows[0].utilisation
    figures = (
        Figure(name="a transfer", value=round(1e3 * seconds / transfers, 3), unit="ms of a core"),
        Figure(name="a look-up", value=round(1e6 * seconds / utilisation.look_ups, 1), unit="us of a core"),
        Figure(name="batch fill", value=round(utilisation.fill, 3), unit=""),
    )
    return Report(bench="executor", setting={"transfers": transfers, "batch": BATCH}, figures=figures)


def _window(transfers: int) -> WaveExecutor:
    window = WaveExecutor.on(KEY_ID, IdleDevice())
    for index in range(transfers):
        window.submit(
            Component(
                name=str(index),
                tenant="bench",
                key_id=KEY_ID,
                steps=EXAMPLES,
                inputs={handle: _zero() for handle in (BALANCE, RECEIVER, AMOUNT)},
                outputs=(LEFT, RECEIVED),
            )
        )
    return window


def _zero() -> Value:
    rows = np.zeros((blocks_of(FheType.UINT64), _WORDS), np.uint64)
    return Value(FheType.UINT64, tuple(Block.of(Wire(0, 2 * DIGIT_MAX, LOADED, row)) for row in rows))


def _drained(window: WaveExecutor) -> float:
    started = time.process_time()
    for _ in window.drain():
        pass
    return time.process_time() - started
