"""Faust 0.15.3 may commit beyond a message that is still in flight (its issue 606): cap what it commits.

Our own offsets are in Postgres, so this only spares needless repetitions; to be dropped with the release
that has the correction.
"""

from typing import Any, Final, cast

from faust.transport.consumer import Consumer

_faust: Final = cast(Any, Consumer)
_uncapped: Final = _faust._new_offset


def _new_offset(consumer: Any, tp: Any) -> int | None:
    in_flight = (m.offset for m in consumer._unacked_messages if m.tp == tp and not m.acked)
    low = min(in_flight, default=None)
    if low is None:
        return _uncapped(consumer, tp)
    acked: list[int] = consumer._acked[tp]
    held = [offset for offset in acked if offset > low]
    acked[:] = [offset for offset in acked if offset < low]
    try:
        offset = _uncapped(consumer, tp)
    finally:
        acked.extend(held)
    return None if offset is None else min(offset, low)


def install() -> None:
    """Replace the method of Faust's consumer; once is enough, twice does no harm."""
    _faust._new_offset = _new_offset
