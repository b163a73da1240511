"""Reading what the crates `bincode` and `tfhe-versionable` write: little-endian, not aligned, not named.

Every versioned struct begins with its version, every enum with its variant, both as 32 bits. A file of
another release shows in them, so each one is compared and nothing is guessed.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.domain.errors import KeyMaterialError

_WORD_BYTES: Final = 8


class Cursor:
    """A place in a file that moves forward; methods raise KeyMaterialError where something else stands."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self.at = 0

    def u8(self) -> int:
        """One byte."""
        return self._number(1)

    def u32(self) -> int:
        """Four bytes."""
        return self._number(4)

    def u64(self) -> int:
        """Eight bytes."""
        return self._number(8)

    def u128(self) -> int:
        """Sixteen bytes."""
        return self._number(16)

    def marks(self, *expected: int) -> None:
        """Versions and variants, 32 bits each, that have to be these."""
        # One call for a run of them: structs are nested, and their versions stand together at the front.
        for mark in expected:
            place = self.at
            self._require(self.u32() == mark, place, f"version or variant {mark}")

    def choice(self, count: int) -> int:
        """One of so many variants, 32 bits."""
        place = self.at
        variant = self.u32()
        self._require(variant < count, place, f"variant below {count}")
        return variant

    def present(self) -> None:
        """An optional part that has to be there."""
        place = self.at
        self._require(self.u8() == 1, place, "a part that is present")

    def optional(self) -> bool:
        """Whether an optional part is there."""
        place = self.at
        flag = self.u8()
        self._require(flag in (0, 1), place, "flag of an optional part")
        return flag == 1

    def wrapped(self, expected: int | None = None) -> int:
        """A number in a struct of its own, version 0; of one value if that is given."""
        self.marks(0)
        place = self.at
        value = self.u64()
        self._require(expected is None or value == expected, place, f"the number {expected}")
        return value

    def exactly(self, expected: int) -> None:
        """A count that has to be this one."""
        place = self.at
        self._require(self.u64() == expected, place, f"the count {expected}")

    def bounded(self, most: int) -> int:
        """A count that is at least one and at most this one."""
        place = self.at
        count = self.u64()
        self._require(1 <= count <= most, place, f"count from 1 to {most}")
        return count

    def text(self, expected: str) -> None:
        """A string that has to be this one."""
        place = self.at
        self._require(bytes(self.raw()) == expected.encode(), place, repr(expected))

    def taken(self, size: int) -> memoryview:
        """So many bytes."""
        return self._take(size)

    def raw(self) -> memoryview:
        """Bytes behind their count."""
        # Not bounded, as nothing is allocated: a view cannot be longer than the file.
        return self._take(self.u64())

    def words(self, count: int) -> NDArray[np.uint64]:
        """Words of 64 bits behind their count, which has to be this one; mapped, not copied."""
        # The count is known from the parameters, never taken from the file: a forged one cannot ask for
        # memory.
        self.exactly(count)
        return np.frombuffer(self._take(count * _WORD_BYTES), np.uint64)

    def words_up_to(self, most: int) -> NDArray[np.uint64]:
        """Words behind their count, which is at least one and at most this one."""
        # Bounded where the count is the file's own: it says how many blocks were packed.
        return np.frombuffer(self._take(self.bounded(most) * _WORD_BYTES), np.uint64)

    def wide_words(self, count: int) -> NDArray[np.uint64]:
        """Words of 128 bits behind their count, which has to be this one: (count, 2), low half first."""
        self.exactly(count)
        return np.frombuffer(self._take(2 * count * _WORD_BYTES), np.uint64).reshape(count, 2)

    def end(self) -> None:
        """Nothing follows."""
        self._require(self.at == len(self._data), self.at, "the end")

    def _number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "little")

    def _take(self, size: int) -> memoryview:
        # Before the slice: Python would shorten it silently, and a cut file would be read as a shorter key.
        self._require(size <= len(self._data) - self.at, self.at, f"{size} bytes more")
        # A view: a key set has hundreds of megabytes, and every key is copied once only, when it is
        # expanded.
        taken = self._data[self.at : self.at + size]
        self.at += size
        return taken

    def _require(self, holds: bool, place: int, what: str) -> None:
        if not holds:
            # The place is what helps: `formats/xof_key_set` reads in the order of the file, so the byte
            # tells which struct has changed between two releases.
            raise KeyMaterialError(f"the key set is not of this release: no {what} at byte {place}")
