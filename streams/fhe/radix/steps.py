"""The language of radix algorithms: generators that yield batches of look-ups and are sent the results.

What one `yield` hands out may run in one batch; an executor merges the batches of many generators. Constants
never reach an executor: looking up a known value gives a known value.
"""

from collections.abc import Generator, Sequence
from itertools import compress
from typing import Final, Protocol, TypeAlias, TypeVar

import msgspec

from streams.domain.errors import OperationError
from streams.fhe.noise import norm2_budget
from streams.fhe.parameters import COMPRESSION, PINNED, RE_RANDOMISATION
from streams.fhe.radix.block import Block, Wire, name_of
from streams.fhe.radix.table import Function, Table, tabulate
from streams.fhe.storage_noise import loaded_noise

T = TypeVar("T")
Outputs: TypeAlias = tuple[Block, ...]

# The budget of the pinned set, 39. A device of other parameters has its own (`device_executor`); algorithms
# plan for this one, and `checked` refuses what does not fit.
BUDGET: Final = norm2_budget(
    PINNED
)  # noise that a look-up's input may carry, in units of a bootstrap's result
LOADED: Final = loaded_noise(PINNED, COMPRESSION, RE_RANDOMISATION)  # of a block that was stored: 1.117
# Of a block that is taken four times beside another one: 16 * 2.234 + 2.234 = 37.98. A selection between
# loaded numbers gives less, 2.117.
QUIET: Final = 2 * LOADED


class NoiseExceeded(OperationError):
    """A look-up's input carries more noise than the failure probability allows."""


class LookUp(msgspec.Struct, eq=False, gc=False):
    """One bootstrap: functions of one block, as many results."""

    block: Block
    functions: tuple[Function, ...]
    _table: Table | None = None
    _names: tuple[bytes, ...] = ()

    def outputs(self, datas: Sequence[object]) -> Outputs:
        """The results as blocks, around what an executor keeps for each of them."""
        table = self.table
        # The wire holds f - c, the block adds c again: its noise is 1 whatever went in.
        return self.around(
            [
                Wire(2 * low - halves, 2 * high - halves, 1, data, name)
                for (low, high), halves, name, data in zip(
                    table.ends, table.halves, self.names, datas, strict=True
                )
            ]
        )

    def around(self, wires: Sequence[Wire]) -> Outputs:
        """The results as blocks, of wires that this look-up gives, or an equal one has given."""
        parts = zip(wires, self.table.halves, self.table.ends, strict=True)
        return tuple([Block(((wire, 1),), halves, low, high) for wire, halves, (low, high) in parts])

    @property
    def names(self) -> tuple[bytes, ...]:
        """Of the results' wires: what a device computes their words from; raises PaddingExceeded."""
        if not self._names:
            block = self.block.name
            self._names = tuple([name_of(block, name) for name in self.table.names])
        return self._names

    @property
    def table(self) -> Table:
        """The table to rotate; raises PaddingExceeded."""
        if self._table is None:
            self._table = tabulate(self.functions, self.block.low, self.block.high)
        return self._table


# A generator and no list: what is asked next depends on ranges and noises of what has come back.
Steps: TypeAlias = Generator[Sequence[LookUp], Sequence[Outputs], T]


class Executor(Protocol):
    """Runs batches of look-ups."""

    def run(self, batch: Sequence[LookUp]) -> list[Outputs]:
        """The results in order; raises NoiseExceeded or PaddingExceeded before anything is computed."""
        ...


def checked(look_up: LookUp, budget: int) -> Table:
    """The table of a look-up that may run.

    Raises:
        NoiseExceeded: its input's noise is above the budget.
        PaddingExceeded: its functions do not fit its input's range.
    """
    # Refused rather than computed: above the budget a bootstrap fails with more than 2^-128, without a
    # sign.
    if look_up.block.noise > budget:
        raise NoiseExceeded(f"noise {look_up.block.noise}, the budget is {budget}")
    return look_up.table


def look_up(block: Block, *functions: Function) -> LookUp:
    """A look-up, written short."""
    return LookUp(block, functions)


def batch(look_ups: Sequence[LookUp]) -> Steps[list[Outputs]]:
    """Results of look-ups that may run side by side; known ones cost nothing."""
    known = [(each, _evaluated(each)) for each in look_ups]
    # Equal ones are asked once: their results are the same words, so that whoever adds them has to see one
    # wire and not two.
    asked = dict[tuple[bytes, ...], LookUp]()
    for each, result in known:
        if result is None:
            asked.setdefault(each.names, each)
    # nothing to ask for is no batch: an executor would count an empty one as depth
    results = dict(zip(asked, (yield list(asked.values())) if asked else (), strict=True))
    return [
        _outputs(each, asked[each.names], results[each.names]) if result is None else result
        for each, result in known
    ]


def _outputs(each: LookUp, asked: LookUp, outputs: Outputs) -> Outputs:
    # The same words may stand for other values: functions that differ by a constant can have one table.
    if each is asked:
        return outputs
    return each.around([wire for block in outputs for wire, _ in block.terms])


def _evaluated(each: LookUp) -> Outputs | None:
    # A known value needs neither table nor budget: the functions are applied to it as they are.
    if not each.block.is_constant:
        return None
    return tuple(Block.constant(function(each.block.low)) for function in each.functions)


def firsts(look_ups: Sequence[LookUp]) -> Steps[list[Block]]:
    """The first result of each look-up."""
    return [outputs[0] for outputs in (yield from batch(look_ups))]


def first(each: LookUp) -> Steps[Block]:
    """The first result of one look-up."""
    return (yield from firsts([each]))[0]


def identity(value: int) -> int:
    """The table of a bootstrap that only refreshes."""
    # A function of this module, so that all refreshing look-ups share one table.
    return value


def refreshed(blocks: Sequence[Block], noise_max: float) -> Steps[list[Block]]:
    """The same values, those above this noise bootstrapped."""
    return (yield from capped(blocks, [noise_max] * len(blocks)))


def capped(blocks: Sequence[Block], noises_max: Sequence[float]) -> Steps[list[Block]]:
    """The same values, those above their own limit bootstrapped."""
    # The limits are the caller's: they follow from the factors of the sums that it is about to make.
    is_noisy = [block.noise > most for block, most in zip(blocks, noises_max, strict=True)]
    if not any(is_noisy):
        return list(blocks)
    noisy = compress(blocks, is_noisy)
    fresh = iter((yield from firsts([look_up(block, identity) for block in noisy])))
    return [next(fresh) if is_one else block for block, is_one in zip(blocks, is_noisy, strict=True)]


def together(algorithms: Sequence[Steps[T]]) -> Steps[list[T]]:
    """Runs algorithms side by side: each batch holds the next look-ups of all that are not finished."""
    # By number and not in order of arrival: algorithms of different length end in different rounds.
    results: dict[int, T] = {}
    waiting: dict[int, Sequence[LookUp]] = {}
    answers: dict[int, Sequence[Outputs] | None] = dict.fromkeys(range(len(algorithms)))
    while len(results) < len(algorithms):
        for index, answer in answers.items():
            try:
                # A fresh generator is sent None, as Python asks for.
                waiting[index] = algorithms[index].send(answer)  # pyright: ignore[reportArgumentType]
            except StopIteration as stop:
                results[index] = stop.value
        answers = {}
        if waiting:
            # one yield for all: this is where algorithms share a batch
            outputs = iter((yield [each for look_ups in waiting.values() for each in look_ups]))
            answers = {index: [next(outputs) for _ in look_ups] for index, look_ups in waiting.items()}
            waiting = {}
    return [results[index] for index in range(len(algorithms))]


def run(algorithm: Steps[T], executor: Executor) -> T:
    """Drives one algorithm to its result."""
    outputs: Sequence[Outputs] | None = None
    while True:
        try:
            look_ups = algorithm.send(outputs)  # pyright: ignore[reportArgumentType]
        except StopIteration as stop:
            return stop.value
        outputs = executor.run(look_ups)
