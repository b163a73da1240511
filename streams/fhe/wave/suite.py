"""The engine `wave` as a suite: components from stored ciphertexts to stored ciphertexts."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Self

import msgspec

from streams.domain.handle import COMPUTED_INDEX, stamp
from streams.domain.operations import FheType
from streams.domain.results import Ciphertext
from streams.domain.rules import encrypted_operands
from streams.domain.work import ComputeWork, Step
from streams.fhe import coverage
from streams.fhe.device_choice import DeviceName
from streams.fhe.keyset import KeyFiles
from streams.fhe.radix.device_executor import DeviceExecutor
from streams.fhe.suite import Encrypted, Operand, Tally
from streams.fhe.wave.calibration import lookup_s
from streams.fhe.wave.executor import WaveExecutor
from streams.fhe.wave.items import Item
from streams.fhe.wave.key_files import WaveKeys, derived
from streams.fhe.wave.metered import Meter, MeteredDevice, MeteredStorage
from streams.fhe.wave.on_device import opened_on
from streams.fhe.wave.storage import Given, Storage
from streams.fhe.wave.window import Window


class WaveCompute:
    """Computes components of one key set: intermediate values stay on the device and are never compressed.

    The components of all threads share a window.
    """

    def __init__(self, keys: WaveKeys) -> None:
        # not metered: what calibrates fills no batch
        self._calibrated = DeviceExecutor(keys.device)
        self._meter = Meter(keys.device.batch_size)
        device = MeteredDevice(keys.device, self._meter)
        self._storage = Storage(
            MeteredStorage(keys.storage, self._meter), keys.re_randomise, DeviceExecutor(device)
        )
        self._window = Window(lambda: WaveExecutor.on(b"", device), self._storage, keys.drivers)

    @classmethod
    def open(cls, files: KeyFiles, threads: int = 1, device: DeviceName = "cpu") -> Self:
        """Attaches the keys, most of which processes share; derives them where they are missing.

        Raises:
            ConfigurationError: the device is not there.
            KeyMissing: the activated key set does not lie beside the files.
            KeyMaterialError: it is not of the release and the parameters that can be read.
        """
        return cls(opened_on(device, derived(files.folder.with_name("keyset")), threads))

    def lookup_s(self) -> float:
        """Seconds of one look-up, the least of a few."""
        return lookup_s(self._calibrated)

    def execute(self, operation: int, operands: Sequence[Operand], out_type: int) -> bytes:
        """The result's ct64, of one operation alone; raises OperationError."""
        kind = coverage.checked(operation, operands, out_type)
        # The port has no scalar flag, a step has one: it is what makes these operands' kinds those that
        # were given.
        is_encrypted = tuple(isinstance(each, Encrypted) for each in operands)
        is_scalar = is_encrypted != tuple(encrypted_operands(kind, len(operands), False))
        # By place: x + x are two inputs here, each with zeros of its own.
        names = [_name(index, each) for index, each in enumerate(operands)]
        result = stamp(hashlib.sha256(b"result").digest(), COMPUTED_INDEX, 1, out_type)
        step = Step(
            operation=operation, operands=tuple(names), is_scalar=is_scalar, result=result, fhe_type=out_type
        )
        # plain operands stand in the step itself and are no inputs
        inputs = {
            name: each for name, each in zip(names, operands, strict=True) if isinstance(each, Encrypted)
        }
        return next(self._computed((step,), inputs, (result,))).ct64

    def tally(self) -> Tally:
        """Of decompressed operands, and how full the batches were, decompression and refreshing included."""
        cache = self._storage.cache
        return Tally(cache.hits, cache.misses, *self._meter.reading)

    def outputs(self, work: ComputeWork) -> Iterator[Ciphertext]:
        """The wanted outputs of a component; items of other threads run beside it. Raises OperationError."""
        inputs = {given.handle: Encrypted(given.fhe_type, given.ct64) for given in work.inputs}
        return self._computed(work.steps, inputs, work.outputs, work.tenant)

    def _computed(
        self,
        steps: tuple[Step, ...],
        inputs: dict[bytes, Encrypted],
        outputs: tuple[bytes, ...],
        tenant: str = "",
    ) -> Iterator[Ciphertext]:
        given = Given.of(tuple(inputs.values()), msgspec.msgpack.encode(steps))
        item = Item(tenant=tenant, steps=steps, handles=tuple(inputs), given=given, outputs=outputs)
        return self._window.outputs(item)


def _name(index: int, operand: Operand) -> bytes:
    if isinstance(operand, Encrypted):
        return stamp(
            hashlib.sha256(index.to_bytes(4, "big")).digest(), COMPUTED_INDEX, 1, FheType(operand.fhe_type)
        )
    return operand.value
