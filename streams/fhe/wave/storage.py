"""Between stored ciphertexts and blocks on a device."""

import hashlib
from collections.abc import Sequence
from typing import Final

import numpy as np

from streams.domain.operations import FheType
from streams.fhe.devices.cpu_storage import CpuStorage
from streams.fhe.devices.re_randomisation import ReRandomiser
from streams.fhe.formats.ciphertext_list import PackedNumber, read_number, write_number
from streams.fhe.radix.block import DIGIT_MAX, Block, Wire
from streams.fhe.radix.device_executor import DeviceExecutor
from streams.fhe.radix.steps import LookUp
from streams.fhe.suite import Encrypted
from streams.fhe.wave.component import Value

_SEED_DOMAIN: Final = b"wave re-randomisation"
_SEED_BYTES: Final = 32


class Storage:
    """Loads and stores numbers of one key set."""

    def __init__(self, storage: CpuStorage, re_randomise: ReRandomiser, executor: DeviceExecutor) -> None:
        self._storage = storage
        self._re_randomise = re_randomise
        self._executor = executor

    def load(self, stored: Sequence[Encrypted], context: bytes) -> list[Value]:
        """Numbers ready to compute with, decompressed in one batch and re-randomised.

        Args:
            stored: ct64s with the types that they should have.
            context: what is computed with them; with the ct64s it decides what is added.

        Raises:
            OperationError: bytes that are no stored number of that type.
        """
        numbers = [_checked(each) for each in stored]
        glwes = [glwe for number in numbers for glwe in number.glwes]
        rows = iter(self._storage.decompress(glwes) if glwes else ())
        values = list[Value]()
        for index, (each, number) in enumerate(zip(stored, numbers, strict=True)):
            blocks = np.concatenate([next(rows) for _ in number.glwes])
            fresh = self._re_randomise(blocks, _seed(context, index, each.ct64))
            high = 1 if number.is_bool else DIGIT_MAX
            wires = tuple(Block.of(Wire(0, 2 * high, 1, row)) for row in fresh)
            values.append(Value(FheType(each.fhe_type), wires))
        return values

    def store(self, values: Sequence[Value]) -> list[bytes]:
        """The ct64s of numbers; a block that is not fresh is bootstrapped once more, all in one batch."""
        stale = {block: None for value in values for block in value.blocks if not _is_fresh(block)}
        refreshed = self._executor.run([LookUp(block, (_same,)) for block in stale])
        fresh = {block: outputs[0] for block, outputs in zip(stale, refreshed, strict=True)}
        return [self._stored(value, [fresh.get(block, block) for block in value.blocks]) for value in values]

    def _stored(self, value: Value, blocks: Sequence[Block]) -> bytes:
        words = np.stack([self._executor.ciphertext(block) for block in blocks])
        packed = self._storage.compress(words)
        return write_number(PackedNumber(value.fhe_type == FheType.BOOL, len(blocks), packed))


def _checked(stored: Encrypted) -> PackedNumber:
    number = read_number(stored.ct64)
    number.require(FheType(stored.fhe_type))
    return number


def _seed(context: bytes, index: int, ct64: bytes) -> bytes:
    digest = hashlib.shake_256(_SEED_DOMAIN)
    for part in (context, index.to_bytes(8, "big"), ct64):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest(_SEED_BYTES)


def _is_fresh(block: Block) -> bool:
    """Whether it may be packed as it is: a bootstrap's noise at most, and no carry."""
    return block.noise <= 1 and block.low >= 0 and block.high <= DIGIT_MAX


def _same(value: int) -> int:
    return value
