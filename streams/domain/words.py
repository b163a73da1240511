"""Contract data by 32-byte words: strict readers for what events carry.

Every reader checks its bounds and that unused bytes are zero, so that two nodes that decode a log cannot
come to different values. Positions and offsets are in bytes.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeVar

from streams.domain.errors import UndecodableLog

WORD: Final = 32
_RECENT: Final = 4096  # callers and accounts, most of which come again and again
_COLUMN_BITS: Final = 63  # of a signed bigint, without its sign

_T = TypeVar("_T")


def word(data: bytes, at: int) -> bytes:
    """The word that begins there."""
    # a slice is silently shorter at the end: its length is the check
    found = data[at : at + WORD]
    if len(found) != WORD:
        raise UndecodableLog(f"the data ends at {len(data)}, within the word at {at}")
    return found


def words(data: bytes, count: int) -> tuple[bytes, ...]:
    """All words of data that has exactly that many."""
    if len(data) != count * WORD:
        raise UndecodableLog(f"{len(data)} bytes of data, {count * WORD} are due")
    return tuple([data[at : at + WORD] for at in range(0, len(data), WORD)])


def unsigned(value: bytes, size_bytes: int = WORD) -> int:
    """The number in a word, which must fit that many bytes."""
    number = int.from_bytes(value, "big")
    if number >> (8 * size_bytes):
        raise UndecodableLog(f"{number} does not fit {size_bytes} bytes")
    return number


def stored(value: bytes) -> int:
    """A number that the state's columns can hold: contracts count these up, or choose small ones."""
    number = int.from_bytes(value, "big")
    if number >> _COLUMN_BITS:
        raise UndecodableLog(f"{number} does not fit {_COLUMN_BITS} bits")
    return number


@lru_cache(_RECENT)
def address(value: bytes) -> bytes:
    """The 20 bytes of an address."""
    return _right(value, 20)


def type_byte(value: bytes) -> bytes:
    """A uint8, as one byte."""
    return _right(value, 1)


def left_bytes(value: bytes, size_bytes: int) -> bytes:
    """A bytesN value: from the left, zeros behind."""
    if value[size_bytes:].strip(b"\0"):
        raise UndecodableLog(f"more than {size_bytes} bytes in a bytes{size_bytes}")
    return value[:size_bytes]


def offset(data: bytes, at: int, base: int = 0) -> int:
    """Where the tail lies that the head word there points to; offsets count from `base`."""
    # 64 bits: an offset above would not fit any data, and must not become a huge Python number
    relative = unsigned(word(data, at), 8)
    if base + relative > len(data):
        raise UndecodableLog(f"the offset at {at} points behind the data's end")
    return base + relative


def tail_bytes(data: bytes, at: int) -> bytes:
    """A `bytes` whose length word is there; its padding must be present and zero."""
    size_bytes = unsigned(word(data, at), 8)
    start = at + WORD
    padded = start + (size_bytes + WORD - 1) // WORD * WORD
    if padded > len(data):
        raise UndecodableLog(f"{size_bytes} bytes announced at {at}, the data ends at {len(data)}")
    # Two encodings of one value must not exist: what one node takes and another refuses would split
    # operators.
    if any(data[start + size_bytes : padded]):
        raise UndecodableLog(f"the padding of the bytes at {at} is not zero")
    return data[start : start + size_bytes]


def tail_text(data: bytes, at: int) -> str:
    """A `string` whose length word is there."""
    try:
        return tail_bytes(data, at).decode()
    except UnicodeDecodeError as error:
        raise UndecodableLog(f"the text at {at} is not UTF-8") from error


def word_array(data: bytes, at: int) -> tuple[bytes, ...]:
    """An array of static words whose length word is there."""
    count = _count(data, at)
    start = at + WORD
    return tuple(data[place : place + WORD] for place in range(start, start + count * WORD, WORD))


def tail_array(data: bytes, at: int, read: Callable[[bytes, int], _T]) -> tuple[_T, ...]:
    """An array of dynamic elements whose length word is there; `read` takes the data and a place."""
    base = at + WORD
    return tuple(read(data, offset(data, base + i * WORD, base)) for i in range(_count(data, at)))


def _count(data: bytes, at: int) -> int:
    # Checked before anything is allocated: each element takes at least its word.
    count = unsigned(word(data, at), 8)
    if at + WORD + count * WORD > len(data):
        raise UndecodableLog(f"{count} elements announced at {at}, the data ends at {len(data)}")
    return count


def _right(value: bytes, size_bytes: int) -> bytes:
    if value[:-size_bytes].strip(b"\0"):
        raise UndecodableLog(f"more than {size_bytes} bytes in the word {value.hex()}")
    return value[-size_bytes:]
