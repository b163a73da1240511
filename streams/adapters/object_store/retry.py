"""How requests to an object store are repeated."""

from typing import Final

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from streams.domain.errors import BlobError
from streams.ports import Clock

ATTEMPTS: Final = 4
_FIRST_WAIT_S: Final = 0.1
_WAIT_S_MAX: Final = 2.0


class Unavailable(BlobError):
    """The object store did not answer, or said that it cannot now; the same request may succeed."""


def retrying(clock: Clock) -> AsyncRetrying:
    """Repeats what ends in Unavailable, a few times with growing pauses; the last error is raised."""
    return AsyncRetrying(
        retry=retry_if_exception_type(Unavailable),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential_jitter(multiplier=_FIRST_WAIT_S, max=_WAIT_S_MAX, jitter=_FIRST_WAIT_S),
        sleep=clock.sleep,
        reraise=True,
    )
