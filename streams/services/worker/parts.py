"""Cuts the outputs of an item into records: by size, and by the time that the first one has waited."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final

from streams.domain.results import Ciphertext

RECORD_BYTES_MAX: Final = 256 * 1024  # of an encoded result
FLUSH_S: Final = 0.02  # an output waits for company no longer than this
_FRAME_BYTES: Final = 2 * 1024  # names and identities around the ciphertexts
_HANDLE_BYTES: Final = 48  # a handle in base64 with its quotes and comma
_CIPHERTEXT_BYTES: Final = 160  # names, handle and type around a ct64

Outputs = asyncio.Queue[Ciphertext | None]


def encoded_bytes(ciphertext: Ciphertext) -> int:
    """What a ciphertext takes in a record: base64 makes four bytes of three."""
    return _CIPHERTEXT_BYTES + (len(ciphertext.ct64) + 2) // 3 * 4


def split(ciphertexts: Sequence[Ciphertext], handles: int = 0) -> Iterator[tuple[Ciphertext, ...]]:
    """Groups that fit a record each, beside that many handles; one empty group for nothing."""
    room = RECORD_BYTES_MAX - _FRAME_BYTES - handles * _HANDLE_BYTES
    group: list[Ciphertext] = []
    used = 0
    for ciphertext in ciphertexts:
        size_bytes = encoded_bytes(ciphertext)
        if group and used + size_bytes > room:
            yield tuple(group)
            group, used = [], 0
        group.append(ciphertext)
        used += size_bytes
    # a verdict without ciphertexts still needs its record
    if group or not ciphertexts:
        yield tuple(group)


async def flushed(outputs: Outputs) -> AsyncIterator[tuple[Ciphertext, ...]]:
    """Groups of outputs as they come, until None: each fits a record, none waits longer than FLUSH_S."""
    while (first := await outputs.get()) is not None:
        group, is_last = await _gather(first, outputs)
        for part in split(group):
            yield part
        if is_last:
            return


async def _gather(first: Ciphertext, outputs: Outputs) -> tuple[list[Ciphertext], bool]:
    group: list[Ciphertext] = [first]
    try:
        async with asyncio.timeout(FLUSH_S):
            return group, await _fill(group, outputs)
    except TimeoutError:
        return group, False


async def _fill(group: list[Ciphertext], outputs: Outputs) -> bool:
    """Add outputs until a record is full, or, which gives True, until there are no more."""
    used = sum(map(encoded_bytes, group))
    while used < RECORD_BYTES_MAX - _FRAME_BYTES:
        if (output := await outputs.get()) is None:
            return True
        group.append(output)
        used += encoded_bytes(output)
    return False
