"""Transfers per second of the wave executor, on keys made here and numbers encrypted here.

What is measured begins with blocks on the device and ends with blocks on the device: neither decompression
nor compression of stored ciphertexts is part of it. Every result is decrypted afterwards and compared.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from streams.domain.digest import keccak256
from streams.domain.errors import Fatal
from streams.domain.handle import COMPUTED_INDEX, stamp
from streams.domain.operations import BY_NAME, FheType
from streams.domain.results import Ciphertext
from streams.domain.work import ComputeWork, Step
from streams.fhe.devices import encoding, lwe
from streams.fhe.devices.keys import ClientKey
from streams.fhe.devices.port import Device
from streams.fhe.devices.randomness import Source
from streams.fhe.radix.block import DIGIT_MAX, MESSAGE_BITS, Block, Wire, digits
from streams.fhe.radix.device_executor import DeviceExecutor
from streams.fhe.radix.forms import Form
from streams.fhe.radix.operations import blocks_of
from streams.fhe.wave.component import Component, Computed, Value
from streams.fhe.wave.executor import WaveExecutor

# Any name: the window only compares it with the component's.
KEY_ID: Final = b"measured"
BITS: Final = FheType.UINT64.bits
Clock: TypeAlias = Callable[[], tuple[float, float]]  # seconds of the wall and of this process's threads


class WrongResult(Fatal):
    """What was measured computed something else than it should have."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One window of transfers, all submitted at once."""

    transfers: int
    seconds: float
    # Both times are told: their ratio says how many cores were busy.
    processor_s: float  # of all threads; a busy neighbour disturbs it less
    look_ups: int
    batches: int
    batch_size: int
    fill: float

    @property
    def per_second(self) -> float:
        """Transfers."""
        return self.transfers / self.seconds

    @property
    def look_up_ms(self) -> float:
        """Processor time of one look-up, the executor's own part included."""
        return 1000 * self.processor_s / self.look_ups


@dataclass(frozen=True, slots=True)
class Transfer:
    """Clear numbers of one transfer: what fits is moved, what does not moves nothing."""

    balance: int
    receiver: int
    amount: int

    def expected(self) -> tuple[int, int]:
        """Both balances afterwards."""
        moved = self.amount if self.amount <= self.balance else 0
        # Sums wrap, as the protocol's operations on numbers do: none of them can revert on a value nobody
        # sees.
        return self.balance - moved, (self.receiver + moved) % (1 << BITS)


@dataclass(frozen=True)
class Bench:
    """A device and the client key that its keys belong to."""

    client: ClientKey
    device: Device
    source: Source

    def measure(self, transfers: int, clock: Clock, form: Form = Form.THROUGHPUT) -> Measurement:
        """Time of a window of transfers.

        Raises:
            WrongResult: a balance is not what it should be.
        """
        # Balances from 500 up, amounts that grow more slowly: the first one does not fit, all others do, so
        # both branches of the selection are checked.
        given = [Transfer(1000 * i + 500, 77 * i, 900 + 150 * i) for i in range(transfers)]
        window = WaveExecutor.on(KEY_ID, self.device, form)
        for index, each in enumerate(given):
            window.submit(self._component(str(index), each))
        # Encryption and admission are not measured: real inputs come encrypted.
        started = clock()
        results = list(window.drain())
        seconds, processor_s = (now - then for now, then in zip(clock(), started, strict=True))
        found = {(each.component, each.handle): each.value for each in results if isinstance(each, Computed)}
        # A result that is wrong or missing voids the measurement; checked after the clock has stopped.
        for index, each in enumerate(given):
            self._check(each, {handle: found.get((str(index), handle)) for handle in (LEFT, RECEIVED)})
        reading = window.utilisation
        return Measurement(
            transfers,
            seconds,
            processor_s,
            reading.look_ups,
            reading.batches,
            self.device.batch_size,
            reading.fill,
        )

    def sum_s(self, clock: Clock, form: Form = Form.THROUGHPUT) -> float:
        """Seconds of one sum of 64 bits with nothing beside it; raises WrongResult."""
        left, right = (1 << BITS) - 1, 2
        window = WaveExecutor.on(KEY_ID, self.device, form)
        window.submit(
            Component(
                name="sum",
                tenant="bench",
                key_id=KEY_ID,
                steps=(step("Add", BALANCE, AMOUNT, result=LEFT),),
                inputs={BALANCE: self._encrypted(left), AMOUNT: self._encrypted(right)},
                outputs=(LEFT,),
            )
        )
        started, _ = clock()
        results = list(window.drain())
        seconds = clock()[0] - started
        found = [self._decrypted(each.value) for each in results if isinstance(each, Computed)]
        if found != [(left + right) % (1 << BITS)]:
            raise WrongResult(f"{left} + {right} gave {found}")
        return seconds

    def _component(self, name: str, given: Transfer) -> Component:
        numbers = {BALANCE: given.balance, RECEIVER: given.receiver, AMOUNT: given.amount}
        inputs = {handle: self._encrypted(number) for handle, number in numbers.items()}
        return Component(
            name=name, tenant="bench", key_id=KEY_ID, steps=EXAMPLES, inputs=inputs, outputs=(LEFT, RECEIVED)
        )

    def _encrypted(self, number: int) -> Value:
        values = np.array(digits(number, blocks_of(FheType.UINT64)))
        parameters = self.client.parameters
        messages = encoding.encode(parameters, values)
        # with a bootstrap key's noise: far below that of a decompressed block, which changes no time
        rows = lwe.encrypt(self.source, self.client.big, messages, parameters.glwe_noise_log2)
        return Value(FheType.UINT64, tuple(Block.of(Wire(0, 2 * DIGIT_MAX, 1, row)) for row in rows))

    def _check(self, given: Transfer, found: Mapping[bytes, Value | None]) -> None:
        # a missing handle shortens the tuple, so that it is unequal as well
        numbers = tuple(self._decrypted(value) for value in found.values() if value is not None)
        if numbers != given.expected():
            raise WrongResult(f"{given} gave {numbers}")

    def _decrypted(self, value: Value) -> int:
        # a result may be a sum of wires: the executor makes the ciphertext that it stands for
        rows = DeviceExecutor(self.device).ciphertexts(value.blocks)
        found = encoding.decode(self.client.parameters, lwe.phase(self.client.big, rows)).tolist()
        return sum(digit << (MESSAGE_BITS * i) for i, digit in enumerate(found))


def handle(name: str, fhe_type: FheType = FheType.UINT64) -> bytes:
    """The handle of a number by its name."""
    # A real handle, since admission reads each value's type from it; the chain (1) is any.
    return stamp(keccak256(name.encode()), COMPUTED_INDEX, 1, fhe_type)


def step(name: str, *operands: bytes, result: bytes) -> Step:
    """An operation by its name; all but `TrivialEncrypt` on encrypted numbers."""
    operation = BY_NAME[name]
    # the one operation of these that has no encrypted operand
    is_scalar = name == "TrivialEncrypt"
    return Step(
        operation=operation.code, operands=operands, is_scalar=is_scalar, result=result, fhe_type=result[30]
    )


def work_of(
    item: str,
    steps: tuple[Step, ...],
    inputs: tuple[Ciphertext, ...],
    outputs: tuple[bytes, ...],
    tenant: str = "bench",
) -> ComputeWork:
    """A component as a worker is given it."""
    return ComputeWork(
        item=item,
        tenant=tenant,
        attempt=1,
        timeout_s=60,
        key_id=b"",
        steps=steps,
        inputs=inputs,
        outputs=outputs,
    )


def examples_transfer(fhe_type: FheType) -> tuple[Step, ...]:
    """As the contract of the examples' token emits it: what moves is chosen first.

    From the handles `balance`, `receiver` and `amount` of that type to `left` and `received`.
    """
    balance, receiver, amount = (handle(name, fhe_type) for name in ("balance", "receiver", "amount"))
    fits, nothing, moved = (
        handle("fits", FheType.BOOL),
        handle("nothing", fhe_type),
        handle("moved", fhe_type),
    )
    return (
        step("Le", amount, balance, result=fits),
        step("TrivialEncrypt", bytes(32), bytes([fhe_type]), result=nothing),
        step("IfThenElse", fits, amount, nothing, result=moved),
        step("Sub", balance, moved, result=handle("left", fhe_type)),
        step("Add", receiver, moved, result=handle("received", fhe_type)),
    )


BALANCE, RECEIVER, AMOUNT = (handle(name) for name in ("balance", "receiver", "amount"))
LEFT, RECEIVED = handle("left"), handle("received")
FITS, KEPT, MORE = handle("fits", FheType.BOOL), handle("kept"), handle("more")
EXAMPLES: Final = examples_transfer(FheType.UINT64)
# As the whitepaper's contract emits it: both balances are computed, then chosen or not.
WHITEPAPER: Final = (
    step("Ge", BALANCE, AMOUNT, result=FITS),
    step("Add", RECEIVER, AMOUNT, result=MORE),
    step("IfThenElse", FITS, MORE, RECEIVER, result=RECEIVED),
    step("Sub", BALANCE, AMOUNT, result=KEPT),
    step("IfThenElse", FITS, KEPT, BALANCE, result=LEFT),
)
