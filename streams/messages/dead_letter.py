"""Records of `dlq.v1`: original key, value and headers untouched, the failure in headers of its own."""

from typing import Final

import msgspec

from streams.domain.errors import CipherstreamError, Undecodable
from streams.messages import headers
from streams.messages.topics import DLQ
from streams.ports import Headers, Log, Position, Record

# Clients refuse records above 1,000,000 bytes, and others than ours may have sent larger ones.
LETTER_BYTES_MAX: Final = 900_000
_HEADERS_BYTES_MAX: Final = 64 * 1024
_KEY_BYTES_MAX: Final = 1024


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a record ended here."""

    error: str
    error_class: str
    service: str  # service@version
    origin: str  # topic/partition/offset


def origin_of(record: Record) -> str:
    """Where a record was delivered first; kept when it was moved before."""
    here = f"{record.topic}/{record.partition}/{record.offset}"
    try:
        return headers.get(record.headers, headers.ORIGIN) or here
    except Undecodable:  # a header of whoever sent it; nothing that is wrong with a record keeps it from here
        return here


def shortened(record: Record) -> Record:
    """The record as far as `dlq.v1` takes it: above LETTER_BYTES_MAX it is cut, and a header tells its size.

    The whole record stays where it came from; one that the broker refuses would be sent for ever.
    """
    key, value = record.key or b"", record.value or b""
    beside = sum(len(name.encode()) + len(content) for name, content in record.headers)
    if len(key) + len(value) + beside <= LETTER_BYTES_MAX:
        return record
    kept = record.headers if beside <= _HEADERS_BYTES_MAX else ()
    return msgspec.structs.replace(
        record,
        key=key[:_KEY_BYTES_MAX],
        value=value[: LETTER_BYTES_MAX - _HEADERS_BYTES_MAX - _KEY_BYTES_MAX],
        headers=headers.replace(kept, value_bytes=str(len(value))),
    )


def failure_of(record: Record, error: BaseException, service: str) -> Failure:
    """The failure of a record in a service."""
    message = str(error) or type(error).__name__
    return Failure(error=message, error_class=type(error).__name__, service=service, origin=origin_of(record))


def dead_letter(record: Record, failure: Failure) -> Headers:
    """Headers for `dlq.v1`; those of an earlier failure are replaced, all others stay as they were."""
    return headers.replace(
        record.headers,
        origin=failure.origin,
        error=failure.error,
        error_class=failure.error_class,
        failed_by=failure.service,
    )


def read(record: Record) -> Failure:
    """The failure that a record of `dlq.v1` tells; raises Undecodable."""
    return Failure(
        error=headers.require(record.headers, headers.ERROR),
        error_class=headers.require(record.headers, headers.ERROR_CLASS),
        service=headers.require(record.headers, headers.FAILED_BY),
        origin=headers.require(record.headers, headers.ORIGIN),
    )


async def park(log: Log, record: Record, error: CipherstreamError, service: str) -> Position:
    """Send a record to `dlq.v1` and wait for the acknowledgement; raises BrokerError."""
    record = shortened(record)
    found = dead_letter(record, failure_of(record, error, service))
    return await log.append(DLQ, key=record.key or b"", value=record.value, headers=found)
