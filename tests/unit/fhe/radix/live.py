"""Look-ups that are only counted, and how many of their results somebody still holds."""

from collections.abc import Sequence

from streams.fhe.radix.executors import CountingExecutor
from streams.fhe.radix.steps import LookUp, Outputs, Steps
from streams.fhe.radix.table import Table


class LiveExecutor(CountingExecutor):
    """Counts results that are there."""

    def __init__(self) -> None:
        super().__init__()
        self.live = 0
        self.peak = 0

    def run(self, batch: Sequence[LookUp]) -> list[Outputs]:
        outputs = super().run(batch)
        self.peak = max(self.peak, self.live)
        return outputs

    def _outputs(self, look_up: LookUp, table: Table) -> Outputs:
        return look_up.outputs([_Kept(self) for _ in table.shifts])


class _Kept:
    def __init__(self, executor: LiveExecutor) -> None:
        self._executor = executor
        executor.live += 1

    def __del__(self) -> None:
        self._executor.live -= 1


def peak_of(algorithm: Steps[object]) -> int:
    """Most results at a time, as a window runs it: answers are let go once they were given."""
    executor = LiveExecutor()
    outputs: Sequence[Outputs] | None = None
    while True:
        try:
            look_ups = algorithm.send(outputs)  # pyright: ignore[reportArgumentType]
        except StopIteration:
            return executor.peak
        del outputs
        outputs = executor.run(look_ups)
        del look_ups
