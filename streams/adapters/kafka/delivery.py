"""The moment between a record's being stored and its producer's hearing of it, for whoever must see it."""

import contextlib
from collections.abc import Callable, Generator
from contextvars import ContextVar
from typing import Final

_stored: Final[ContextVar[Callable[[], None] | None]] = ContextVar("stored", default=None)


@contextlib.contextmanager
def when_stored(hook: Callable[[], None]) -> Generator[None]:
    """Appends that begin in this block, also by tasks made in it, call `hook` first when the broker has them.

    It may be called in another thread.
    """
    token = _stored.set(hook)
    try:
        yield
    finally:
        _stored.reset(token)


def hook_of_append() -> Callable[[], None] | None:
    """What is to be called when the append that begins now is stored."""
    return _stored.get()
