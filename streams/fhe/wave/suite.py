"""The engine `wave` as a suite: components from stored ciphertexts to stored ciphertexts."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Self

import msgspec

from streams.domain.handle import COMPUTED_INDEX, stamp
from streams.domain.operations import FheType
from streams.domain.results import Ciphertext
from streams.domain.rules import scalar_flag
from streams.domain.work import ComputeWork, Step
from streams.fhe import coverage
from streams.fhe.device_choice import DeviceName
from streams.fhe.keyset import KeyFiles
from streams.fhe.radix.device_executor import DeviceExecutor
from streams.fhe.suite import Encrypted, Operand, Tally
from streams.fhe.wave.calibration import lookup_s
from streams.fhe.wave.exam import Exam
from streams.fhe.wave.executor import WaveExecutor
from streams.fhe.wave.items import Item
from streams.fhe.wave.keys import WaveKeys
from streams.fhe.wave.metered import Meter, MeteredDevice, MeteredStorage
from streams.fhe.wave.on_device import derived_for, opened_on
from streams.fhe.wave.reserve import Reserve
from streams.fhe.wave.service import KNOWN_ANSWER_EVERY, Service
from streams.fhe.wave.storage import Given, Storage
from streams.fhe.wave.window import Window

# Of the words that operations give from the same stored inputs: raise it when they change on purpose.
# Operators that have to agree on digests run the same one.
RELEASE: Final = "wave results 2"


class WaveCompute:
    """Computes components of one key set: intermediate values stay on the device and are never compressed.

    The components of all threads share a window.
    """

    def __init__(
        self,
        keys: WaveKeys,
        known_answer_every: int = KNOWN_ANSWER_EVERY,
        reserve: Reserve | None = None,
    ) -> None:
        """Raises DevicesLost where no device answers rightly."""
        self._service = Service(keys.units, Exam.set_by(keys.oracle), known_answer_every)
        # On a device that is in service. Not metered: what calibrates fills no batch.
        self._calibrated = DeviceExecutor(self._service)
        # Outside of the watch: known answers fill no batch either.
        self._meter = Meter(self._service.batch_size)
        device = MeteredDevice(self._service, self._meter)
        self._storage = Storage(
            MeteredStorage(self._service, self._meter), keys.re_randomise, DeviceExecutor(device)
        )
        self._service.on_out = self._storage.cache.clear
        self._window = Window(
            lambda: WaveExecutor.on(b"", device, reserve=reserve),
            self._storage,
            keys.drivers,
            self._service,
            keys.batches,
        )

    @classmethod
    def open(
        cls,
        files: KeyFiles,
        threads: int = 1,
        device: DeviceName = "cpu",
        known_answer_every: int = KNOWN_ANSWER_EVERY,
        reserve: Reserve | None = None,
    ) -> Self:
        """Attaches the keys, most of which processes share; derives them where they are missing.

        Raises:
            ConfigurationError: the device is not there.
            DevicesLost: no device answers rightly.
            KeyMissing: the activated key set does not lie beside the files.
            KeyMaterialError: it is not of the release and the parameters that can be read.
        """
        keys = opened_on(device, derived_for(device, files.folder.with_name("keyset")), threads)
        return cls(keys, known_answer_every, reserve)

    def lookup_s(self) -> float:
        """Seconds of one look-up, the least of a few."""
        return lookup_s(self._calibrated)

    def execute(self, operation: int, operands: Sequence[Operand], out_type: int) -> bytes:
        """The result's ct64, of one operation alone; raises OperationError."""
        kind = coverage.checked(operation, operands, out_type)
        # The port has no scalar flag, a step has one.
        is_scalar = scalar_flag(kind, [isinstance(each, Encrypted) for each in operands])
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
        item = Item(
            tenant="",
            steps=(step,),
            handles=tuple(inputs),
            given=_given(inputs, (step,)),
            outputs=(result,),
        )
        return next(self._window.outputs(item)).ct64

    def tally(self) -> Tally:
        """Of decompressed operands, how full the batches were, and what devices were asked.

        Batches include decompression and refreshing.
        """
        cache = self._storage.cache
        return Tally(cache.hits, cache.misses, *self._meter.reading, *self._service.reading)

    def outputs(self, work: ComputeWork) -> Iterator[Ciphertext]:
        """The wanted outputs of a component; items of other threads run beside it. Raises OperationError."""
        inputs = {given.handle: Encrypted(given.fhe_type, given.ct64) for given in work.inputs}
        item = Item(
            tenant=work.tenant,
            contract=work.contract,
            priority=work.priority,
            steps=work.steps,
            handles=tuple(inputs),
            given=_given(inputs, work.steps),
            outputs=work.outputs,
        )
        return self._window.outputs(item)


def _given(inputs: Mapping[bytes, Encrypted], steps: tuple[Step, ...]) -> Given:
    return Given.of(tuple(inputs.values()), msgspec.msgpack.encode(steps))


def _name(index: int, operand: Operand) -> bytes:
    if isinstance(operand, Encrypted):
        return stamp(
            hashlib.sha256(index.to_bytes(4, "big")).digest(), COMPUTED_INDEX, 1, FheType(operand.fhe_type)
        )
    return operand.value
