"""Records of `dlq.v1`: original key, value and headers untouched, the failure in headers of its own."""

import msgspec

from streams.domain.errors import CipherstreamError
from streams.messages import headers
from streams.messages.topics import DLQ
from streams.ports import Headers, Log, Position, Record


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a record ended here."""

    error: str
    error_class: str
    service: str  # service@version
    origin: str  # topic/partition/offset


def origin_of(record: Record) -> str:
    """Where a record was delivered first; kept when it was moved before."""
    found = headers.get(record.headers, headers.ORIGIN)
    return found or f"{record.topic}/{record.partition}/{record.offset}"


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
    found = dead_letter(record, failure_of(record, error, service))
    return await log.append(DLQ, key=record.key or b"", value=record.value, headers=found)
