"""Between stored ciphertexts and blocks on a device."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, Self

import numpy as np

from streams.domain.operations import FheType
from streams.fhe.devices.port import BlockStorage
from streams.fhe.devices.words import Words
from streams.fhe.formats.ciphertext_list import PackedNumber, read_number, write_number
from streams.fhe.radix.block import DIGIT_MAX, Block, Wire
from streams.fhe.radix.device_executor import DeviceExecutor
from streams.fhe.radix.steps import BUDGET, LOADED, LookUp
from streams.fhe.suite import Encrypted
from streams.fhe.wave.component import Value
from streams.fhe.wave.decompressed import CACHE_BYTES_MAX, Decompressed

# A domain of its own: what comes out is not the bytes of `tfhe-rs`, so its seeds are not to go in.
_SEED_DOMAIN: Final = b"wave re-randomisation"
_SEED_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Given:
    """Stored numbers that are computed with together."""

    numbers: tuple["StoredNumber", ...]
    context: bytes  # what is computed with them; with the ct64s it decides how they are re-randomised

    @classmethod
    def of(cls, stored: Sequence[Encrypted], context: bytes) -> Self:
        """Reads ct64s.

        Args:
            stored: with the types that they should have.
            context: as above.

        Raises:
            OperationError: bytes that are no stored number of that type.
        """
        return cls(tuple(StoredNumber.of(each) for each in stored), context)


@dataclass(frozen=True, slots=True)
class StoredNumber:
    """A ct64 that was read."""

    fhe_type: FheType
    digest: bytes  # of the ct64
    packed: PackedNumber

    @classmethod
    def of(cls, stored: Encrypted) -> Self:
        """Raises OperationError when these are not the bytes of such a number."""
        packed = read_number(stored.ct64)
        packed.require(FheType(stored.fhe_type))
        return cls(FheType(stored.fhe_type), hashlib.sha256(stored.ct64).digest(), packed)


class ReRandomises(Protocol):
    """Adds encryptions of zero to numbers, by their seeds."""

    def __call__(self, numbers: Sequence[tuple[Words, bytes]]) -> list[Words]: ...


class Storage:
    """Loads and stores numbers of one key set, for several threads at once."""

    def __init__(
        self,
        storage: BlockStorage,
        re_randomise: ReRandomises,
        executor: DeviceExecutor,
        cache_bytes_max: int = CACHE_BYTES_MAX,
    ) -> None:
        self._storage = storage
        self._re_randomise = re_randomise
        self._executor = executor
        self.cache = Decompressed(cache_bytes_max)

    def load(self, given: Sequence[Given]) -> list[list[Value]]:
        """Numbers ready to compute with, all of them decompressed in one batch and re-randomised."""
        blocks = self._decompressed([number for each in given for number in each.numbers])
        seeds = [
            _seed(each.context, index, number.digest)
            for each in given
            for index, number in enumerate(each.numbers)
        ]
        fresh = iter(self._re_randomise(list(zip(blocks, seeds, strict=True))))
        return [[_value(number, next(fresh)) for number in each.numbers] for each in given]

    def _decompressed(self, numbers: Sequence[StoredNumber]) -> list[Words]:
        # What several ask for is decompressed once, and what was asked for lately not at all.
        generation = self.cache.generation
        found = {number.digest: self.cache.get(number.digest) for number in numbers}
        missing = {number.digest: number for number in numbers if found[number.digest] is None}
        glwes = [glwe for number in missing.values() for glwe in number.packed.glwes]
        rows = iter(self._storage.decompress(glwes) if glwes else ())
        made = {
            digest: np.concatenate([next(rows) for _ in number.packed.glwes])
            for digest, number in missing.items()
        }
        for digest, blocks in made.items():
            self.cache.put(digest, blocks, generation)
        known = {digest: blocks for digest, blocks in found.items() if blocks is not None} | made
        return [known[number.digest] for number in numbers]

    def store(self, values: Sequence[Value]) -> list[bytes]:
        """The ct64s of numbers; blocks that must not be packed as they are are bootstrapped, in one batch."""
        # Once for each block, also where two values share it (equal terms are equal blocks).
        stale = {block: None for value in values for block in value.blocks if not _is_storable(block)}
        refreshed = self._executor.run([LookUp(block, (_same,)) for block in stale])
        fresh = {block: outputs[0] for block, outputs in zip(stale, refreshed, strict=True)}
        return [self._stored(value, [fresh.get(block, block) for block in value.blocks]) for value in values]

    def _stored(self, value: Value, blocks: Sequence[Block]) -> bytes:
        # A known digit has no wire: it is stored as a trivial ciphertext, which decrypts like any other.
        words = self._executor.ciphertexts(blocks)
        packed = self._storage.compress(words)
        return write_number(PackedNumber(value.fhe_type == FheType.BOOL, len(blocks), packed))


def _value(number: StoredNumber, blocks: Words) -> Value:
    high = 1 if number.packed.is_bool else DIGIT_MAX
    return Value(number.fhe_type, tuple(Block.of(Wire(0, 2 * high, LOADED, row)) for row in blocks))


def _seed(context: bytes, index: int, ct64_digest: bytes) -> bytes:
    digest = hashlib.shake_256(_SEED_DOMAIN)
    for part in (context, index.to_bytes(8, "big"), ct64_digest):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest(_SEED_BYTES)


def _is_storable(block: Block) -> bool:
    """Whether it may be packed as it is: no carry, and no more noise than a look-up's input may have."""
    # The stored scale leaves no room above a digit. Noise is no concern: boxes are four times as wide as a
    # look-up's, and what packing adds is more than all that may be looked up (`storage_noise`: 2^-262).
    return block.noise <= BUDGET and block.low >= 0 and block.high <= DIGIT_MAX


def _same(value: int) -> int:
    return value
