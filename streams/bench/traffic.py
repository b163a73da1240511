"""Blocks of token transfers, as contracts emitted one, each transfer with handles of its own.

`transfer.json` is the transaction "alice sends an encrypted input to bob" of the recordings.
"""

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from streams.domain.events import OperationEvent, decode_host_log
from streams.domain.facts import HostBlock, Log, host_tenant
from streams.domain.operands import handle_operands
from streams.domain.operations import BY_NAME
from streams.domain.words import WORD

CHAIN: Final = 12345
TENANT: Final = host_tenant(CHAIN, bytes(19) + b"\1")
_FIXED: Final = slice(21, 32)  # index, chain, type and version of a handle stay, its hash is a fresh one
_MARK: Final = CHAIN.to_bytes(8, "big")
_BLOCK_S: Final = 12


class _RecordedLog(msgspec.Struct, frozen=True, rename="camel"):
    address: str
    topics: tuple[str, ...]
    data: str
    log_index: int


class _Recording(msgspec.Struct, frozen=True, rename="camel"):
    transaction_hash: str
    logs: tuple[_RecordedLog, ...]


@cache
def recorded() -> tuple[Log, ...]:
    """The logs of one transfer."""
    source = (Path(__file__).parent / "transfer.json").read_bytes()
    recording = msgspec.json.decode(source, type=_Recording)
    return tuple(
        Log(
            address=_raw(log.address),
            topics=tuple(map(_raw, log.topics)),
            data=_raw(log.data),
            transaction_hash=_raw(recording.transaction_hash),
            log_index=log.log_index,
        )
        for log in recording.logs
    )


@cache
def operations() -> tuple[OperationEvent, ...]:
    """The operations of the recorded transfer that are computed."""
    events = (decode_host_log(log.topics, log.data) for log in recorded())
    unpaid = BY_NAME["VerifyInput"].code
    return tuple(event for event in events if isinstance(event, OperationEvent) and event.code != unpaid)


@cache
def _inputs() -> tuple[bytes, ...]:
    computed = {event.result for event in operations()}
    operands = (
        handle
        for event in operations()
        for handle in handle_operands(event.code, event.operands, event.is_scalar)
    )
    return tuple(dict.fromkeys(handle for handle in operands if handle not in computed))


def inputs(serial: int) -> tuple[bytes, ...]:
    """What the transfer of that number needs from outside: two balances and the amount."""
    return tuple(_fresh(handle, serial) for handle in _inputs())


def transfer(serial: int, first_index: int = 0) -> tuple[Log, ...]:
    """The transfer again, with handles and a transaction hash that no other number gives."""
    transaction = _hash(recorded()[0].transaction_hash, serial)
    return tuple(
        Log(
            address=log.address,
            topics=log.topics,
            data=_renamed(log.data, serial),
            transaction_hash=transaction,
            log_index=first_index + index,
        )
        for index, log in enumerate(recorded())
    )


def blocks(count: int, transfers: int, first: int = 0) -> Iterator[HostBlock]:
    """The chain from that block on, each with so many transfers; block 0 is its anchor."""
    for number in range(first, first + count):
        serials = range(number * transfers, (number + 1) * transfers)
        size = len(recorded())
        yield HostBlock(
            chain_id=CHAIN,
            number=number,
            hash=_block_hash(number),
            parent_hash=_block_hash(number - 1),
            timestamp=number * _BLOCK_S,
            logs=tuple(log for at, serial in enumerate(serials) for log in transfer(serial, at * size)),
            anchor=number == 0,
        )


def _renamed(data: bytes, serial: int) -> bytes:
    words = (data[at : at + WORD] for at in range(0, len(data), WORD))
    return b"".join(_fresh(word, serial) if word[22:30] == _MARK else word for word in words)


def _fresh(handle: bytes, serial: int) -> bytes:
    return _hash(handle, serial)[: _FIXED.start] + handle[_FIXED]


def _block_hash(number: int) -> bytes:
    return _hash(b"block", number)


def _hash(name: bytes, serial: int) -> bytes:
    return hashlib.sha256(name + serial.to_bytes(8, "big", signed=True)).digest()


def _raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
