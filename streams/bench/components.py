"""Components that engines are compared on, with what must come out of them: 64 bits, really encrypted."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import msgspec

from streams.devnet import client
from streams.devnet.encrypted_matrix import due
from streams.domain.operations import FheType
from streams.domain.results import Ciphertext
from streams.domain.rules import scalar_flag
from streams.domain.work import ComputeWork, Step
from streams.fhe import matrix
from streams.fhe.keyset import EngineName, KeyFiles, KeyStore
from streams.fhe.known_answers import SEED
from streams.fhe.suite import ClearValue, Plain
from streams.fhe.wave.measure import (
    AMOUNT,
    BALANCE,
    LEFT,
    RECEIVED,
    RECEIVER,
    WHITEPAPER,
    WrongResult,
    handle,
    step,
    work_of,
)

CRATE: Final[EngineName] = "tfhe-rs"
OURS: Final[EngineName] = "wave"
_OF_64 = [cell for cell in matrix.cells() if cell.fhe_type is FheType.UINT64]
# Of each operation on 64 bits the first cell: its operands are encrypted, where there is the choice.
OPERATIONS: Final[Mapping[str, matrix.Cell]] = {
    name: next(cell for cell in _OF_64 if cell.name == name) for name in {cell.name: None for cell in _OF_64}
}
_MODULUS: Final = 1 << 64
_LEFT, _RIGHT = 0x0123_4567_89AB_CDEF, 0x0FED_CBA9_8765_4321


@dataclass(frozen=True)
class Task:
    """A component with the numbers that it must give."""

    work: ComputeWork
    expected: Mapping[bytes, int]  # empty where a number is drawn


@dataclass(frozen=True)
class Components:
    """Makes them, and opens what came of them."""

    files: KeyFiles
    client_key: bytes
    samples: client.TfheSamples

    @classmethod
    def prepared(cls) -> Self:
        """On the key set of the known answers, which this machine may have already."""
        generated = client.generate_seeded(CRATE, SEED)
        files, client_key = KeyStore().derive(generated.keyset_digest), generated.client_key.read_bytes()
        return cls(files, client_key, client.TfheSamples(client_key, files))

    def transfers(self, count: int) -> list[Task]:
        """In the whitepaper's form: ge, add, select, sub, select."""
        return [self._transfer(index) for index in range(count)]

    def operations(self, name: str, count: int) -> list[Task]:
        """Of one step each."""
        return [self._operation(name, index) for index in range(count)]

    def chain(self, name: str, length: int) -> Task:
        """Of so many steps, each on what the one before gave, of an operation that has no effect again."""
        task = self._operation(name, 0)
        results = [handle(f"result {index}") for index in range(length)]
        left, right = task.work.steps[0].operands
        lefts = [left, *results[:-1]]
        steps = tuple(step(name, each, right, result=to) for each, to in zip(lefts, results, strict=True))
        work = msgspec.structs.replace(task.work, steps=steps, outputs=(results[-1],))
        return Task(work, {results[-1]: next(iter(task.expected.values()))})

    def numbers(self, count: int) -> Iterator[tuple[bytes, int]]:
        """Stored numbers that are there to be squashed."""
        for index in range(count):
            number = _MODULUS - 1 - index
            yield self._stored(FheType.UINT64, number), number

    def check(self, task: Task, outputs: Sequence[Ciphertext]) -> None:
        """Raises WrongResult when these are other numbers."""
        numbers = {each.handle: self.samples.decrypt(each.ct64).value for each in outputs}
        if task.expected and numbers != task.expected:
            raise WrongResult(f"{task.work.item} gave {numbers}, expected is {task.expected}")

    def _transfer(self, index: int) -> Task:
        balance, receiver, amount = 1_000 * index + 500, 77 * index, 900 + 150 * index
        fits = balance >= amount
        numbers = {BALANCE: balance, RECEIVER: receiver, AMOUNT: amount}
        due = {
            RECEIVED: receiver + amount if fits else receiver,
            LEFT: balance - amount if fits else balance,
        }
        return Task(self._work(f"transfer {index}", numbers, WHITEPAPER, tuple(due)), due)

    def _operation(self, name: str, index: int) -> Task:
        cell = OPERATIONS[name]
        operands = matrix.operands(cell, _LEFT + index, _RIGHT - index, index + 1)
        numbers = {
            handle(f"operand {place}", FheType(each.fhe_type)): each.value
            for place, each in enumerate(operands)
            if isinstance(each, ClearValue)
        }
        encrypted = iter(numbers)
        result = handle("result", cell.out_type)
        only = Step(
            operation=cell.operation.code,
            operands=tuple(each.value if isinstance(each, Plain) else next(encrypted) for each in operands),
            is_scalar=scalar_flag(cell.operation, [isinstance(each, ClearValue) for each in operands]),
            result=result,
            fhe_type=cell.out_type,
        )
        expected = {} if cell.operation.is_random else {result: due(cell, operands)}
        return Task(self._work(f"{name} {index}", numbers, (only,), (result,)), expected)

    def _work(
        self, item: str, numbers: Mapping[bytes, int], steps: tuple[Step, ...], outputs: tuple[bytes, ...]
    ) -> ComputeWork:
        inputs = tuple(
            Ciphertext(handle=handle, fhe_type=handle[30], ct64=self._stored(handle[30], number))
            for handle, number in numbers.items()
        )
        return work_of(item, steps, inputs, outputs)

    def _stored(self, fhe_type: int, number: int) -> bytes:
        return self.samples.encrypt(ClearValue(fhe_type, number))
