"""Components by names, and numbers on an executor and back."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from streams.domain.digest import keccak256
from streams.domain.handle import stamp
from streams.domain.operations import BY_NAME, FheType
from streams.domain.work import Step
from streams.fhe.devices.keys import ClientKey
from streams.fhe.devices.port import Device
from streams.fhe.devices.randomness import SeededSource
from streams.fhe.devices.words import Words
from streams.fhe.radix.block import Block, Wire, digits
from streams.fhe.radix.device_executor import DeviceExecutor
from streams.fhe.radix.executors import ClearExecutor
from streams.fhe.radix.forms import Form
from streams.fhe.radix.operations import blocks_of
from streams.fhe.radix.steps import LOADED
from streams.fhe.wave.component import Component, Computed, Result, Value
from streams.fhe.wave.executor import WaveExecutor
from tests.unit.fhe.devices.sets import decrypted, encrypted

KEY = b"key"
BOOL, U8, U64 = FheType.BOOL, FheType.UINT8, FheType.UINT64


def handle(name: str, fhe_type: FheType = U8) -> bytes:
    return stamp(keccak256(name.encode()), 0xFF, 1, fhe_type)


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def step(name: str, *operands: bytes, result: bytes, is_scalar: bool = False) -> Step:
    code = BY_NAME[name].code
    return Step(operation=code, operands=operands, is_scalar=is_scalar, result=result, fhe_type=result[30])


def component(
    name: str,
    *steps: Step,
    inputs: Mapping[bytes, Value],
    outputs: Sequence[bytes] | None = None,
    tenant: str = "t",
    contract: bytes = b"",
    priority: int = 0,
) -> Component:
    """By default the last step's result is wanted."""
    wanted = tuple(outputs) if outputs is not None else (steps[-1].result,)
    return Component(
        name=name,
        tenant=tenant,
        key_id=KEY,
        steps=steps,
        inputs=inputs,
        outputs=wanted,
        contract=contract,
        priority=priority,
    )


class Side(Protocol):
    """A client of an executor: encrypts for it and decrypts what it made."""

    @property
    def runner(self) -> ClearExecutor | DeviceExecutor: ...

    def value(self, fhe_type: FheType, number: int, noise: float = LOADED) -> Value: ...

    def number(self, value: Value) -> int: ...


class ClearSide:
    """One sample on clear numbers: every range and noise is checked as on a device."""

    def __init__(self) -> None:
        self.runner = ClearExecutor()

    def value(self, fhe_type: FheType, number: int, noise: float = LOADED) -> Value:
        return Value(fhe_type, tuple(self.runner.encrypt([number], fhe_type.bits, noise)))

    def number(self, value: Value) -> int:
        return self.runner.decrypt(value.blocks, 1)[0]


class DeviceSide:
    """Ciphertexts of a client key on a device."""

    def __init__(self, client: ClientKey, device: Device, seed: bytes = b"client") -> None:
        self.runner = DeviceExecutor(device)
        self._client = client
        self._source = SeededSource(seed)

    def value(self, fhe_type: FheType, number: int, noise: float = LOADED) -> Value:
        rows = encrypted(self._source, self._client, np.array(digits(number, blocks_of(fhe_type))))
        top = 2 if fhe_type is BOOL else 6  # largest value in halves
        return Value(fhe_type, tuple(Block.of(Wire(0, top, noise, row)) for row in rows))

    def number(self, value: Value) -> int:
        found = decrypted(self._client, self.ciphertexts(value))
        return sum(digit << (2 * i) for i, digit in enumerate(found))

    def ciphertexts(self, value: Value) -> Words:
        """Its bits, shape (blocks, k N + 1)."""
        return np.stack([self.runner.ciphertext(block) for block in value.blocks])


def window(side: Side, batch_size: int = 32, form: Form = Form.THROUGHPUT) -> WaveExecutor:
    return WaveExecutor(KEY, side.runner, batch_size, form)


def values(results: Sequence[Result]) -> dict[tuple[str, bytes], Value]:
    """What was computed, by component and handle; nothing may have failed."""
    computed = [each for each in results if isinstance(each, Computed)]
    assert len(computed) == len(results), results
    return {(each.component, each.handle): each.value for each in computed}


def settled(side: Side, *components: Component, batch_size: int = 32) -> list[Result]:
    """All results of components that are there from the beginning."""
    executor = window(side, batch_size)
    for each in components:
        executor.submit(each)
    return list(executor.drain())
