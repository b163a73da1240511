"""The engine `wave` as a suite: components from stored ciphertexts to stored ciphertexts."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from typing import Final, Self

import msgspec

from streams.domain.errors import OperationError
from streams.domain.handle import COMPUTED_INDEX, stamp
from streams.domain.operations import FheType
from streams.domain.results import Ciphertext
from streams.domain.rules import encrypted_operands
from streams.domain.work import ComputeWork, Step
from streams.fhe import coverage
from streams.fhe.keyset import KeyFiles
from streams.fhe.radix.block import Block
from streams.fhe.radix.device_executor import DeviceExecutor
from streams.fhe.radix.steps import LookUp
from streams.fhe.suite import Encrypted, Operand
from streams.fhe.wave.component import Component, Computed, Failed, Value
from streams.fhe.wave.executor import WaveExecutor
from streams.fhe.wave.key_files import WaveKeys, derived, opened
from streams.fhe.wave.storage import Storage

_ATTEMPTS: Final = 3  # of the measurement of a look-up
_SINGLE: Final = "single operation"


class WaveCompute:
    """Computes components of one key set: intermediate values stay on the device and are never compressed."""

    def __init__(self, keys: WaveKeys) -> None:
        self._device = keys.device
        self._executor = DeviceExecutor(keys.device)
        self._storage = Storage(keys.storage, keys.re_randomise, self._executor)

    @classmethod
    def open(cls, files: KeyFiles, threads: int = 1) -> Self:
        """Attaches the keys, most of which processes share; derives them where they are missing.

        Raises:
            KeyMissing: the activated key set does not lie beside the files.
            KeyMaterialError: it is not of the release and the parameters that can be read.
        """
        return cls(opened(derived(files.folder.with_name("keyset")), threads))

    def lookup_s(self) -> float:
        """Seconds of one look-up, the least of a few."""
        wire = self._executor.seeded(b"measured", 1)[0]
        return min(self._seconds(wire) for _ in range(_ATTEMPTS))

    def execute(self, operation: int, operands: Sequence[Operand], out_type: int) -> bytes:
        """The result's ct64, of one operation alone; raises OperationError."""
        kind = coverage.checked(operation, operands, out_type)
        is_encrypted = tuple(isinstance(each, Encrypted) for each in operands)
        is_scalar = is_encrypted != tuple(encrypted_operands(kind, len(operands), False))
        names = [_name(index, each) for index, each in enumerate(operands)]
        result = stamp(hashlib.sha256(b"result").digest(), COMPUTED_INDEX, 1, out_type)
        step = Step(
            operation=operation, operands=tuple(names), is_scalar=is_scalar, result=result, fhe_type=out_type
        )
        inputs = {
            name: each for name, each in zip(names, operands, strict=True) if isinstance(each, Encrypted)
        }
        return next(self._computed((step,), inputs, (result,))).ct64

    def cache_counts(self) -> tuple[int, int]:
        """No operand is kept from one component to the next."""
        return 0, 0

    def outputs(self, work: ComputeWork) -> Iterator[Ciphertext]:
        """The wanted outputs of a component, those of one batch together; raises OperationError."""
        inputs = {given.handle: Encrypted(given.fhe_type, given.ct64) for given in work.inputs}
        return self._computed(work.steps, inputs, work.outputs)

    def _computed(
        self, steps: tuple[Step, ...], inputs: dict[bytes, Encrypted], outputs: tuple[bytes, ...]
    ) -> Iterator[Ciphertext]:
        window = WaveExecutor.on(b"", self._device)
        values = self._storage.load(list(inputs.values()), msgspec.msgpack.encode(steps))
        component = Component(
            name=_SINGLE,
            tenant="",
            key_id=b"",
            steps=steps,
            inputs=dict(zip(inputs, values, strict=True)),
            outputs=outputs,
        )
        window.submit(component)
        while not window.is_idle:
            yield from self._stored([_value(result) for result in window.advance()])

    def _stored(self, computed: list[tuple[bytes, Value]]) -> Iterator[Ciphertext]:
        if not computed:
            return
        ct64s = self._storage.store([value for _, value in computed])
        for (handle, value), ct64 in zip(computed, ct64s, strict=True):
            yield Ciphertext(handle=handle, fhe_type=value.fhe_type, ct64=ct64)

    def _seconds(self, block: Block) -> float:
        started = time.perf_counter()
        self._executor.run([LookUp(block, (_zero,))])
        return time.perf_counter() - started


def _name(index: int, operand: Operand) -> bytes:
    if isinstance(operand, Encrypted):
        return stamp(
            hashlib.sha256(index.to_bytes(4, "big")).digest(), COMPUTED_INDEX, 1, FheType(operand.fhe_type)
        )
    return operand.value


def _value(result: Computed | Failed) -> tuple[bytes, Value]:
    if isinstance(result, Failed):
        raise OperationError(str(result.error)) from result.error
    return result.handle, result.value


def _zero(value: int) -> int:
    return 0 * value
