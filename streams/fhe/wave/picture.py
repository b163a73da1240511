"""Pictures of a window: which operations have how many look-ups in which batch, without ciphertexts."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from streams.domain.operations import BY_CODE, FheType
from streams.domain.work import Step
from streams.fhe.radix.counts import TRANSFER_BITS, stored
from streams.fhe.radix.executors import CountingExecutor
from streams.fhe.radix.forms import Form
from streams.fhe.wave.component import Component, Value
from streams.fhe.wave.executor import WaveExecutor
from streams.fhe.wave.measure import AMOUNT, BALANCE, KEY_ID, LEFT, RECEIVED, RECEIVER
from streams.fhe.wave.running import Share


@dataclass(frozen=True, slots=True)
class Stretch:
    """Batches after one another that are alike."""

    first: int
    last: int
    look_ups: Mapping[str, int]  # of one batch, by operation

    @property
    def batches(self) -> int:
        """How many they are."""
        return self.last - self.first + 1

    @property
    def name(self) -> str:
        """As a head of a column."""
        return f"{self.first}" if self.first == self.last else f"{self.first}-{self.last}"


def transfers(steps: tuple[Step, ...], count: int) -> list[Component]:
    """Transfers of 64 bits with numbers that were stored."""

    def inputs() -> dict[bytes, Value]:
        given = (BALANCE, RECEIVER, AMOUNT)
        return {each: Value(FheType.UINT64, tuple(stored(TRANSFER_BITS))) for each in given}

    return [
        Component(
            name=str(index),
            tenant="picture",
            key_id=KEY_ID,
            steps=steps,
            inputs=inputs(),
            outputs=(LEFT, RECEIVED),
        )
        for index in range(count)
    ]


def stretches(
    components: Sequence[Component], batch_size: int, form: Form = Form.THROUGHPUT
) -> list[Stretch]:
    """The batches of a window in which these components begin together."""
    window = WaveExecutor(KEY_ID, CountingExecutor(), batch_size, form)
    for each in components:
        window.submit(each)
    found: list[Stretch] = []
    for look_ups, alike in groupby(_batches(window)):
        first = found[-1].last + 1 if found else 1
        found.append(Stretch(first, first + sum(1 for _ in alike) - 1, look_ups))
    return found


def _batches(window: WaveExecutor) -> Iterator[Mapping[str, int]]:
    window.start()
    while shares := window.take():
        yield _by_operation(shares)
        window.give(window.run(shares))


def _by_operation(shares: Sequence[Share]) -> Mapping[str, int]:
    found = Counter[str]()
    for share in shares:
        found[BY_CODE[share.running.step.operation].name] += len(share.look_ups)
    return dict(found)


def drawn(given: Sequence[Stretch]) -> list[str]:
    """A line for each operation, a column for each stretch: look-ups of one batch, and of all at the end."""
    operations = list(dict.fromkeys(name for each in given for name in each.look_ups))
    rows = [["batch", *(each.name for each in given), "look-ups"]]
    for name in operations:
        cells = [each.look_ups.get(name, 0) for each in given]
        rows.append([name, *(str(cell or "") for cell in cells), str(_sum(given, cells))])
    cells = [sum(each.look_ups.values()) for each in given]
    rows.append(["together", *map(str, cells), str(_sum(given, cells))])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [_line(row, widths) for row in rows]


def _sum(given: Sequence[Stretch], cells: Sequence[int]) -> int:
    return sum(each.batches * cell for each, cell in zip(given, cells, strict=True))


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    name, *cells = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
    return "  ".join((name.strip().ljust(widths[0]), *cells))
