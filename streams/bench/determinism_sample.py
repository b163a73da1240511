"""What is computed in every way: stored numbers of random words, and components that take them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import msgspec
import numpy as np

from streams.domain.operations import FheType
from streams.domain.results import Ciphertext
from streams.domain.work import ComputeWork, Step
from streams.fhe.devices.packing import Rounded
from streams.fhe.devices.randomness import SeededSource, Source
from streams.fhe.devices.words import Word
from streams.fhe.formats.ciphertext_list import PackedNumber, write_number
from streams.fhe.parameters import COMPRESSION, WORD_BITS
from streams.fhe.radix.operations import blocks_of
from streams.fhe.wave.measure import examples_transfer, handle, step, work_of

_SHIFT: Final = Word(WORD_BITS - COMPRESSION.storage_log2)


@dataclass(frozen=True)
class Sample:
    """Numbers, components, and one whose results nobody looks at."""

    packed: tuple[Rounded, ...]
    works: tuple[ComputeWork, ...]  # an item's name is that of the operation
    stranger: ComputeWork

    @classmethod
    def made(cls, seed: bytes, steps: int, fhe_type: FheType = FheType.UINT8) -> Self:
        """The same sample for the same seed.

        Args:
            seed: of the numbers.
            steps: that the rotation of a stored block takes, at most.
            fhe_type: of the numbers.
        """
        source = SeededSource(b"numbers of " + seed)
        handles = [handle(name, fhe_type) for name in ("balance", "receiver", "amount")]
        packed = tuple(_packed(source, steps, blocks_of(fhe_type)) for _ in handles)
        given = [
            Ciphertext(handle=each, fhe_type=fhe_type, ct64=_written(words))
            for each, words in zip(handles, packed, strict=True)
        ]
        balance, receiver, _ = given
        result = handle("other", fhe_type)
        other = step("BitXor", balance.handle, receiver.handle, result=result)
        return cls(
            packed,
            (_transfer(given, fhe_type), _random(seed, fhe_type)),
            _work("stranger", (other,), (balance, receiver), (result,)),
        )


def _packed(source: Source, steps: int, blocks: int) -> Rounded:
    # A word of zero turns nothing, and the CPU leaves its step out: a sparse mask takes few steps of a key
    # that has all of them.
    mask = np.zeros(COMPRESSION.dimension, np.uint64)
    places = np.linspace(0, len(mask) - 1, min(steps, len(mask)), dtype=np.int64)
    mask[places] = source.uniform(places.shape) >> _SHIFT
    bodies = source.uniform((blocks,)) >> _SHIFT
    return np.concatenate([mask, bodies]).astype(np.uint16)


def _written(words: Rounded) -> bytes:
    return write_number(PackedNumber(False, len(words) - COMPRESSION.dimension, (words,)))


def _transfer(given: Sequence[Ciphertext], fhe_type: FheType) -> ComputeWork:
    outputs = (handle("left", fhe_type), handle("received", fhe_type))
    return _work("transfer", examples_transfer(fhe_type), tuple(given), outputs)


def _random(seed: bytes, fhe_type: FheType) -> ComputeWork:
    result = handle("drawn", fhe_type)
    drawn = step("Rand", seed.ljust(32, b"\0"), bytes([fhe_type]), result=result)
    return _work("random", (msgspec.structs.replace(drawn, is_scalar=True),), (), (result,))


def _work(
    item: str, steps: tuple[Step, ...], inputs: tuple[Ciphertext, ...], outputs: tuple[bytes, ...]
) -> ComputeWork:
    # Each of a tenant of its own: they share batches all the same.
    return work_of(item, steps, inputs, outputs, tenant=item)
