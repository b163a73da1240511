"""Stored numbers that are clear: what a window loads and stores, and items over them."""

from collections.abc import Sequence

from streams.domain.work import Step
from streams.fhe.formats.ciphertext_list import PackedNumber
from streams.fhe.radix.block import Block
from streams.fhe.radix.executors import ClearExecutor
from streams.fhe.radix.steps import LookUp, NoiseExceeded, Outputs
from streams.fhe.wave.component import Value
from streams.fhe.wave.executor import WaveExecutor
from streams.fhe.wave.items import Item
from streams.fhe.wave.reserve import Reserve
from streams.fhe.wave.storage import Given, StoredNumber
from tests.unit.fhe.wave.windows import BOOL, U8, ClearSide, handle, step, word

X, Y, SUM, PRODUCT, LARGER = (
    handle("x"),
    handle("y"),
    handle("sum"),
    handle("product"),
    handle("larger", BOOL),
)
BATCH_SIZE = 64
TOO_LOUD = 40
MASKS = (0b0101_0101, 0b1010_1010)
UNSTORABLE = 13  # a number that is refused whenever it is to be stored


class Runner:
    """Clear numbers; counts what runs, and breaks when it is told to."""

    def __init__(self) -> None:
        self._clear = ClearExecutor()
        self.batches = list[int]()
        self.breaks = False

    def run(self, batch: Sequence[LookUp]) -> list[Outputs]:
        if self.breaks:
            raise MemoryError("the device is full")
        self.batches.append(len(batch))
        return self._clear.run(batch)

    def seeded(self, seed: bytes, bits: int) -> list[Block]:
        return self._clear.seeded(seed, bits)


class Shop:
    """Stored numbers are their digits."""

    def __init__(self) -> None:
        self.side = ClearSide()
        self._numbers: dict[bytes, list[Value]] = {}
        self.loads = list[int]()
        self.stores = list[int]()

    def put(self, name: str, left: int, right: int, noise: int = 1) -> Given:
        """Two numbers of 8 bits; those of the same name are the same bytes."""
        self._numbers[name.encode()] = [self.side.value(U8, each, noise) for each in (left, right)]
        packed, digests = PackedNumber(False, 4, ()), [f"{name} {place}".encode() for place in (0, 1)]
        return Given(tuple(StoredNumber(U8, digest, packed) for digest in digests), name.encode())

    def load(self, given: Sequence[Given]) -> list[list[Value]]:
        self.loads.append(len(given))
        if any(each.context.startswith(b"damaged") for each in given):
            raise ValueError("a word is too large")
        return [self._numbers[each.context] for each in given]

    def store(self, values: Sequence[Value]) -> list[bytes]:
        self.stores.append(len(values))
        numbers = [self.side.number(value) for value in values]
        if UNSTORABLE in numbers:
            raise NoiseExceeded("noise 99, the budget is 39")
        return [bytes([number]) for number in numbers]

    def item(
        self,
        name: str,
        left: int,
        right: int,
        *steps: Step,
        noise: int = 1,
        tenant: str = "t",
        contract: bytes = b"",
        priority: int = 0,
    ) -> Item:
        """An item whose steps are all wanted."""
        return Item(
            tenant=tenant,
            contract=contract,
            priority=priority,
            steps=steps,
            handles=(X, Y),
            given=self.put(name, left, right, noise),
            outputs=tuple(each.result for each in steps),
        )

    def sum_of(self, left: int, right: int, noise: int = 1) -> Item:
        return self.item(f"{left}+{right}", left, right, step("Add", X, Y, result=SUM), noise=noise)


def executor(runner: Runner, batch_size: int = BATCH_SIZE, reserve: Reserve | None = None) -> WaveExecutor:
    return WaveExecutor(b"", runner, batch_size, reserve=reserve)


def wide(name: str, operation: str = "BitXor") -> tuple[Step, ...]:
    """Steps that are ready together: 16 look-ups for 8 bits, no two of them equal."""
    return tuple(
        step(operation, each, word(mask), result=handle(f"{name} {mask} {each.hex()}"), is_scalar=True)
        for each in (X, Y)
        for mask in MASKS
    )


def masked(left: int, right: int) -> set[int]:
    """What `wide` gives."""
    return {number ^ mask for number in (left, right) for mask in MASKS}
