"""Headers of every record: identity, schema, trace and, on a failure, its story.

Names are lower case, values UTF-8; a reader copies headers that it does not know and never drops them.
"""

from typing import Final

from streams.domain.errors import Undecodable
from streams.ports import Headers

EVENT_ID: Final = "event-id"  # deterministic, the key of deduplication; kept through retries
SCHEMA: Final = "schema"  # subject/major.minor
CONTENT_TYPE: Final = "content-type"
TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
TENANT: Final = "tenant"
ATTEMPT: Final = "attempt"
ORIGIN: Final = "origin"  # topic/partition/offset of the first delivery
ERROR: Final = "error"
ERROR_CLASS: Final = "error-class"
FAILED_BY: Final = "failed-by"  # service@version
REPLAY: Final = "replay"  # id of a replay's run
AGAIN: Final = "again"  # on a fact that an operator had told once more: it is no listener's position
CLAIM_CHECK: Final = "claim-check"  # the value names an object that holds the message

JSON: Final = "application/json"
_TEXT_CHARS_MAX: Final = 512  # of an error's message; headers travel with every copy


def build(
    *,
    event_id: str,
    schema: str,
    tenant: str | None = None,
    traceparent: str | None = None,
    attempt: int | None = None,
    extra: Headers = (),
) -> Headers:
    """Headers of a new record, in the order of the table; what is None is left out."""
    named: dict[str, str | None] = {
        EVENT_ID: event_id,
        SCHEMA: schema,
        CONTENT_TYPE: JSON,
        TRACEPARENT: traceparent,
        TENANT: tenant,
        ATTEMPT: None if attempt is None else str(attempt),
    }
    return tuple((name, text(value)) for name, value in named.items() if value is not None) + extra


def get(headers: Headers, name: str) -> str | None:
    """The value of a header, the last one when it was set twice; raises Undecodable."""
    for found, value in reversed(headers):
        if found == name:
            try:
                return value.decode()
            except UnicodeDecodeError as error:
                raise Undecodable(f"header {name} is not UTF-8") from error
    return None


def require(headers: Headers, name: str) -> str:
    """The value of a header that must be there; raises Undecodable."""
    value = get(headers, name)
    if value is None:
        raise Undecodable(f"header {name} is missing")
    return value


def replace(headers: Headers, **values: str | None) -> Headers:
    """Copy with some headers set (or left out when None); underscores in names stand for hyphens."""
    changed = {name.replace("_", "-"): value for name, value in values.items()}
    kept = tuple((name, value) for name, value in headers if name not in changed)
    return kept + tuple((name, text(value)) for name, value in changed.items() if value is not None)


def text(value: str) -> bytes:
    """A header's value: UTF-8, cut to a bounded length."""
    return value[:_TEXT_CHARS_MAX].encode()
